"""The database goes away and comes back: restarts, and standbys that take over. Guarantees D1, D5, D7, S2, S4, E2."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from accepted.history import Listed
from tests.chaos.campaign import campaign, sized, told
from tests.processes.evidence import listed
from tests.processes.figures import Figures
from tests.processes.recorder import sentences
from tests.store.cluster import Cluster

pytestmark = pytest.mark.chaos

PATIENCE = 120.0
BEHIND = 0.3  # seconds by which a standby is behind when its primary dies
LAG = 0.1  # seconds that the last of it may take to arrive


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(params=["synchronous", "asynchronous"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Cluster, bool]]:
    """A primary and its standby, and whether commits wait for both."""
    synchronous = request.param == "synchronous"
    with Cluster(standby=True, synchronous=synchronous) as cluster:
        yield cluster, synchronous


async def test_a_database_that_restarts_loses_nothing(
    cluster: Cluster, tmp_path: Path, scale: int, figures: Figures
) -> None:
    operations, dice = sized(scale, 200, 10_000), random.Random(505)
    pauses = (1.0, 3.0) if scale == 1 else (5.0, 40.0)
    restarts = {"fast": 0, "immediate": 0}

    async def restart(over: asyncio.Event) -> None:
        while not over.is_set() or min(restarts.values()) == 0:
            await asyncio.sleep(dice.uniform(*pauses))
            mode = min(restarts, key=lambda mode: restarts[mode])
            await asyncio.to_thread(cluster.primary.restart, mode)
            restarts[mode] += 1

    with campaign(tmp_path, cluster.url) as day:
        async with day.crowd(seed=505, patience=PATIENCE) as crowd:
            over = asyncio.Event()
            restarting = asyncio.create_task(restart(over))
            fickle = asyncio.create_task(crowd.asked_once_until(over, pace=0.05))
            await crowd.orders(operations, pace=0.03)
            over.set()
            await asyncio.gather(restarting, fickle)
            began = time.monotonic()
            await crowd.settled(PATIENCE)
            settled = time.monotonic() - began
            await crowd.inspected()
        verdict = await day.verdict()
    assert sentences(verdict) == []
    assert verdict.acknowledged > operations
    figures.note("PostgreSQL, restarts", f"{told(verdict)}; {restarts}; settled {settled:.1f} s after the last")


async def test_a_standby_that_takes_over(
    pair: tuple[Cluster, bool], tmp_path: Path, scale: int, figures: Figures
) -> None:
    """D7: synchronous, nothing is lost; asynchronous, only what was acknowledged while the standby was behind."""
    cluster, synchronous = pair
    rounds = sized(scale, 1, 10)
    behind: list[tuple[float, float]] = []
    silent: list[float] = []
    with campaign(tmp_path, cluster.url) as day:
        async with day.crowd(seed=606, patience=PATIENCE, watchful=synchronous) as crowd:
            over = asyncio.Event()
            load = asyncio.create_task(crowd.orders_until(over, pace=0.03))
            for _ in range(rounds):
                await _acknowledged(crowd.acked_at, 20)
                behind.append(await asyncio.to_thread(cluster.fail_over, behind=BEHIND))
                promoted = time.monotonic()
                reseeding = asyncio.create_task(asyncio.to_thread(cluster.reseed))
                if synchronous:  # whoever waits for two is not served by one
                    await reseeding
                served = time.monotonic()
                await _acknowledged(crowd.acked_at, 1)
                silent.append(max(crowd.acked_at[-1] - (served if synchronous else promoted), 0))
                await reseeding
            over.set()
            await load
            await crowd.settled(PATIENCE)
        there = await listed(cluster.url)
        verdict = await day.verdict()
        acked = dict(crowd.acked)
    kept = {entry.record.operation_id for entry in there if isinstance(entry.record, Listed)}
    lost = {id: at for id, at in acked.items() if id not in kept}
    kind = "synchronous" if synchronous else "asynchronous"
    behind_by = f"{BEHIND:g} s behind"
    figures.note(
        f"PostgreSQL, primary killed, {kind} standby promoted", f"{rounds} times, {behind_by}; {told(verdict)}"
    )
    since = "the standby follows again" if synchronous else "the promotion"
    figures.milliseconds(f"of it, the next 202 after {since}", silent)
    if synchronous:
        assert sentences(verdict) == []
        assert not lost
    else:
        late = [at for at in lost.values() if not any(since - LAG <= at <= until + LAG for since, until in behind)]
        assert late == [], "lost although the standby was not behind"


async def _acknowledged(acked_at: list[float], number: int) -> None:
    """So many more 202s."""
    wanted = len(acked_at) + number
    async with asyncio.timeout(PATIENCE):
        while len(acked_at) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
