"""Claims: in turn, within limits, each operation to one worker; and what an attempt starts from."""

from __future__ import annotations

import asyncio

from accepted.contract.operation import Status
from accepted.contract.problem import WorkerLost
from accepted.contract.transition import Advance, Claimed, Report, Retry
from accepted.store.protocol import Store
from tests.contract.given import (
    DAY,
    SECOND,
    accept,
    cancel,
    claim,
    complete,
    fail,
    held,
    op_id,
    pending,
    release,
)
from tests.store.asking import TTL, ask, ask_one, found, register, running
from tests.store.clock import MovableClock
from tests.store.conftest import OpenStore


async def claimed(store: Store, worker: str = "w1", room: int = 100, *types: str, **limits: int) -> list[str]:
    asked = claim(worker, types or ("report",), room, limits=limits)
    return [operation.id for operation in (await ask_one(store, asked)).operations]


async def test_the_first_that_was_due_is_the_first_that_is_served(store: Store, clock: MovableClock) -> None:
    await register(store, ttl=DAY)
    await ask(store, accept(5), accept(3))
    clock.advance(1)
    await ask(store, accept(1), accept(4))
    assert await store.queue("report", 10) == [op_id(3), op_id(5), op_id(1), op_id(4)]
    assert await store.queue("report", 3) == [op_id(3), op_id(5), op_id(1)]
    assert await claimed(store, "w1", 3) == [op_id(3), op_id(5), op_id(1)]
    assert await claimed(store) == [op_id(4)]
    assert await claimed(store) == []


async def test_turns_hold_over_types_and_only_named_types_are_given(store: Store, clock: MovableClock) -> None:
    await register(store, ttl=DAY)
    for number, type in enumerate(["a", "b", "c", "b", "a"], 1):
        await ask(store, accept(number, type=type))
        clock.advance(1)
    assert await claimed(store, "w1", 3, "b", "a") == [op_id(1), op_id(2), op_id(4)]
    assert await claimed(store, "w1", 3, "a", "b") == [op_id(5)]
    assert await claimed(store, "w1", 3, "d") == []
    assert await store.queue("c", 9) == [op_id(3)]


async def test_a_type_stays_within_its_limit_over_all_workers(store: Store, open_store: OpenStore) -> None:
    other = await open_store()
    await ask(store, *(accept(number, owner=f"owner {number}") for number in range(1, 8)), accept(8, type="import"))
    await register(store, "w1", DAY)
    await register(other, "w2", DAY)
    assert await claimed(store, "w1", 2, report=3) == [op_id(1), op_id(2)]
    assert await claimed(other, "w2", 9, report=3) == [op_id(3)]
    assert await claimed(store, "w1", 9, "report", "import", report=3) == [op_id(8)]
    await ask(store, complete(await found(store, op_id(2))))
    assert await claimed(other, "w2", 9, report=3) == [op_id(4)]
    assert await claimed(other, "w2", 9, report=0) == []
    assert len(await claimed(other, "w2", 9)) == 3


async def test_what_is_due_later_is_announced(store: Store, clock: MovableClock) -> None:
    one, two = await running(store, 1, 2)
    await ask(store, fail(one, attempts=2, delay=5 * SECOND), fail(two, attempts=2, delay=3 * SECOND))
    begun = clock.now().wall
    outcome = await ask_one(store, claim("w1", ("import", "report")))
    assert outcome == Claimed((), begun + 3 * SECOND)
    clock.advance(3 * SECOND)
    outcome = await ask_one(store, claim(room=9))
    assert ([o.id for o in outcome.operations], outcome.next_due) == ([op_id(2)], begun + 5 * SECOND)
    clock.advance(2 * SECOND)
    assert await ask_one(store, claim(room=9)) == Claimed((await found(store, op_id(1)),), None)


async def test_a_delay_is_waited_for_by_the_wall_clock(store: Store, clock: MovableClock) -> None:
    (one,) = await running(store, 1)
    await ask(store, fail(one, attempts=2, delay=5 * SECOND))
    clock.move(tick=DAY - 1)
    assert await claimed(store) == []
    clock.move(wall=5 * SECOND)
    assert await claimed(store) == [op_id(1)]


async def test_what_was_made_or_given_back_in_the_same_commit_can_be_claimed(store: Store) -> None:
    (one,) = await running(store, 1)
    outcomes = await ask(store, release(one), accept(2), claim(room=9))
    assert [operation.id for operation in outcomes[2].operations] == [op_id(1), op_id(2)]
    assert (await found(store, op_id(1))).attempt == 2


async def test_what_is_claimed_once_is_claimed_by_nobody_else(store: Store, open_store: OpenStore) -> None:
    others = [await open_store() for _ in range(3)]
    await ask(store, *(accept(number) for number in range(60)))
    for number, other in enumerate(others):
        await register(other, f"w{number}", DAY)
    rounds = [claimed(other, f"w{n}", 3) for _ in range(10) for n, other in enumerate(others)]
    given = [id for ids in await asyncio.gather(*rounds) for id in ids]
    assert sorted(given) == [op_id(number) for number in range(60)]
    assert await store.tally() == {("report", Status.PROCESSING): 60}


async def test_claims_of_one_batch_share_what_is_there(store: Store) -> None:
    await register(store, "w1", DAY)
    await register(store, "w2", DAY)
    await ask(store, *(accept(number) for number in range(1, 6)))
    first, second = await ask(store, claim("w1", room=3), claim("w2", room=3))
    assert [len(first.operations), len(second.operations)] == [3, 2]


async def test_a_claim_needs_a_lease(store: Store, clock: MovableClock) -> None:
    await ask(store, accept(1))
    assert isinstance(await ask_one(store, claim("w1")), WorkerLost)
    await register(store)
    clock.advance(TTL)
    assert isinstance(await ask_one(store, claim("w1")), WorkerLost)
    assert (await found(store, op_id(1))).status is Status.PENDING


async def test_a_cancelled_operation_is_never_claimed(store: Store) -> None:
    await register(store, ttl=DAY)
    await ask(store, accept(1), accept(2))
    await ask(store, cancel(pending(id=op_id(1))))
    assert await claimed(store) == [op_id(2)]


class TestWork:
    """What an attempt starts from."""

    async def test_the_input_comes_verbatim(self, store: Store) -> None:
        inputs = [b'{"a":  1.0}', b"null", b"[]", b'"\\u00e9\xc3\xa9"', b'{"x":"' + b"y" * (1 << 20) + b'"}']
        await register(store, ttl=DAY)
        await ask(store, *(accept(number, input=body) for number, body in enumerate(inputs)))
        committed = await store.commit([claim(room=9)])
        assert [committed.work[op_id(number)].input for number in range(5)] == inputs
        assert [await store.input(op_id(number)) for number in range(5)] == inputs

    async def test_an_unknown_operation_has_no_input(self, store: Store) -> None:
        assert await store.input(op_id(1)) is None

    async def test_a_later_attempt_finds_the_last_checkpoint(self, store: Store) -> None:
        (one,) = await running(store, 1)
        for checkpoint in (b'{"row":1}', b'{"row":2}'):
            await ask(store, held(Advance, one, report=Report(checkpoint=checkpoint)))
        await ask(store, held(Advance, one, attempt=9, report=Report(checkpoint=b"stale")))
        committed = await store.commit([fail(one, attempts=2, report=Report(checkpoint=b"null")), claim()])
        assert committed.work[op_id(1)].checkpoint == b"null"
        (two,) = committed.outcomes[1].operations  # type: ignore[union-attr]
        assert committed.work[op_id(1)].operation == two
        committed = await store.commit([release(two), claim()])
        assert (committed.work[op_id(1)].input, committed.work[op_id(1)].checkpoint) == (b'{"n":1}', b"null")

    async def test_a_retry_by_hand_has_the_same_input_and_no_checkpoint(self, store: Store) -> None:
        (one,) = await running(store, 1, input=b"[1,  2]")
        await ask(store, fail(one, report=Report(checkpoint=b"1")))
        await ask(store, Retry(op_id(1), op_id(2)))
        work = (await store.commit([claim()])).work[op_id(2)]
        assert (work.input, work.checkpoint) == (b"[1,  2]", None)

    async def test_a_submit_cancelled_and_retried_within_one_commit_keeps_its_input(self, store: Store) -> None:
        await register(store, ttl=DAY)
        committed = await store.commit([accept(1), cancel(pending()), Retry(op_id(1), op_id(2)), claim()])
        assert committed.work[op_id(2)].input == b'{"n":1}'
