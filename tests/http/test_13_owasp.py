"""The OWASP API Security Top 10 on every route: the checks that the table in `owasp.py` names (issue of access)."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from accepted import Accepted
from accepted.contract.caller import GRANTS, Role, Rule
from accepted.http.routes import SOCKETS, routes, rule_of
from tests.house.tree import ROOT
from tests.http import owasp
from tests.http.api import Api
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start
from tests.http.conversation import Conversation
from tests.http.test_13_foreign import BARE, NAMING, filled, register
from tests.http.test_13_rules import by_name
from tests.http.test_schemathesis import nowhere

OTHER = {"x-caller": "other/submit,read"}
SECRET = "a-secret-of-a-webhook"
ORDER = {"year": 2026, "webhook": {"url": "https://93.184.215.14/", "secret": SECRET, "events": ["STARTED"]}}
YEAR, JSON = b'{"year": 2026}', {"content-type": "application/json"}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"}

Check = Callable[["Trial"], Awaitable[None]]
CELLS = [cell for cell in owasp.cells() if cell.stance not in owasp.REASONS]
HOSTILE = {"owner": "other", "status": "COMPLETED", "operationId": "op-" + "1" * 26, "roles": ["admin"], "attempt": 9}
INSIDE = {"owner", "owners", "roles", "key", "secret", "secrets", "fence", "lease", "worker", "boot", "input", "hash"}
INNER_ADDRESSES = ("127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "[64:ff9b::7f00:1]", "2130706433")


class Answer(NamedTuple):
    """What came back; 101 for a socket that was opened."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def slug(self) -> str:
        """Which problem it is."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(json.loads(self.body)["type"]).rpartition("/")[2]


class Trial(NamedTuple):
    """One route of an app that asks who is there and has no worker. `id` is an operation of acme's that has ended."""

    start: Callable[..., Awaitable[Api]]
    api: Api
    method: str
    path: str
    id: str

    @property
    def rule(self) -> Rule:
        return SOCKETS[self.path].rule if self.method == "CONNECT" else rule_of(self.path, self.method)

    @property
    def granted(self) -> dict[str, str]:
        """Who may do it, and owns what it is about."""
        roles = "admin" if self.rule is Rule.ADMIN else "submit,read"
        return {"x-caller": f"acme/{roles}"}

    async def ask(
        self, headers: dict[str, str], query: str = "", body: bytes = b"", *, api: Api | None = None, method: str = ""
    ) -> Answer:
        """One request; a stream without an end is asked by HEAD."""
        app, path = (api or self.api).app, _about(self.path, self.id) + query
        if (method or self.method) == "CONNECT":
            return await _knock(app, path, headers)
        if self.path == "/statistics/stream" and not method:
            method = "HEAD"
        given = headers | (JSON if body else {})
        found = await Exchange(method or self.method, path, headers=given, body=body).through(app)
        return Answer(found.status, found.headers, found.body)


def _about(path: str, id: str) -> str:
    named = path.replace("{slug}", "not-found").replace("{version}/{file}", "now/page.css")
    return f"{path}?ids={id}" if path == "/operations/stream" else filled(named, id[3:])


async def _knock(app: Accepted, path: str, headers: dict[str, str]) -> Answer:
    socket = Conversation(app, path, headers=headers)
    await socket.sees(lambda: socket.accepted or socket.body or socket.task.done())
    await socket.leave()
    return Answer(101 if socket.accepted else socket.status, socket.headers, socket.body)


async def _ended(api: Api, order: Any = ORDER) -> str:
    """An operation of acme's that was cancelled before it began: it can be tried again."""
    acme = {"x-caller": "acme/submit,read"}
    id = str((await api.post(owasp.OPERATION, json=order, headers=acme)).json()["operationId"])
    assert (await api.post(f"/operations/{id}/cancel", headers=acme)).status_code == 200
    return id


# --- the table


def test_every_route_has_a_stance_on_every_item() -> None:
    served = {(method, path) for path, method in routes(BARE.registry)} | {("CONNECT", path) for path in SOCKETS}
    menu = {("POST", registered.path) for registered in BARE.registry if registered.path != owasp.OPERATION}
    table = {(cell.method, cell.path) for cell in owasp.cells()}
    assert table == served - menu


def test_every_stance_is_a_check_or_a_reason_and_none_is_idle() -> None:
    stances = {cell.stance for cell in owasp.cells()}
    assert not CHECKS.keys() & owasp.REASONS.keys()
    assert stances == CHECKS.keys() | owasp.REASONS.keys() | {"foreign", "named"}
    for path in re.findall(r"tests/[\w/]+\.py", " ".join(owasp.REASONS.values())):
        assert (ROOT / path).exists(), path


def test_what_names_an_operation_is_held_against_strangers() -> None:
    """`foreign` and `named` are what `test_13_foreign.py` does with each of these routes."""
    claimed = {(cell.path, cell.method) for cell in owasp.cells() if cell.stance == "foreign"}
    generated = {(path, method) for path, method in NAMING if path not in SOCKETS}
    assert claimed == generated | {(path, "CONNECT") for path in SOCKETS if "{" in path}


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.stance not in {"foreign", "named"}], ids=str)
async def test_a_stance_is_kept(make_app: MakeApp, start: Start, cell: owasp.Cell) -> None:
    async def begin(**settings: Any) -> Api:
        app = make_app(authenticate=by_name, worker=False, **settings)
        register(app)
        api = await start(app)
        api.app.node.deliverer.sender.dial = nowhere
        return api

    api = await begin()
    await CHECKS[cell.stance](Trial(begin, api, cell.method, cell.path, await _ended(api)))


# --- 1: objects


async def key(trial: Trial) -> None:
    """Somebody else's idempotency key names nothing."""
    same = {"idempotency-key": "k"}
    ids = [
        json.loads((await trial.ask(caller | same, body=YEAR)).body)["operationId"]
        for caller in (trial.granted, OTHER, trial.granted)
    ]
    assert ids[0] == ids[2] != ids[1]


async def ticket(trial: Trial) -> None:
    """A ticket opens what its caller may see, and nothing else."""
    given = json.loads((await trial.ask(OTHER)).body)["ticket"]
    found = await Exchange("GET", f"/operations/{trial.id}/stream?ticket={given}").through(trial.api.app)
    assert found.status == 404


async def lists(trial: Trial) -> None:
    """Others' operations make no difference to what is listed or counted."""
    for query in ("", f"?id={trial.id}", "?status=CANCELLED", "?type=report", f"?cursor=AA&limit=1&id={trial.id[:9]}"):
        before = await trial.ask(OTHER, query)
        assert trial.id[3:].encode() not in before.body
        if before.status == 200 and "data" in (found := json.loads(before.body)):
            assert found["data"] == []
    assert (await trial.ask(OTHER, "?owner=acme")).status == (403 if trial.path == "/jobs" else 200)


async def same(trial: Trial) -> None:
    """It says the same to everybody, of nobody's operations."""
    answers = [
        (await trial.ask({"x-caller": f"{owner}/{trial.granted['x-caller'][5:]}"})).body for owner in ("acme", "other")
    ]
    assert all(trial.id[3:].encode() not in body for body in answers) or trial.path in SOCKETS  # as its own instance
    assert b"acme" not in b"".join(answers)


# --- 2: who asks


async def asks(trial: Trial) -> None:
    """Without credentials, or with none that are good, there is 401 and nothing else."""
    key = "ak_" + "0" * 13 + "_" + "0" * 52
    wrong: list[tuple[dict[str, str], str]] = [
        ({}, ""),
        ({"authorization": f"Bearer {key}"}, ""),
        ({"authorization": "Basic YWNtZTphY21l"}, ""),
        ({"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhY21lIn0."}, ""),
        ({}, f"access_token={key}"),
        ({}, "ticket=tk_" + "0" * 52),
    ]
    for headers, query in wrong:
        mark = "&" if "?" in _about(trial.path, trial.id) else "?"
        answer = await trial.ask(headers, f"{mark}{query}" if query else "")
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert not answer.body or answer.slug == "unauthenticated"


# --- 3: properties


async def tells(trial: Trial) -> None:
    """An answer to its owner has no member that is ours alone, and never the secret."""
    if trial.method == "CONNECT":
        socket = Conversation(trial.api.app, _about(trial.path, trial.id), headers=trial.granted)
        socket.say({"command": "subscribe", "operationId": trial.id})
        found: list[Any] = list(await socket.heard(1))
        await socket.leave()
    else:
        answer = await trial.ask(trial.granted, "" if "?" in _about(trial.path, trial.id) else "?redirect=false")
        texts = answer.body.decode().splitlines()
        found = [json.loads(line.removeprefix("data: ")) for line in texts if line.startswith(("{", "data: "))]
        assert found or trial.path.endswith("/input")
    assert _members(found) & INSIDE == set()
    assert SECRET not in json.dumps(found)


def _members(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {*value}.union(*map(_members, value.values()))
    return set().union(*map(_members, value)) if isinstance(value, list) else set()


async def takes(trial: Trial) -> None:
    """A caller cannot write what is ours: whose it is, what it is, how it stands."""
    answer = await trial.ask(trial.granted, "?owner=other&status=COMPLETED", json.dumps(HOSTILE).encode())
    assert answer.status < 500
    assert b'"other"' not in answer.body
    for operation in (await trial.api.get("/jobs", headers={"x-caller": "root/admin"})).json()["data"]:
        assert (operation["owner"], operation["attempt"]) == ("acme", 0)
        assert operation["status"] in {"PENDING", "CANCELLED"}


# --- 4: resources


async def rate(trial: Trial) -> None:
    """An owner who asks too often is told so, and when to come back; a body has an end."""
    api = await trial.start(submit_rate="2/1m", read_rate="2/1m")
    answers = [await trial.ask(trial.granted, api=api) for _ in range(3)]
    assert [answer.status == 429 for answer in answers] == [False, False, True]
    assert int(answers[-1].headers["retry-after"]) >= 1
    if trial.method == "POST":
        await body(trial)


async def body(trial: Trial) -> None:
    """A body has an end."""
    answer = await trial.ask(trial.granted, body=b'"' + b"x" * (1 << 20) + b'"')
    assert (answer.status, answer.slug) == (413, "body-too-large")


# --- 5: functions


async def role(trial: Trial) -> None:
    """Every role that the table of roles does not grant this gets 403, however it asks."""
    refused = [role for role in Role if trial.rule not in GRANTS[role]]
    assert refused
    for each in (*refused, ""):
        for method in ("GET", "HEAD") if trial.method == "GET" else (trial.method,):
            answer = await trial.ask({"x-caller": f"acme/{each}"}, method=method)
            assert answer.status == 403
            assert method == "HEAD" or answer.slug == "forbidden"


# --- 6 and 7: flows and addresses


async def share(trial: Trial) -> None:
    """One owner cannot fill the queue."""
    api = await trial.start(owner_queue_limit=1)
    own = trial._replace(api=api, id=await _ended(api))
    assert (await api.post(owasp.OPERATION, content=YEAR, headers=trial.granted | JSON)).status_code == 202
    answer = await own.ask(trial.granted, body=YEAR)
    assert (answer.status, answer.slug) == (429, "quota-exceeded")
    assert int(answer.headers["retry-after"]) >= 1


async def address(trial: Trial) -> None:
    """Nobody sends the server to an inner address."""
    for host in INNER_ADDRESSES:
        order = {"year": 2026, "webhook": {"url": f"https://{host}/latest/meta-data"}}
        answer = await trial.ask(trial.granted, body=json.dumps(order).encode())
        assert (answer.status, answer.slug) == (422, "webhook-url-forbidden"), host


# --- 8 and 9: configuration and inventory


async def safe(trial: Trial) -> None:
    """Safe headers, nothing of the inside, no other host, no page of another origin."""
    evil = {"origin": "https://evil.example"}
    answer = await trial.ask(trial.granted if trial.method != "GET" else trial.granted | evil)
    if answer.status != 101:
        assert (answer.headers["x-content-type-options"], answer.headers["referrer-policy"]) == (
            "nosniff",
            "no-referrer",
        )
    assert not answer.headers.keys() & {"server", "x-powered-by", "access-control-allow-origin"}
    assert b"Traceback" not in answer.body
    stranger = await trial.ask(trial.granted | {"host": "evil.example"})
    assert stranger.status == 421
    if trial.method != "GET":
        refused = await trial.ask(trial.granted | evil)
        assert (refused.status, refused.slug) == (403, "origin-not-allowed")


async def listed(trial: Trial) -> None:
    """It stands in the document with this method, and knows no other."""
    document = json.loads((await Exchange("GET", "/openapi.json", headers=trial.granted).through(trial.api.app)).body)
    method = "GET" if trial.method == "CONNECT" else trial.method
    assert method.lower() in document["paths"][trial.path]
    known = {other for path, other in routes(BARE.registry) if path == trial.path}
    for other in METHODS - known - ({"HEAD"} if "GET" in known else set()):
        refused = await trial.ask(trial.granted, method=other)
        taken_for_an_id = trial.path == "/operations/ticket" and other in {"GET", "HEAD"}
        assert refused.status == (404 if taken_for_an_id else 405)
        assert other == "HEAD" or taken_for_an_id or refused.slug == "method-not-allowed"


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (key, ticket, lists, same, asks, tells, takes, rate, body, role, share, address, safe, listed)
}
