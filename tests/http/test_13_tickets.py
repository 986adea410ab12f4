"""Tickets: one stream, once, for 30 seconds, on any node, and in nobody's log."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.clock import MovableClock
from tests.http.api import Api, eventually, problem
from tests.http.conversation import Conversation
from tests.http.streaming import Reader
from tests.http.test_13_keys import bearing, key, nodes

__all__ = ["nodes"]


async def ticket(api: Api, headers: dict[str, str], id: str | None = None) -> str:
    answer = await api.post(f"/operations/{id}/ticket" if id else "/operations/ticket", headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


async def submitted(api: Api, headers: dict[str, str]) -> str:
    return str((await api.post("/noops", headers=headers)).json()["operationId"])


async def test_a_ticket_opens_a_stream_on_another_node_and_only_once(nodes: list[Api]) -> None:
    here, there = nodes
    acme = await key(here)
    id = await submitted(here, acme)
    url = f"/operations/{id}/stream?ticket={await ticket(here, acme, id)}"
    streams = [Reader(node.app, url) for node in (there, here) * 5]
    await eventually(lambda: _settled(streams), lambda done: done == 9)
    assert sorted(stream.status for stream in streams) == [200] + [401] * 9
    for stream in streams:
        if stream.status == 200:
            await stream.leave()


async def _settled(streams: list[Reader]) -> int:
    return sum(stream.task.done() for stream in streams)


async def test_a_ticket_opens_a_socket_which_may_what_its_caller_may(idle: Api) -> None:
    acme, reads = await key(idle), await key(idle, "read")
    id = await submitted(idle, acme)
    socket = Conversation(idle.app, f"/operations/{id}/status?ticket={await ticket(idle, reads, id)}")
    await socket.heard(1)
    assert (await socket.answer({"command": "cancel"}))["error"]["status"] == 403
    await socket.leave()
    socket = Conversation(idle.app, f"/operations/status?ticket={await ticket(idle, acme)}")
    await socket.sees(lambda: socket.accepted)
    assert (await socket.answer({"command": "subscribe", "operationId": id}))["operationId"] == id
    await socket.leave()


async def test_a_ticket_without_an_operation_opens_many_streams_in_one(idle: Api) -> None:
    acme = await key(idle)
    ids = [await submitted(idle, acme) for _ in range(2)]
    stream = Reader(idle.app, f"/operations/stream?ids={','.join(ids)}&ticket={await ticket(idle, acme)}")
    assert {json.loads(event.data)["operationId"] for event in await stream.until(2)} == set(ids)
    await stream.leave()


async def test_a_ticket_opens_the_log_that_is_followed(idle: Api) -> None:
    acme = await key(idle)
    id = await submitted(idle, acme)
    url = f"/jobs/job-{id[3:]}/logs?ticket={await ticket(idle, acme, id)}"
    stream = Reader(idle.app, url, headers={"accept": "text/event-stream"})
    await stream.sees(lambda: stream.status == 200)
    await stream.leave()


async def test_a_ticket_ends_after_30_seconds(idle: Api, clock: MovableClock) -> None:
    acme = await key(idle)
    id = await submitted(idle, acme)
    late = await ticket(idle, acme, id)
    clock.advance(30)
    problem(await idle.get(f"/operations/{id}/stream?ticket={late}"), 401, "unauthenticated")


async def test_a_ticket_is_for_its_own_operation(idle: Api) -> None:
    acme = await key(idle)
    one, other = await submitted(idle, acme), await submitted(idle, acme)
    for url in (f"/operations/{other}/stream?", f"/operations/stream?ids={one}&"):
        answer = await idle.get(f"{url}ticket={await ticket(idle, acme, one)}")
        problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize("path", ["", "/result", "/deliveries"])
async def test_a_ticket_opens_nothing_but_streams(idle: Api, path: str) -> None:
    acme = await key(idle)
    id = await submitted(idle, acme)
    problem(await idle.get(f"/operations/{id}{path}?ticket={await ticket(idle, acme, id)}"), 401, "unauthenticated")


async def test_no_token_that_lasts_is_taken_from_a_url(idle: Api) -> None:
    acme = await key(idle)
    id = await submitted(idle, acme)
    token = acme["authorization"].removeprefix("Bearer ")
    for name in ("ticket", "access_token", "token", "key"):
        problem(await idle.get(f"/operations/{id}/stream?{name}={token}"), 401, "unauthenticated")


async def test_the_stream_of_a_ticket_ends_with_the_key_it_came_from(idle: Api, clock: MovableClock) -> None:
    made = await idle.app.keys.create("acme")
    acme = bearing(made.token)
    id = await submitted(idle, acme)
    stream = Reader(idle.app, f"/operations/{id}/stream?ticket={await ticket(idle, acme, id)}")
    await stream.until(1)
    await idle.app.keys.revoke(made.key.id)
    for _ in range(3):
        clock.advance(1)
        await asyncio.sleep(0.05)
    await stream.ended()


async def test_a_ticket_of_a_revoked_key_opens_nothing(idle: Api) -> None:
    made = await idle.app.keys.create("acme")
    id = await submitted(idle, bearing(made.token))
    unused = await ticket(idle, bearing(made.token), id)
    await idle.app.keys.revoke(made.key.id)
    await idle.app.node.keyring.look()
    problem(await idle.get(f"/operations/{id}/stream?ticket={unused}"), 401, "unauthenticated")


async def test_a_ticket_is_gone_from_the_url_before_a_server_logs_it(idle: Api) -> None:
    acme = await key(idle)
    id = await submitted(idle, acme)
    used = await ticket(idle, acme, id)
    stream = Reader(idle.app, f"/operations/{id}/stream?logs=true&ticket={used}")
    await stream.until(1)
    assert stream.scope["query_string"] == b"logs=true"
    await stream.leave()
    socket = Conversation(idle.app, f"/operations/{id}/status?ticket={used}")
    await socket.ended()
    assert (socket.status, socket.scope["query_string"]) == (401, b"")


async def test_whoever_may_not_read_gets_no_ticket(idle: Api) -> None:
    submits = await key(idle, "submit")
    problem(await idle.post("/operations/ticket", headers=submits), 403, "forbidden")
