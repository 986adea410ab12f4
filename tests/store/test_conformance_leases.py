"""Leases: renewing, losing, taking over; judged by ticks, whatever the wall clock does (L1 to L8, T1, T2)."""

from __future__ import annotations

import asyncio

import pytest

from accepted.contract.operation import Operation, Status
from accepted.contract.problem import StaleAttempt, WorkerLost
from accepted.contract.transition import Advance, Claim, Renew, Renewed, Resign
from accepted.store.protocol import Store
from tests.contract.given import (
    DAY,
    MINUTE,
    SECOND,
    accept,
    cancel,
    claim,
    complete,
    held,
    op_id,
    rescue,
    settle,
)
from tests.store.asking import TTL, ask, ask_one, found, register
from tests.store.clock import MovableClock
from tests.store.conftest import OpenStore


async def under_lease(store: Store, *numbers: int, worker: str = "w1") -> list[Operation]:
    """Operations held by a worker whose lease lasts `TTL`."""
    await register(store, worker)
    await ask(store, *(accept(number) for number in numbers))
    claimed = await ask_one(store, claim(worker, room=len(numbers)))
    return list(claimed.operations)


async def test_renewing_tells_what_is_held(store: Store, clock: MovableClock) -> None:
    one, two = await under_lease(store, 1, 2)
    await under_lease(store, 3, worker="w2")
    await ask(store, complete(two), cancel(one))
    clock.advance(TTL - 1)
    renewed = await ask_one(store, Renew("w1", TTL))
    assert renewed == Renewed((await found(store, op_id(1)),))
    assert renewed.held[0].cancellation is not None
    clock.advance(TTL - 1)
    assert isinstance(await ask_one(store, held(Advance, one)), Operation)


async def test_a_lease_that_is_over_cannot_be_renewed_but_taken_anew(store: Store, clock: MovableClock) -> None:
    await register(store)
    clock.advance(TTL)
    assert isinstance(await ask_one(store, Renew("w1", TTL)), WorkerLost)
    assert isinstance(await ask_one(store, Renew("w2", TTL)), WorkerLost)
    assert await ask_one(store, Renew("w1", TTL, first=True)) == Renewed(())
    assert await ask_one(store, Renew("w1", TTL)) == Renewed(())


async def test_an_attempt_whose_lease_is_over_writes_no_more(store: Store, clock: MovableClock) -> None:
    (one,) = await under_lease(store, 1)
    clock.advance(TTL)
    for write in (held(Advance, one), complete(one)):
        assert isinstance(await ask_one(store, write), StaleAttempt)
    assert await found(store, op_id(1)) == one


async def test_orphans_are_taken_back_once_the_lease_is_over(store: Store, clock: MovableClock) -> None:
    await under_lease(store, 1, 2)
    clock.advance(TTL - 1)
    assert await ask_one(store, rescue()) == 0
    now = clock.advance(1)
    assert await ask_one(store, rescue()) == 2
    back = await found(store, op_id(1))
    assert (back.status, back.worker, back.due_at, back.crashes) == (Status.PENDING, None, now.wall, 1)
    assert await ask_one(store, rescue()) == 0


async def test_a_rescue_takes_no_more_than_its_limit(store: Store, clock: MovableClock) -> None:
    await under_lease(store, *range(1, 8))
    clock.advance(TTL)
    limited = type(rescue())(max_crashes=3, limit=3)
    assert [await ask_one(store, limited) for _ in range(4)] == [3, 3, 1, 0]


@pytest.mark.parametrize("rescuers", [4])
async def test_any_number_of_rescuers_take_each_orphan_once(
    store: Store, open_store: OpenStore, clock: MovableClock, rescuers: int
) -> None:
    await under_lease(store, *range(1, 11))
    clock.advance(TTL)
    others = [await open_store() for _ in range(rescuers)]
    assert sum(await asyncio.gather(*(ask_one(other, rescue()) for other in others))) == 10
    assert {(await found(store, op_id(n))).version for n in range(1, 11)} == {3}


async def test_what_was_taken_over_is_fenced_off(store: Store, clock: MovableClock) -> None:
    (first,) = await under_lease(store, 1)
    clock.advance(TTL)
    await register(store, "w2")
    await ask(store, rescue(), claim("w2"))
    second = await found(store, op_id(1))
    assert (second.worker, second.attempt) == ("w2", 2)
    await register(store, "w1")  # it has come back, but what it held is not its own any more
    assert await ask_one(store, Renew("w1", TTL)) == Renewed(())
    assert isinstance(await ask_one(store, complete(first)), StaleAttempt)
    assert isinstance(await ask_one(store, complete(second)), Operation)


async def test_a_worker_that_dies_three_times_under_an_operation_ends_it(store: Store, clock: MovableClock) -> None:
    await ask(store, accept(1))
    statuses = []
    for number in range(3):
        await register(store, f"w{number}")
        await ask(store, claim(f"w{number}"))
        clock.advance(TTL)
        await ask(store, rescue(max_crashes=3))
        statuses.append((await found(store, op_id(1))).status)
    assert statuses == [Status.PENDING, Status.PENDING, Status.FAILED]
    error = (await found(store, op_id(1))).error
    assert error is not None
    assert error.slug == "worker-lost"


async def test_a_worker_that_resigns_leaves_orphans_at_once(store: Store) -> None:
    (one,) = await under_lease(store, 1)
    assert await ask_one(store, Resign("w1")) is None
    assert isinstance(await ask_one(store, held(Advance, one)), StaleAttempt)
    assert await ask_one(store, rescue()) == 1
    assert await store.workers() == []


@pytest.mark.parametrize("jump", [-DAY, DAY])
async def test_a_jump_of_the_wall_clock_takes_nobodys_lease(store: Store, clock: MovableClock, jump: int) -> None:
    (one,) = await under_lease(store, 1)
    clock.move(wall=jump)
    clock.move(tick=TTL - 1)
    assert await ask_one(store, rescue()) == 0
    assert isinstance(await ask_one(store, Renew("w1", TTL)), Renewed)
    assert isinstance(await ask_one(store, held(Advance, one)), Operation)
    clock.move(tick=TTL)
    assert isinstance(await ask_one(store, Renew("w1", TTL)), WorkerLost)
    assert await ask_one(store, rescue()) == 1


class TestGrace:
    async def test_a_cancel_is_settled_when_its_grace_is_over(self, store: Store, clock: MovableClock) -> None:
        (one,) = await under_lease(store, 1)
        await ask(store, cancel(one, "enough"))
        clock.advance(2 * SECOND - 1)
        assert isinstance(await ask_one(store, settle(one)), StaleAttempt)
        clock.advance(1)
        ended = await ask_one(store, settle(one))
        assert (ended.status, ended.reason, ended.work_stopped) == (Status.CANCELLED, "enough", False)
        assert await ask_one(store, settle(one)) == ended
        assert isinstance(await ask_one(store, held(Advance, one)), StaleAttempt)

    async def test_a_rescue_settles_what_nobody_else_has(self, store: Store, clock: MovableClock) -> None:
        one, two = await under_lease(store, 1, 2)
        await ask(store, cancel(one))
        clock.advance(2 * SECOND)
        assert await ask_one(store, rescue()) == 1
        assert (await found(store, op_id(1))).status is Status.CANCELLED
        assert await found(store, op_id(2)) == two

    async def test_an_orphan_that_was_cancelled_ends_cancelled(self, store: Store, clock: MovableClock) -> None:
        (one,) = await under_lease(store, 1, worker="w1")
        clock.advance(TTL - 1)
        await ask(store, cancel(one))
        clock.advance(1)
        assert await ask_one(store, rescue(max_crashes=1)) == 1
        assert (await found(store, op_id(1))).status is Status.CANCELLED


class TestWorkers:
    async def test_they_are_listed_with_what_they_said_of_themselves(self, store: Store, clock: MovableClock) -> None:
        await register(store, "w1", TTL, host="a", types=["report"])
        await register(store, "w2", MINUTE)
        clock.advance(TTL)
        rows = sorted(await store.workers())
        assert [(row.id, row.alive, dict(row.about)) for row in rows] == [
            ("w1", False, {"host": "a", "types": ["report"]}),
            ("w2", True, {}),
        ]

    async def test_renewing_keeps_what_they_said(self, store: Store) -> None:
        await register(store, "w1", TTL, host="a")
        await ask(store, Renew("w1", TTL))
        assert dict((await store.workers())[0].about) == {"host": "a"}

    async def test_one_that_was_lost_long_ago_is_forgotten_once_it_holds_nothing(
        self, store: Store, clock: MovableClock
    ) -> None:
        await under_lease(store, 1)
        clock.advance(TTL + MINUTE)
        await register(store, "w2", DAY)
        assert sorted(row.id for row in await store.workers()) == ["w1", "w2"]
        await ask(store, rescue())
        await ask(store, Renew("w2", DAY))
        assert [row.id for row in await store.workers()] == ["w2"]


async def test_a_claim_in_the_same_batch_sees_the_lease_just_taken(store: Store) -> None:
    _, _, claimed = await ask(store, accept(1), Renew("w1", TTL, first=True), Claim("w1", ("report",), 1))
    assert [operation.id for operation in claimed.operations] == [op_id(1)]
