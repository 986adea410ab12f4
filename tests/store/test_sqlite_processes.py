"""Several processes on one file: turns are shared, and neither a killed nor a frozen one stops the others (D1, L7)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import pytest

from accepted.contract.operation import Status
from accepted.store.protocol import Store
from accepted.store.sqlite import SqliteStore
from accepted.store.turnstile import Turnstile
from tests.contract.given import accept, op_id
from tests.store.asking import ask
from tests.store.children import PATIENCE, Child

NEIGHBOUR = "tests.store.neighbour"
COMMITS = 500
SLOWEST = 1.0  # seconds; ten times what is promised of a machine that is busy with nothing else

T = TypeVar("T")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accepted.db"


async def soon(work: Awaitable[T]) -> T:
    """What has to be done in a while, or somebody holds us up."""
    async with asyncio.timeout(PATIENCE):
        return await work


def enter(turnstile: Turnstile) -> None:
    with turnstile:
        pass


async def test_two_that_commit_in_a_loop_share_their_turns(path: Path) -> None:
    with Child(NEIGHBOUR, "commit", path, COMMITS, 0) as one, Child(NEIGHBOUR, "commit", path, COMMITS, COMMITS) as two:
        assert [one.line(), two.line()] == ["ready", "ready"]
        one.say("go")
        two.say("go")
        figures = [[float(figure) for figure in child.line().split()] for child in (one, two)]
        assert [one.ended(), two.ended()] == [0, 0]
    assert max(longest for longest, _, _ in figures) < SLOWEST
    (_, began, ended), (_, other_began, other_ended) = figures
    together = min(ended, other_ended) - max(began, other_began)
    assert together > 0.5 * max(ended - began, other_ended - other_began)  # neither waited until the other was done
    store = SqliteStore(str(path))
    await store.open()
    assert await store.tally() == {("report", Status.PENDING): 2 * COMMITS}
    await store.close()


async def test_a_turnstile_goes_on_when_its_holder_is_killed(path: Path) -> None:
    turnstile = Turnstile(str(path))
    with Child(NEIGHBOUR, "hold", path) as holder:
        assert holder.line() == "held"
        waiting = asyncio.ensure_future(asyncio.to_thread(enter, turnstile))
        holder.kill()
        await soon(waiting)
    turnstile.close()


async def test_nor_does_one_who_is_killed_while_waiting_hold_up_anybody(path: Path) -> None:
    turnstile = Turnstile(str(path))
    with turnstile, Child(NEIGHBOUR, "wait", path) as first, Child(NEIGHBOUR, "wait", path) as second:
        assert [first.line(), second.line()] == ["waiting", "waiting"]
        first.kill()
        second.kill()
    await soon(asyncio.to_thread(enter, turnstile))
    turnstile.close()


async def test_turns_are_exclusive_within_a_process_too(path: Path) -> None:
    one, two = Turnstile(str(path)), Turnstile(str(path))
    with one:
        waiting = asyncio.ensure_future(asyncio.to_thread(enter, two))
        done, _ = await asyncio.wait({waiting}, timeout=0.05)
        assert not done
    await soon(waiting)
    one.close()
    two.close()


async def test_commits_survive_a_neighbour_killed_at_any_moment(path: Path) -> None:
    store = SqliteStore(str(path))
    await store.open()
    starts = range(0, 6000, 1000)
    for moment, start in enumerate(starts):
        with Child(NEIGHBOUR, "commit", path, 1000, start) as child:
            assert child.line() == "ready"
            child.say("go")
            await soon(until(store, start + 1 + 7 * moment))
            child.kill()
        await soon(ask(store, accept(start + 999_000)))
    numbers = [int(id[3:]) for id in await store.queue("report", 10_000)]
    for start in starts:
        done = sorted(number for number in numbers if start <= number < start + 1000)
        assert done == list(range(start, start + len(done)))  # what a neighbour has committed is there without a gap
    assert {number for number in numbers if number >= 999_000} == {start + 999_000 for start in starts}
    await store.close()


async def until(store: Store, number: int) -> None:
    """Commit on, as a neighbour of its own, until that operation is there."""
    while await store.operation(op_id(number)) is None:
        await store.commit([])


async def test_a_frozen_worker_stops_nobodys_commits(path: Path) -> None:
    """It writes through a scribe, which is not frozen with it and finishes what it has begun."""
    store = SqliteStore(str(path))
    await store.open()
    with Child(NEIGHBOUR, "work", path) as worker:
        worker.line()
        for round in range(5):
            for _ in range(10):
                assert worker.line() == "renewed"
            worker.send(signal.SIGSTOP)
            for number in range(round * 20, round * 20 + 20):
                await soon(store.commit([accept(number)]))
            worker.send(signal.SIGCONT)
    assert await store.tally() == {("report", Status.PENDING): 100}
    await store.close()


async def test_many_may_open_a_new_file_at_once(path: Path) -> None:
    stores = [SqliteStore(str(path)) for _ in range(8)]
    await soon(asyncio.gather(*(store.open() for store in stores)))
    await asyncio.gather(*(ask(store, accept(number)) for number, store in enumerate(stores)))
    assert await stores[0].tally() == {("report", Status.PENDING): 8}
    await asyncio.gather(*(store.close() for store in stores))
