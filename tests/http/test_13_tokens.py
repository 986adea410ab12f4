"""JSON Web Tokens: whom they show, and every way in which one can be wrong."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from accepted.contract.caller import Role
from accepted.http.jwt import REST, TokenVerifier
from accepted.settings import InvalidSetting, load
from tests.http.api import Api, problem
from tests.http.conftest import MakeApp, Start
from tests.http.test_13_keys import bearing

SECRET = "a secret of thirty-two bytes or more"
ISSUER, AUDIENCE = "https://login.example.com", "accepted"
RSA = {kid: rsa.generate_private_key(65537, 2048) for kid in ("one", "two")}
EC = ec.generate_private_key(ec.SECP256R1())
PUBLIC = {"jwt_jwks_url": "https://login.example.com/keys", "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; None leaves a claim out."""
    whole = {"sub": "acme", "roles": ["submit", "read"], "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 60}
    return {name: value for name, value in (whole | changes).items() if value is not None}


def signed(key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


class Issuer:
    """Gives its keys to whoever asks, and counts."""

    def __init__(self, *kids: str) -> None:
        self.kids = set(kids)
        self.asked = 0
        self.down = False

    def connect(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        if self.down:
            return httpx2.Response(503)
        keys = [
            json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA[kid].public_key())) | {"kid": kid, "alg": "RS256"}
            for kid in sorted(self.kids)
        ]
        ec_key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC.public_key())) | {"kid": "ec", "use": "sig"}
        shared = {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "kid": "oct"}
        return httpx2.Response(200, json={"keys": [*keys, ec_key, shared]})


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock_of_keys() -> Clock:
    return Clock()


def verifier(issuer: Issuer, clock: Callable[[], float], **settings: Any) -> TokenVerifier:
    return TokenVerifier(load(PUBLIC | settings, {}), clock, issuer.connect)


@pytest.fixture
async def tokens(make_app: MakeApp, start: Start) -> Api:
    """An app that knows tokens by a shared key."""
    return await start(make_app(worker=False, jwt_key=SECRET, jwt_issuer=ISSUER, jwt_audience=AUDIENCE))


async def test_a_token_shows_owner_and_roles(tokens: Api) -> None:
    id = (await tokens.post("/noops", headers=bearing(signed()))).json()["operationId"]
    assert (await tokens.get(f"/operations/{id}", headers=bearing(signed(roles="read openid")))).status_code == 200
    problem(await tokens.get(f"/operations/{id}", headers=bearing(signed(sub="other"))), 404, "operation-not-found")
    problem(await tokens.post("/noops", headers=bearing(signed(roles=["read"]))), 403, "forbidden")
    problem(await tokens.get("/jobs", headers=bearing(signed(roles=None))), 403, "forbidden")
    problem(await tokens.get("/jobs"), 401, "unauthenticated")


def _tampered() -> str:
    head, _, signature = signed().split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(roles=["admin"])).encode()).decode().rstrip("=")
    return f"{head}.{body}.{signature}"


PEM = RSA["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

WRONG: dict[str, Callable[[], str]] = {
    "expired": lambda: signed(exp=time.time() - 31),
    "without-an-end": lambda: signed(exp=None),
    "not-yet": lambda: signed(nbf=time.time() + 60),
    "of-another-issuer": lambda: signed(iss="https://evil.example.com"),
    "without-an-issuer": lambda: signed(iss=None),
    "for-another-audience": lambda: signed(aud="somebody-else"),
    "without-an-audience": lambda: signed(aud=None),
    "unsigned": lambda: jwt.encode(claims(), "", algorithm="none"),
    "by-another-key": lambda: signed("another secret of thirty-two bytes.."),
    "by-another-algorithm": lambda: signed(SECRET * 2, "HS512"),
    "by-a-private-key": lambda: signed(RSA["one"], "RS256"),
    "tampered": _tampered,
    "without-an-owner": lambda: signed(sub=None),
    "with-an-empty-owner": lambda: signed(sub=""),
    "with-a-long-owner": lambda: signed(sub="x" * 256),
    "with-an-owner-that-no-database-keeps": lambda: signed(sub="a\0b"),
    "with-an-owner-that-is-no-text": lambda: signed(sub="a\ud800b"),
    "with-odd-roles": lambda: signed(roles=7),
    "with-roles-by-name": lambda: signed(roles={"admin": False, "read": False}),
    "too-long": lambda: signed(more="x" * 9000),
    "cut": lambda: signed()[:-5],
    "no-token": lambda: "a.b.c",
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_wrong_with_a_token(tokens: Api, wrong: str) -> None:
    problem(await tokens.get("/jobs", headers=bearing(WRONG[wrong]())), 401, "unauthenticated")


async def test_a_clock_may_be_a_little_off(tokens: Api) -> None:
    assert (await tokens.get("/jobs", headers=bearing(signed(exp=time.time() - 20)))).status_code == 200


async def test_a_token_that_was_let_in_once_still_ends(tokens: Api) -> None:
    token = bearing(signed())
    assert (await tokens.get("/jobs", headers=token)).status_code == 200
    assert (await tokens.get("/jobs", headers=token)).status_code == 200
    tokens.app._clock.advance(100)  # type: ignore[attr-defined]
    await tokens.app.node.keyring.look()
    caller = next(iter(tokens.app.face._guard._verifier._known.values()))  # type: ignore[union-attr]
    assert not tokens.app.face._guard.holds(caller)


# --- keys of an issuer


async def test_public_keys_are_fetched_once_and_tell_whom_a_token_shows(clock_of_keys: Clock) -> None:
    issuer = Issuer("one")
    known = verifier(issuer, clock_of_keys, jwt_roles_claim="realm_access.roles", jwt_owner_claim="org")
    access = {"realm_access": {"roles": ["read", "offline"]}, "org": "acme"}
    for _ in range(3):
        caller = await known.verify(signed(RSA["one"], "RS256", "one", **access))
        assert caller is not None
        assert (caller.owner, caller.roles) == ("acme", frozenset({Role.READ}))
    assert (await known.verify(signed(EC, "ES256", "ec", **access))) is not None
    assert issuer.asked == 1


async def test_an_unknown_key_is_asked_for_but_not_again_and_again(clock_of_keys: Clock) -> None:
    issuer = Issuer("one")
    known = verifier(issuer, clock_of_keys)
    assert await known.verify(signed(RSA["one"], "RS256", "one"))
    for _ in range(50):
        assert await known.verify(signed(RSA["two"], "RS256", "two")) is None
    assert issuer.asked == 1
    issuer.kids = {"two"}
    clock_of_keys.now += REST
    assert await known.verify(signed(RSA["two"], "RS256", "two"))
    assert issuer.asked == 2
    assert await known.verify(signed(RSA["one"], "RS256", "one")) is None


async def test_a_key_that_is_withdrawn_counts_no_more_for_tokens_seen_before(clock_of_keys: Clock) -> None:
    issuer = Issuer("one", "two")
    known = verifier(issuer, clock_of_keys)
    token = signed(RSA["one"], "RS256", "one")
    assert await known.verify(token)
    assert known.known(token)
    issuer.kids = {"two"}
    clock_of_keys.now += 301
    assert await known.verify(signed(RSA["two"], "RS256", "two"))
    assert known.known(token) is None
    assert await known.verify(token) is None


async def test_a_key_that_is_withdrawn_counts_no_more_also_where_nobody_else_asks(clock_of_keys: Clock) -> None:
    issuer = Issuer("one", "two")
    known = verifier(issuer, clock_of_keys)
    token = signed(RSA["one"], "RS256", "one")
    assert await known.verify(token)
    issuer.kids = {"two"}
    clock_of_keys.now += 301
    assert known.known(token) is None
    assert await known.verify(token) is None


async def test_a_key_that_is_replaced_under_its_name_counts_no_more(
    clock_of_keys: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = Issuer("one")
    known = verifier(issuer, clock_of_keys)
    old = signed(RSA["one"], "RS256", "one")
    assert await known.verify(old)
    monkeypatch.setitem(RSA, "one", RSA["two"])
    clock_of_keys.now += 301
    assert await known.verify(signed(RSA["one"], "RS256", "one"))
    assert known.known(old) is None
    assert await known.verify(old) is None


async def test_an_issuer_that_is_down_changes_nothing_for_a_known_key(clock_of_keys: Clock) -> None:
    issuer = Issuer("one")
    known = verifier(issuer, clock_of_keys)
    assert await known.verify(signed(RSA["one"], "RS256", "one"))
    issuer.down = True
    clock_of_keys.now += 301
    assert await known.verify(signed(RSA["one"], "RS256", "one"))
    assert await known.verify(signed(RSA["two"], "RS256", "two")) is None


CONFUSED: dict[str, Callable[[], str]] = {
    "the-public-key-as-a-shared-one": lambda: _by_hand("HS256", "one", PEM),
    "a-shared-key-in-the-set": lambda: signed(SECRET, "HS256", "oct"),
    "another-algorithm-for-the-key": lambda: signed(RSA["one"], "PS256", "one"),
    "none": lambda: jwt.encode(claims(), "", algorithm="none", headers={"kid": "one"}),
    "no-name-of-a-key": lambda: signed(RSA["one"], "RS256"),
}


def _by_hand(algorithm: str, kid: str, key: bytes) -> str:
    """A token that pyjwt would not make: signed with a public key as if it were a secret."""
    import hashlib
    import hmac

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    head = part(json.dumps({"alg": algorithm, "kid": kid, "typ": "JWT"}).encode())
    body = f"{head}.{part(json.dumps(claims()).encode())}"
    return f"{body}.{part(hmac.new(key, body.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize("confused", CONFUSED)
async def test_no_key_is_taken_for_one_of_another_kind(clock_of_keys: Clock, confused: str) -> None:
    assert await verifier(Issuer("one"), clock_of_keys).verify(CONFUSED[confused]()) is None


REFUSED = [
    {"jwt_key": "short"}, {"jwt_key": SECRET, "jwt_algorithms": "RS256"}, {"jwt_key": SECRET, "jwt_algorithms": "none"},
    PUBLIC | {"jwt_algorithms": "HS256"}, PUBLIC | {"jwt_algorithms": "RS256,HS256"}, PUBLIC | {"jwt_key": SECRET},
    PUBLIC | {"jwt_audience": ""}, PUBLIC | {"jwt_issuer": ""}, PUBLIC | {"jwt_jwks_url": "http://login.example.com/k"},
    {"jwt_key": SECRET, "jwt_leeway": "10m"},
]  # fmt: skip


@pytest.mark.parametrize("settings", REFUSED)
def test_settings_that_would_let_in_others_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(InvalidSetting) as refused:
        load(settings, {})
    assert SECRET not in str(refused.value)
