"""A corpus of hostile requests against HTTP, event streams and WebSockets: no 5xx, no reflection, nothing forged."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from tests.http.api import Api
from tests.http.asgi import Exchange
from tests.http.conversation import Conversation
from tests.http.corpus import BODIES, COMMANDS, HEADERS, MARK, QUERIES, SEGMENTS, TEXTS

JSON = {"content-type": "application/json"}
PATHS = (
    "/operations/{}",
    "/operations/{}/result",
    "/operations/{}/stream",
    "/jobs/{}",
    "/jobs/{}/logs",
    "/problems/{}",
    "/{}",
)
LISTS = ("/jobs", "/operations/stream")


def named(cases: tuple[Any, ...]) -> dict[str, Any]:
    """The cases with short names."""
    return {"argvalues": cases, "ids": [f"{number}" for number in range(len(cases))]}


def checked(exchange: Exchange) -> Exchange:
    """Raises unless the answer is one that we mean: known status, well-formed headers, a problem where it refuses."""
    assert 200 <= exchange.status < 500, (exchange.status, exchange.body[:300])
    for name, value in exchange.headers.items():
        assert all(" " <= character <= "~" for character in value), (name, value)
        assert "set-cookie" not in name
    if exchange.status >= 400:
        assert exchange.headers["content-type"] == "application/problem+json"
    if exchange.status >= 400 and exchange.scope["method"] != "HEAD":
        problem = json.loads(exchange.body)
        assert problem["status"] == exchange.status
        assert len(problem["detail"]) < 1000, "what was sent does not come back at length"
    if exchange.headers.get("content-type", "").startswith("text/html"):
        assert f"<script>{MARK}".encode() not in exchange.body
    assert b"\x1b" not in exchange.body
    assert b"Traceback" not in exchange.body
    return exchange


@pytest.mark.parametrize("body", **named(BODIES))
async def test_bodies(idle: Api, body: bytes) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    for path in ("/echoes", "/noops", f"/operations/{id}/cancel"):
        found = checked(await Exchange("POST", path, headers=JSON, body=body).through(idle.app))
        assert found.status in {200, 202, 400, 409, 415, 422}


@pytest.mark.parametrize("header", **named(HEADERS))
async def test_headers(idle: Api, header: tuple[str, str]) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    given = JSON | {header[0].lower(): header[1]}
    if not header[1].startswith("wait="):  # those may be waited for as long as one may wait
        for method, path in (("GET", f"/operations/{id}"), ("GET", "/jobs"), ("POST", "/noops")):
            checked(await Exchange(method, path, headers=given).through(idle.app))
    checked(await Exchange("HEAD", f"/operations/{id}/result", headers=given).through(idle.app))
    checked(await Exchange("GET", f"/jobs/{id.replace('op-', 'job-')}/logs", headers=given).through(idle.app))


@pytest.mark.parametrize("segment", **named(SEGMENTS))
async def test_paths(idle: Api, segment: str) -> None:
    for path in PATHS:
        for method in ("GET", "POST", "DELETE"):
            exchange = Exchange(method, path.format(unquote(segment, errors="replace")))
            exchange.scope["raw_path"] = path.format(segment).encode()
            assert checked(await exchange.through(idle.app)).status in {200, 400, 404, 405}


@pytest.mark.parametrize("query", **named(QUERIES))
async def test_queries(idle: Api, query: str) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    await idle.post(f"/operations/{id}/cancel")
    job = id.replace("op-", "job-")
    for path in (*LISTS, f"/operations/{id}", f"/operations/{id}/stream", f"/jobs/{job}/logs"):
        found = checked(await Exchange("GET", f"{path}?{query}").through(idle.app))
        if found.status >= 400:
            assert MARK.encode() not in found.body


@pytest.mark.parametrize("text", **named(TEXTS))
async def test_texts_stay_texts(api: Api, text: str) -> None:
    """A text goes in, and comes out as the same value: in documents, in streams, and in no other form."""
    body = json.dumps(text).encode()
    made = checked(await Exchange("POST", "/echoes", headers=JSON, body=body).through(api.app))
    assert made.status == 202, made.body
    id = json.loads(made.body)["operationId"]
    document = await api.ended(id)
    result = checked(await Exchange("GET", f"/operations/{id}/result").through(api.app))
    assert json.loads(result.body) == text
    if len(text) < 10_000:
        assert document["result"]["value"] == text
    stream = checked(await Exchange("GET", f"/operations/{id}/stream?after=0").through(api.app))
    lines = stream.body.decode().split("\n")
    assert {line.partition(":")[0] for line in lines} <= {"", "id", "event", "data", "retry"}
    assert [line for line in lines if line.startswith("data: forged")] == []
    reasoned = (await api.submit("/noops"))["operationId"]
    await Exchange("POST", f"/operations/{reasoned}/cancel", headers=JSON, body=b'{"reason":%s}' % body).through(
        api.app
    )
    checked(await Exchange("GET", f"/operations/{reasoned}?redirect=false").through(api.app))


@pytest.mark.parametrize("command", **named(COMMANDS))
async def test_commands(idle: Api, command: str) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    for path in (f"/operations/{id}/status", "/operations/status"):
        talk = Conversation(idle.app, path)
        talk.say(command, {"command": "get-status", "operationId": id})
        if '"command":"cancel"' in command.replace("get-status", "") and "subscribe" not in command:
            continue
        messages = await talk.heard(2)
        assert {message["event"] for message in messages} <= {"STATUS_UPDATE", "ERROR"}
        for message in messages:
            if message["event"] == "ERROR":
                assert message["error"]["status"] < 500
                assert MARK not in json.dumps(message)
        await talk.leave()
    assert (await idle.status(id))["status"] == "PENDING"


@pytest.mark.parametrize("header", **named(HEADERS))
async def test_handshakes(idle: Api, header: tuple[str, str]) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    talk = Conversation(idle.app, f"/operations/{id}/status", headers={header[0].lower(): header[1]})
    await talk.sees(lambda: talk.accepted or talk.status or talk.task.done())
    assert talk.accepted or 400 <= talk.status < 500
    if talk.accepted:
        await talk.leave()
