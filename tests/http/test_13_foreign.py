"""What is somebody else's looks like what was never there: on every route that names an operation, however it is asked
(contract, section 3; guarantee I5). Generated from the table of routes, so a new one is in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from accepted import Accepted
from accepted.http.routes import SOCKETS, routes
from tests.clock import MovableClock
from tests.http import owasp
from tests.http.api import Api, eventually
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start
from tests.http.conversation import Conversation
from tests.http.test_13_rules import by_name

ANN, BOB = {"x-caller": "ann/submit,read"}, {"x-caller": "bob/submit,read"}
UNKNOWN = "01jd" + "0" * 22
NOBODYS = {"{slug}", "{version}", "{file}"}
"""Parameters that name nothing of anybody's; every other one is taken for an id."""

AT_ONCE = 4.0  # seconds: less than what is asked for here, `Prefer: wait=8`
ASKED: dict[str, list[tuple[str, dict[str, str]]]] = {
    "GET": [
        ("", {}),
        ("?redirect=false", {}),
        ("?after=0&logs=true", {}),
        ("", {"prefer": "wait=8"}),
        ("", {"if-none-match": '"3", W/"1", W/"2"'}),
        ("", {"if-none-match": "*"}),
        ("", {"range": "bytes=0-1"}),
        ("", {"accept": "text/plain"}),
        ("", {"accept": "text/event-stream", "last-event-id": "1"}),
    ],
    "POST": [("", {}), ("", {"idempotency-key": "k"}), ("?redirect=false", {"prefer": "wait=8"})],
}


def register(app: Accepted) -> None:
    @app.operation(owasp.OPERATION, result=owasp.RESULT, retention="1h", concurrency=1)
    async def report(given: dict[str, Any]) -> Any:
        return given

    @app.operation("/kept")
    async def kept() -> str:
        return "of ann"


BARE = Accepted(database="sqlite:///unused.db")
register(BARE)
NAMING = [
    (path, method)
    for path, method in routes(BARE.registry)
    if any(part.startswith("{") and part not in NOBODYS for part in path.split("/"))
]


class Told(NamedTuple):
    """All that an answer says, but for the id that was asked for and how much is left to who asks."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def told(found: Exchange | Conversation, id: str) -> Told:
    headers = {name: value for name, value in found.headers.items() if name != "ratelimit"}
    return Told(found.status, headers, found.body.replace(id.encode(), b"*"))


def filled(path: str, id: str) -> str:
    """The path about the operation with these 26 characters, whatever its parameters are called."""
    kind = "job" if path.startswith("/jobs") else "op"
    parts = ["dlv-1" if part == "{deliveryId}" else part for part in path.split("/")]
    return "/".join(
        f"{kind if part == '{id}' else part[1:-3]}-{id}" if part.startswith("{") else part for part in parts
    )


async def asked(app: Accepted, method: str, path: str, headers: dict[str, str], id: str) -> Told:
    place, _, query = path.partition("?")
    exchange = Exchange(method, f"{filled(place, id)}{query and '?'}{query}", headers=BOB | headers)
    async with asyncio.timeout(AT_ONCE):
        return told(await exchange.through(app), id)


@pytest.fixture
async def anns(make_app: MakeApp, start: Start, clock: MovableClock) -> tuple[Api, list[str]]:
    """An app, and of ann's: one that waits, one that is done, one that is kept no longer."""
    app = make_app(authenticate=by_name, poll_minimum=0)
    register(app)
    api = await start(app)

    async def done(path: str, body: Any = None) -> str:
        answer = await api.post(path, json=body, headers=ANN | {"Prefer": "wait=10"})
        assert answer.status_code == 303, answer.text
        return str(answer.json()["operationId"][3:])

    expired = await done(owasp.OPERATION, {"year": 2025})
    clock.advance(hours=2)
    await api.sweep()
    await eventually(
        lambda: api.get(f"/operations/op-{expired}", headers=ANN), lambda answer: answer.status_code == 410
    )
    waiting = (await api.post("/slows", headers=ANN)).json()["operationId"][3:]
    return api, [waiting, await done(owasp.OPERATION, {"year": 2026}), await done("/kept"), expired]


@pytest.mark.parametrize(("path", "method"), NAMING)
async def test_somebody_elses_looks_like_nothing(anns: tuple[Api, list[str]], path: str, method: str) -> None:
    api, theirs = anns
    for query, headers in ASKED[method]:
        for way in ("GET", "HEAD") if method == "GET" else ("POST",):
            unknown = await asked(api.app, way, path + query, headers, UNKNOWN)
            assert unknown.status == (426 if path in SOCKETS else 404)
            for id in theirs:
                assert await asked(api.app, way, path + query, headers, id) == unknown, (way, query, headers)


@pytest.mark.parametrize("path", [path for path in SOCKETS if "{" in path])
async def test_a_socket_of_somebody_elses_is_refused_as_if_there_were_none(
    anns: tuple[Api, list[str]], path: str
) -> None:
    api, theirs = anns
    answers = []
    for id in (UNKNOWN, *theirs):
        for query in ("", "?after=0"):
            socket = Conversation(api.app, filled(path, id) + query, headers=BOB)
            await socket.ended()
            assert not socket.accepted
            answers.append(told(socket, id))
    assert answers[0].status == 404
    assert answers == [answers[0]] * len(answers)


@pytest.mark.parametrize("path", [path for path in SOCKETS if "{" not in path])
@pytest.mark.parametrize("command", ["subscribe", "get-status", "cancel", "unsubscribe"])
async def test_a_command_about_somebody_elses_is_refused_as_if_there_were_none(
    anns: tuple[Api, list[str]], path: str, command: str
) -> None:
    api, theirs = anns
    socket = Conversation(api.app, path, headers=BOB)
    ids = [UNKNOWN, *theirs]
    for id in ids:
        socket.say({"command": command, "operationId": f"op-{id}"})
    socket.say("?")  # has an answer of its own: by then the others have theirs
    await socket.sees(lambda: socket.said and "operationId" not in socket.said[-1])
    await socket.leave()
    said = [str(message).replace(id, "*") for id, message in zip(ids, socket.said, strict=False)]
    assert len(socket.said) == (1 if command == "unsubscribe" else 1 + len(ids))
    assert command == "unsubscribe" or said == [said[0]] * len(ids)


async def test_ids_in_a_query_name_nobody_elses_either(anns: tuple[Api, list[str]]) -> None:
    """A stream of many, and the filter of the history."""
    api, theirs = anns
    own = (await api.post("/slows", headers=BOB)).json()["operationId"]
    for many in ("/operations/stream?ids=op-{}", f"/operations/stream?ids={own},op-{{}}"):
        answers = []
        for id in (UNKNOWN, *theirs):
            exchange = await Exchange("GET", many.format(id), headers=BOB).through(api.app)
            answers.append(told(exchange, id))
        assert answers[0].status == 404
        assert answers == [answers[0]] * len(answers)
    for id in (UNKNOWN, *theirs):
        page = (await api.get("/jobs", params={"id": f"op-{id}"}, headers=BOB)).json()
        assert (page["data"], page["pagination"].get("totalElements", 0)) == ([], 0)
