"""WebSockets of a real server, spoken to by a client library: contract, section 8, and guarantees E2, E6, D6."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.processes.api import Api
from tests.processes.deadline import PATIENCE, until
from tests.processes.newsroom import Newsroom, newsroom
from tests.processes.serving import Server

UNKNOWN = "op-" + "0" * 26


@pytest.fixture
def server(tmp_path: Path) -> Any:
    """A server without a worker."""
    with Server(tmp_path, workers=0, ACCEPTED_DRAIN_TIMEOUT="1") as server:
        yield server


@pytest.fixture
async def room(server: Server) -> AsyncIterator[Newsroom]:
    """Who writes its events."""
    async with newsroom(server.database) as room:
        yield room


def socket(server: Server, path: str, **options: Any) -> connect:
    return connect(f"ws{server.url[4:]}{path}", proxy=None, **options)


async def heard(talk: ClientConnection) -> list[dict[str, Any]]:
    """Everything until it is closed."""
    found = []
    async with asyncio.timeout(PATIENCE):
        try:
            while True:
                found.append(json.loads(await talk.recv()))
        except ConnectionClosed:
            return found


async def answer(talk: ClientConnection, command: Any) -> dict[str, Any]:
    await talk.send(command if isinstance(command, str) else json.dumps(command))
    async with asyncio.timeout(PATIENCE):
        return dict(json.loads(await talk.recv()))


async def test_all_events_and_a_clean_end(server: Server, api: Api, room: Newsroom) -> None:
    (id,) = await room.operations(api, 1)
    async with socket(server, f"/operations/{id}/status?after=0") as talk:
        for _ in range(300):
            await room.advance([id])
        await room.complete([id])
        said = await heard(talk)
    assert [message["sequence"] for message in said] == list(range(1, 304))
    assert (said[-1]["event"], talk.close_code) == ("COMPLETED", 1000)
    for k in (0, 100, 302, 303):
        async with socket(server, f"/operations/{id}/status?after={k}") as talk:
            assert [message["sequence"] for message in await heard(talk)] == list(range(k + 1, 304))
        assert talk.close_code == 1000


async def test_commands_and_mistakes(server: Server, api: Api, room: Newsroom) -> None:
    ids = [api.submit("/noops") for _ in range(2)]
    async with socket(server, "/operations/status") as talk:
        assert (await answer(talk, {"command": "subscribe", "operationId": ids[0]}))["status"] == "PENDING"
        assert (await answer(talk, "{"))["error"]["type"] == "/problems/invalid-json"
        assert (await answer(talk, {"command": "sing"}))["error"]["type"] == "/problems/invalid-command"
        assert (await answer(talk, {"command": "get-status", "operationId": ids[1]}))["event"] == "STATUS_UPDATE"
        for id in ids:
            cancelled = await answer(talk, {"command": "cancel", "operationId": id, "reason": "enough"})
            assert (cancelled["event"], cancelled["operationId"]) == ("CANCELLED", id)
        await talk.send(b"\x00\xff")
        assert json.loads(await talk.recv())["error"]["type"] == "/problems/invalid-command"


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [
        (f"/operations/{UNKNOWN}/status", None, 404),
        ("/nothing", None, 404),
        ("/operations/status", "https://evil.example", 403),
    ],
)
async def test_refused_before_the_upgrade(server: Server, path: str, origin: Any, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket(server, path, origin=origin):
            pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["status"] == status
    assert "Traceback" not in server.logged()
    assert "ERROR" not in server.logged()


async def test_too_large_and_too_many_are_the_end(server: Server) -> None:
    async with socket(server, "/operations/status") as talk:
        await talk.send("x" * (16 * 1024 + 1))
        await heard(talk)
    assert talk.close_code == 1009
    async with socket(server, "/operations/status") as talk:
        for _ in range(100):
            try:
                await talk.send("{}")
            except ConnectionClosed:
                break
        said = await heard(talk)
    assert (said[-1]["error"]["type"], talk.close_code) == ("/problems/too-many-messages", 1008)


async def test_the_end_of_the_server_says_restart(server: Server, api: Api, room: Newsroom) -> None:
    (id,) = await room.operations(api, 1)
    talks = [await socket(server, f"/operations/{id}/status") for _ in range(100)]
    for talk in talks:
        await talk.recv()
    server.send(signal.SIGTERM)
    assert await asyncio.to_thread(server.wait) == 0
    for talk in talks:
        assert await heard(talk) == []
        assert talk.close_code == 1012
    assert "Traceback" not in server.logged()


async def test_who_comes_and_goes_in_every_way_leaves_nothing(server: Server, api: Api, room: Newsroom) -> None:
    (id,) = await room.operations(api, 1)
    before = server.sockets()
    for number in range(100):
        talk = await socket(server, f"/operations/{id}/status" if number % 3 else "/operations/status")
        if number % 2:
            await talk.send('{"command": "get-status"}')
            await room.advance([id])
        if number % 5:
            await talk.close()
        else:
            talk.transport.abort()
    until("all sockets are closed", lambda: server.sockets() <= before + 1)
    metrics = api.get("/metrics").text
    assert 'accepted_streams_open{kind="websocket"} 0.0' in metrics
    assert "Traceback" not in server.logged()
