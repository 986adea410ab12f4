"""Event streams of real servers on bad days: cuts, other nodes, sudden ends (guarantees E2 to E8, D6)."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.deadline import PATIENCE
from tests.processes.eventsource import Connection, Faithful
from tests.processes.figures import Figures
from tests.processes.newsroom import newsroom
from tests.processes.process import kill
from tests.processes.serving import Server

OPEN = 500  # streams when the server is told to stop


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two web processes of two servers on one database, and no worker."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with Server(first, workers=0, home=tmp_path) as one, Server(second, workers=0, home=tmp_path) as two:
        yield one, two


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many sockets in this process as its limits allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_streams_that_are_cut_resume_at_another_server(servers: tuple[Server, Server], figures: Figures) -> None:
    """E2: nothing missing, nothing twice, in order; the long round is among the chaos."""
    operations, events, streams, cuts = 10, 150, 4, 5
    urls, dice = [server.url for server in servers], random.Random(3)
    with servers[0].api() as api:
        async with newsroom(servers[0].database) as room, asyncio.timeout(PATIENCE):
            ids = await room.operations(api, operations)
            followers = [
                Faithful(urls, id, dice=dice, cuts=dice.sample(range(1, events), cuts))
                for id in ids
                for _ in range(streams)
            ]
            running = [asyncio.create_task(follower.run()) for follower in followers]
            began = time.monotonic()
            for _ in range(events - 3):
                await room.advance(ids)
            await room.complete(ids)
            await asyncio.gather(*running)
            took = time.monotonic() - began
    for follower in followers:
        assert follower.seen == list(range(1, events + 1))
        assert follower.connections > cuts
        assert follower.unclean == 0
    figures.note("streams cut and resumed", f"{len(followers) * events / took:,.0f} events a second over two servers")


async def test_a_web_process_that_is_killed_loses_nothing(servers: tuple[Server, Server]) -> None:
    events = 200
    with servers[1].api() as api:
        async with newsroom(servers[0].database) as room, asyncio.timeout(2 * PATIENCE):
            (id,) = await room.operations(api, 1)
            # Half of them know only the server that dies: they come back to the one that takes its place.
            followers = [
                Faithful([servers[0].url, servers[1].url][: 1 + number % 2], id, dice=random.Random(number))
                for number in range(20)
            ]
            running = [asyncio.create_task(follower.run()) for follower in followers]
            for number in range(events - 3):
                await room.advance([id])
                if number in {50, 120}:
                    kill(servers[0].only("web"))
            await room.complete([id])
            await asyncio.gather(*running)
    assert all(follower.seen == list(range(1, events + 1)) for follower in followers)
    assert sum(follower.unclean for follower in followers) > 0


async def test_with_all_hints_dropped_nothing_is_missed_only_later(tmp_path: Path, figures: Figures) -> None:
    """E8."""
    delays: list[float] = []
    at: dict[int, float] = {}

    def noted(number: int) -> None:
        if number in at:
            delays.append(time.monotonic() - at[number])

    with Server(tmp_path, workers=0, ACCEPTED_NOTIFY="off") as server, server.api() as api:
        async with newsroom(server.database, notify=False) as room, asyncio.timeout(PATIENCE):
            (id,) = await room.operations(api, 1)
            follower = Faithful([server.url], id, dice=random.Random(0), noted=noted)
            running = asyncio.create_task(follower.run())
            for _ in range(10):
                await room.advance([id])
                at[room.told] = time.monotonic()
                await asyncio.sleep(0.15)
            await room.complete([id])
            await running
    assert follower.seen == list(range(1, 14))
    assert max(delays) < 3, "a second, and what a busy machine adds"
    figures.milliseconds("hints dropped: commit to client", delays)


async def test_told_to_stop_it_ends_all_streams_resumably(tmp_path: Path, many_files: None, figures: Figures) -> None:
    """D6: SIGTERM with 500 open streams."""
    with Server(tmp_path, workers=0, ACCEPTED_DRAIN_TIMEOUT="1") as server, server.api() as api:
        async with newsroom(server.database) as room, asyncio.timeout(2 * PATIENCE):
            ids = await room.operations(api, 5)
            streams = [await Connection.open(server.url, f"/operations/{ids[n % 5]}/stream", "1") for n in range(OPEN)]
            bodies = [asyncio.create_task(_body(stream)) for stream in streams]
            await room.advance(ids)
            began = time.monotonic()
            server.send(signal.SIGTERM)
            told = await asyncio.gather(*bodies)
            ended = time.monotonic() - began
            assert await asyncio.to_thread(server.wait) == 0
            took = time.monotonic() - began
        for stream, body in zip(streams, told, strict=True):
            stream.cut()
            assert stream.status == 200
            assert stream.clean
            assert b"the server is about to stop\nretry: " in body
        assert ended < 3
        assert took < 4
        assert "Traceback" not in server.logged()
        port = int(server.url.rpartition(":")[2])
    figures.note(f"SIGTERM with {OPEN} open streams", f"all ended in {ended:.2f} s, the process in {took:.2f} s")
    with Server(tmp_path, workers=0, port=port) as server:
        async with newsroom(server.database) as room:
            room.told = 3
            await room.complete(ids)
        follower = await Faithful([server.url], ids[0], dice=random.Random(0)).run()
        assert follower.seen == [1, 2, 3, 4]


async def _body(stream: Connection) -> bytes:
    return b"".join([part async for part in stream.parts()])
