"""JSON Web Tokens (RFC 7519): whom a token of somebody else's issuer shows. Needs the extra `jwt`.

Which algorithms count is this server's decision, never the token's: with a shared key those that sign with one, with a
set of public keys those that verify with one, so that no public key can be taken for a shared one (RFC 8725, sections
2.1 and 3.1). A token without `exp` is refused. What was verified is remembered until it ends, or until the keys change.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Any

import httpx2
import jwt

from ..contract.caller import Caller, Role
from ..settings import Settings

log = logging.getLogger("accepted.http")

LONGEST = 8 * 1024  # bytes of a token
REMEMBERED = 4096
LONGEST_SET = 256 * 1024  # bytes of a set of keys
PATIENCE = 5.0  # seconds for the issuer to answer
FRESH = 300.0  # seconds that a set of keys is believed without being asked for again
REST = 10.0  # seconds between two questions, however many unknown keys are named

Connect = Callable[[], httpx2.AsyncClient]


class TokenVerifier:
    """Reads tokens as the settings `jwt_*` say. `time` gives seconds that never jump."""

    def __init__(self, settings: Settings, time: Callable[[], float], connect: Connect | None = None) -> None:
        self._settings = settings
        self._time = time
        self._known: dict[bytes, Caller] = {}
        self._keys = (
            _KeySet(settings.jwt_jwks_url, time, connect or _connect, self._known.clear)
            if settings.jwt_jwks_url
            else None
        )

    def known(self, token: str) -> Caller | None:
        """Whom a token shows that was verified before; the guard looks whether its time is over.

        Nobody while the issuer's keys have to be asked for again: one that it has withdrawn must not live on in here.
        """
        if not self._known or (self._keys is not None and not self._keys.is_fresh):
            return None
        return self._known.get(hashlib.sha256(token.encode()).digest())

    async def verify(self, token: str) -> Caller | None:
        """Whom it shows; None for whatever is wrong with it, which the log says at DEBUG."""
        if len(token) > LONGEST:
            return None
        try:
            caller = self._caller(self._claims(token, await self._key(token)))
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            log.debug("a token was refused: %s", type(error).__name__)
            return None
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[hashlib.sha256(token.encode()).digest()] = caller
        return caller

    async def _key(self, token: str) -> Any:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in self._settings.jwt_algorithms:
            raise jwt.InvalidAlgorithmError
        if self._keys is None:
            return self._settings.jwt_key
        return await self._keys.find(header.get("kid"), str(header["alg"]))

    def _claims(self, token: str, key: Any) -> dict[str, Any]:
        settings = self._settings
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(settings.jwt_algorithms),
            audience=settings.jwt_audience or None,
            issuer=settings.jwt_issuer or None,
            leeway=settings.jwt_leeway,
            options={"require": ["exp"], "verify_aud": bool(settings.jwt_audience)},
        )
        return claims

    def _caller(self, claims: dict[str, Any]) -> Caller:
        owner = _claim(claims, self._settings.jwt_owner_claim)
        if not isinstance(owner, str) or not 0 < len(owner) <= 255 or not owner.isprintable():
            raise ValueError("the token names no owner")
        given = _claim(claims, self._settings.jwt_roles_claim) or []
        words = given.replace(",", " ").split() if isinstance(given, str) else given
        if not isinstance(words, list):  # an object might say {"admin": false}
            raise ValueError("roles are a list or words")
        known = frozenset(Role(word) for word in words if word in Role.__members__.values())
        until = round((float(claims["exp"]) + self._settings.jwt_leeway) * 1000)
        return Caller(owner, known, f"jwt:{_named(claims)}", until)


class _KeySet:
    """Public keys of an issuer (RFC 7517), asked for again when a token names one that is not among them."""

    def __init__(self, url: str, time: Callable[[], float], connect: Connect, changed: Callable[[], None]) -> None:
        self._url = url
        self._time = time
        self._connect = connect
        self._changed = changed
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._text = b""
        self._asked = -REST
        self._got = -FRESH
        self._turn = asyncio.Lock()

    @property
    def is_fresh(self) -> bool:
        """Whether they are believed without being asked for again."""
        return self._time() - self._got <= FRESH

    async def find(self, kid: Any, algorithm: str) -> jwt.PyJWK:
        """The key of this name that is meant for this algorithm. Raises `PyJWTError` where there is none."""
        if kid not in self._keys or not self.is_fresh:
            async with self._turn:
                if (kid not in self._keys or not self.is_fresh) and self._may_ask():
                    await self._ask()
        key = self._keys.get(kid)
        if key is None or key.algorithm_name != algorithm:
            raise jwt.InvalidKeyError
        return key

    def _may_ask(self) -> bool:
        return self._time() - self._asked >= REST

    async def _ask(self) -> None:
        """What cannot be had now leaves the keys as they were."""
        self._asked = self._time()
        try:
            text = await self._fetched()
            found = jwt.PyJWKSet.from_json(text.decode())
        except (httpx2.HTTPError, TimeoutError, jwt.PyJWTError, ValueError) as error:
            log.warning("the keys at %s cannot be had: %s", self._url, type(error).__name__)
            return
        keys = {key.key_id: key for key in found.keys if key.public_key_use in {None, "sig"} and key.key_type != "oct"}
        if text != self._text:  # not their names alone: a key may be replaced under its name
            self._changed()
        self._keys, self._text, self._got = keys, text, self._time()

    async def _fetched(self) -> bytes:
        async with asyncio.timeout(PATIENCE), self._connect() as client, client.stream("GET", self._url) as answer:
            answer.raise_for_status()
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LONGEST_SET:
                    raise ValueError("the set of keys is too large")
        return body


def _connect() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(trust_env=False, follow_redirects=False)


def _claim(claims: dict[str, Any], path: str) -> Any:
    """A claim; dots lead into objects, where no claim has the whole name."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _named(claims: dict[str, Any]) -> str:
    """What the audit trail calls it: its `jti`, or whom it was issued to."""
    name = claims.get("jti") or claims.get("sub") or ""
    return str(name)[:64]
