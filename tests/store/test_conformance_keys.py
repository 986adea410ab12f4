"""Idempotency keys in a store: one operation whoever asks, for as long as the key lives (guarantees I1 to I6)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from accepted.contract.problem import IdempotencyKeyReused, OperationExpired
from accepted.contract.transition import Accepted, Expire, Forget
from accepted.store.protocol import Selection, Store
from tests.contract.given import DAY, HOUR, accept, cancel, complete, key, op_id, pending
from tests.store.asking import ask, ask_one, found, running
from tests.store.clock import MovableClock
from tests.store.conftest import OpenStore


async def submit(store: Store, number: int, body: str = "body", **changes: Any) -> Any:
    """(id, replayed), or the kind of the refusal."""
    outcome = await ask_one(store, accept(number, key=key(body=body), **changes))
    return (outcome.operation.id, outcome.replayed) if isinstance(outcome, Accepted) else type(outcome)


async def end(store: Store, number: int) -> None:
    await ask(store, cancel(pending(id=op_id(number))))


async def test_the_same_submit_gives_the_same_operation(store: Store, open_store: OpenStore) -> None:
    other = await open_store()
    assert await submit(store, 1) == (op_id(1), False)
    assert await submit(other, 2) == (op_id(1), True)
    assert await submit(store, 3, "another body") is IdempotencyKeyReused
    assert await submit(other, 4, owner="bob") == (op_id(4), False)
    assert await store.count(Selection(owner=None)) == 2


async def test_64_racing_submits_make_one_operation(store: Store, open_store: OpenStore) -> None:
    stores = [store, await open_store()]
    outcomes = await asyncio.gather(*(submit(stores[n % 2], n) for n in range(64)))
    assert len({id for id, _ in outcomes}) == 1
    assert sorted(replayed for _, replayed in outcomes) == [False] + [True] * 63
    assert await store.count(Selection(owner=None)) == 1


async def test_a_replay_shows_the_operation_as_it_is(store: Store) -> None:
    (one,) = await running(store, 1, key=key())
    await ask(store, complete(one))
    replay = await ask_one(store, accept(2, key=key()))
    assert replay == Accepted(await found(store, op_id(1)), replayed=True)


async def test_a_key_outlives_an_operation_that_expires_early(store: Store, clock: MovableClock) -> None:
    await submit(store, 1, retention=HOUR)
    await end(store, 1)
    for sweep in ([], [Expire(), Forget()]):
        clock.advance(2 * HOUR)
        await ask(store, *sweep)
        assert await submit(store, 2) is OperationExpired
        assert await submit(store, 2, "another body") is IdempotencyKeyReused
    clock.advance(20 * HOUR)
    assert await submit(store, 3, "another body") == (op_id(3), False)


async def test_a_key_lives_as_long_as_its_operation(store: Store, clock: MovableClock) -> None:
    await submit(store, 1, retention=3 * DAY)
    clock.advance(30 * DAY)
    await ask(store, Expire(), Forget())
    assert await submit(store, 2) == (op_id(1), True)
    await end(store, 1)
    clock.advance(3 * DAY - 1)
    await ask(store, Expire(), Forget())
    assert await submit(store, 2) == (op_id(1), True)
    clock.advance(1)
    assert await submit(store, 2) == (op_id(2), False)


@pytest.mark.parametrize("together", [True, False])
async def test_a_key_taken_over_stays_with_its_new_operation(store: Store, clock: MovableClock, together: bool) -> None:
    """Whether the old operation is swept away before, with, or after the submit that takes its key over."""
    await submit(store, 1)
    await end(store, 1)
    clock.advance(2 * DAY)
    if together:
        await ask(store, Expire(), accept(2, key=key()))
    else:
        assert await submit(store, 2) == (op_id(2), False)
        await ask(store, Expire())
    clock.advance(2 * DAY)
    await ask(store, Forget())
    assert await submit(store, 3) == (op_id(2), True)


async def test_a_key_is_free_once_everything_is_over(store: Store, clock: MovableClock) -> None:
    await submit(store, 1, retention=HOUR)
    await end(store, 1)
    clock.advance(DAY)
    await ask(store, Expire(), Forget())
    assert await submit(store, 2, "another body") == (op_id(2), False)
