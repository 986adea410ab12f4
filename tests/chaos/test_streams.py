"""Streams for longer than the tests do: cut again and again over two servers, and beside readers that never read."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from tests.processes.deadline import PATIENCE
from tests.processes.eventsource import Connection, Faithful
from tests.processes.figures import Figures, quantile
from tests.processes.newsroom import Newsroom, newsroom
from tests.processes.serving import Server
from tests.processes.test_streams import many_files, servers

__all__ = ["many_files", "servers"]
pytestmark = pytest.mark.chaos

STUCK = 100
HEALTHY = 20
LINE = "x" * 8000
PACE = 0.02  # seconds between two events


async def test_nothing_is_missing_nothing_comes_twice(
    servers: tuple[Server, Server], many_files: None, scale: int, figures: Figures
) -> None:
    """With CHAOS_SCALE=10: 100 operations of 2,000 events, 10 streams each, cut 20 times (guarantees E2, E4)."""
    operations, events, streams, cuts = (10 * scale, 200 * scale, max(scale, 2), 2 * scale)
    urls, dice = [server.url for server in servers], random.Random(scale)
    with servers[0].api() as api:
        async with newsroom(servers[0].database) as room, asyncio.timeout(60 + 60 * scale):
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
            written = time.monotonic() - began
            await asyncio.gather(*running)
            took = time.monotonic() - began
    assert [follower for follower in followers if follower.seen != list(range(1, events + 1))] == []
    assert sum(follower.unclean for follower in followers) == 0
    assert min(follower.connections for follower in followers) > cuts / 2, "cuts close together are one"
    told = sum(len(follower.seen) for follower in followers)
    figures.note("cut at random and resumed elsewhere", f"{told:,} events, {len(followers):,} streams, {took:.1f} s")
    figures.note("of it, until all was written", f"{written:.1f} s")


async def test_who_never_reads_costs_little_delays_nobody_and_is_cut(
    tmp_path: Path, many_files: None, scale: int, figures: Figures
) -> None:
    """E7: readers that never read beside those that do."""
    rounds = 3 if scale == 1 else 7  # of a second each: what something else does to this machine hits a few
    with Server(tmp_path, workers=0) as server, server.api() as api:
        async with newsroom(server.database) as room, asyncio.timeout(2 * PATIENCE + 8 * rounds):
            (id,) = await room.operations(api, 1)
            await _delays(server, room, id)
            baseline = [await _delays(server, room, id) for _ in range(rounds)]
            before = _resident(server)
            path = f"/operations/{id}/stream?logs=true&after=0"
            stuck = [await Connection.open(server.url, path, receive_buffer=4096) for _ in range(STUCK)]
            began = time.monotonic()
            for _ in range(40):  # each is owed some megabytes soon, which is more than the system's buffers take
                await room.advance([id] * 20, line=LINE)
            room.told += 40 * 19
            await _delays(server, room, id)  # until they have got what fits into the buffers on the way
            beside = [await _delays(server, room, id) for _ in range(rounds)]
            grown = _resident(server) - before
            while (left := server.sockets()) >= STUCK:
                assert time.monotonic() - began < PATIENCE + rounds, f"{left} are still there"
                await asyncio.sleep(0.05)
            cut = time.monotonic() - began
            for connection in stuck:
                connection.cut()
        assert "completing response" not in server.logged()
        assert "Traceback" not in server.logged()
    slower = _usual_p99(beside) / _usual_p99(baseline)
    figures.milliseconds("commit to client", list(chain(*baseline)))
    figures.milliseconds(f"the same beside {STUCK} readers that never read", list(chain(*beside)))
    figures.note("99th percentile of the median second, as a ratio", f"{slower:.2f}")
    figures.note("memory for each reader that never reads", f"{grown / STUCK:,.0f} KiB; cut after {cut:.1f} s")
    assert grown / STUCK < 1024, "KiB"
    assert slower < (4 if scale == 1 else 2)


def _usual_p99(rounds: list[list[float]]) -> float:
    return statistics.median(quantile(delays, 0.99) for delays in rounds)


async def _delays(server: Server, room: Newsroom, id: str) -> list[float]:
    """Seconds from each commit of one second to each of some readers that read."""
    delays: list[float] = []
    at: dict[int, float] = {}
    readers = [await Connection.open(server.url, f"/operations/{id}/stream", str(room.told)) for _ in range(HEALTHY)]

    async def read(connection: Connection, arrived: Callable[[float], None] = delays.append) -> None:
        async for number in connection.ids():
            arrived(time.monotonic() - at[int(number)])

    reading = [asyncio.create_task(read(connection)) for connection in readers]
    until = time.monotonic() + 1
    while time.monotonic() < until:
        at[room.told + 1] = time.monotonic()
        await room.advance([id])
        await asyncio.sleep(PACE)
    while len(delays) < HEALTHY * len(at):  # noqa: ASYNC110  (a time limit is around it)
        await asyncio.sleep(PACE)
    for connection in readers:
        connection.cut()
    await asyncio.gather(*reading)
    return delays


def _resident(server: Server) -> int:
    """KiB of memory that the web process has."""
    status = Path(f"/proc/{server.only('web').pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
