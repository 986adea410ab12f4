"""Workers frozen for twice their lease: whoever took over writes, and they never again. Guarantees L1, L2, L3, L6."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign, campaign, sized, told
from tests.processes.deadline import PATIENCE
from tests.processes.diary import Entry
from tests.processes.figures import Figures
from tests.processes.process import Kill, Process, kill
from tests.processes.recorder import sentences
from tests.store.server import the_server

pytestmark = pytest.mark.chaos

LEASE = 1.0
SLOTS = 8  # of each worker
AT_ONCE = 16  # operations: two workers have room for all
ROUNDS = 20  # of an operation, a fifth of a second each


async def test_a_worker_that_was_frozen_past_its_lease_writes_nothing(
    tmp_path: Path, scale: int, figures: Figures
) -> None:
    wanted, dice = sized(scale, 10, 200), random.Random(707)
    settings = {"ACCEPTED_LEASE_TTL": f"{LEASE}s", "ACCEPTED_SCAN_INTERVAL": "200ms", "ACCEPTED_SLOTS": str(SLOTS)}
    delays: list[float] = []
    with campaign(tmp_path, the_server().database(), **settings) as day:
        async with day.crowd(seed=707, watchful=False) as crowd:
            for number in count():
                if len(delays) >= wanted:
                    break
                keys = [f"key-{number}-{each}" for each in range(AT_ONCE)]
                ids = set(await asyncio.gather(*(crowd.acknowledged("/patrols", ROUNDS, key) for key in keys)))
                await _begun(day, ids)
                await asyncio.sleep(dice.random())  # who is frozen within a commit keeps its rows for as long
                workers = [process for server in day.servers for process in server.family("worker")]
                pauses = await _freeze(day, dice.sample(workers, 2))
                await crowd.settled(60)
                delays += _takeovers(day.diary.entries(), pauses)
            await crowd.inspected()
    verdict = await day.verdict()
    assert sentences(verdict) == []
    figures.note("PostgreSQL, frozen for two leases", f"{len(delays)} takeovers, 0 stale writes; {told(verdict)}")
    figures.milliseconds(f"of it, freeze until the next attempt begins, lease {LEASE:g} s", delays)


async def _freeze(day: Campaign, processes: list[Process]) -> list[Kill]:
    """For twice the lease."""
    stopped = [kill(process, signal.SIGSTOP) for process in processes]
    await asyncio.sleep(2 * LEASE)
    for process, stop in zip(processes, stopped, strict=True):
        day.recorder.frozen(process.pid, stop.at, time.monotonic())
        kill(process, signal.SIGCONT)
    return stopped


def _takeovers(diary: Sequence[Entry], pauses: Sequence[Kill]) -> list[float]:
    """Seconds from a freeze until each operation that ran in the frozen process was begun again."""
    starts = [entry for entry in diary if entry.edge == "start"]
    ends = {(entry.operation, entry.attempt): entry.at for entry in diary if entry.edge == "end"}
    return [
        min(later) - pause.at
        for pause in pauses
        for entry in starts
        if entry.pid == pause.pid and entry.at < pause.at < ends.get((entry.operation, entry.attempt), pause.at + 1)
        if (later := [e.at for e in starts if e.operation == entry.operation and e.attempt > entry.attempt])
    ]


async def _begun(day: Campaign, ids: set[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while ids - {entry.operation for entry in day.diary.entries()}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
