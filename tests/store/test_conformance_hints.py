"""Hints: what one store commits, others on the same database hear of; and nothing depends on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from accepted.contract.operation import Status
from accepted.store.protocol import Hint, Store
from tests.contract.given import DAY, SECOND, accept, cancel, claim, complete, fail, op_id
from tests.store.asking import ask, ask_one, found, register
from tests.store.clock import MovableClock
from tests.store.conftest import OpenStore

PATIENCE = 10.0  # seconds that a test waits for what has to come


async def next_of(hints: AsyncIterator[Sequence[Hint] | None]) -> Sequence[Hint] | None:
    async with asyncio.timeout(PATIENCE):
        return await anext(hints)


async def heard(hints: AsyncIterator[Sequence[Hint] | None], number: int) -> list[Hint]:
    """The next so many hints, however they are bundled; "anything may have changed" is no news here."""
    found: list[Hint] = []
    while len(found) < number:
        found += await next_of(hints) or []
    return found


async def test_another_store_hears_of_each_change(store: Store, open_store: OpenStore, clock: MovableClock) -> None:
    listener = await open_store()
    hints = listener.hints()
    await register(store, ttl=DAY)
    await ask(store, accept(1))
    assert await heard(hints, 1) == [Hint(op_id(1), "report", Status.PENDING, None, clock.now().wall, sequence=1)]
    (one,) = (await ask_one(store, claim())).operations
    await ask(store, cancel(one))
    running, cancelling = await heard(hints, 2)
    assert (running.status, running.worker, running.cancelling) == (Status.PROCESSING, "w1", False)
    assert (cancelling.status, cancelling.worker, cancelling.cancelling) == (Status.PROCESSING, "w1", True)
    await ask(store, complete(one))
    (ended,) = await heard(hints, 1)
    assert (ended.status, ended.worker, ended.cancelling) == (Status.CANCELLED, None, False)


async def test_a_hint_says_when_a_retry_is_due(store: Store, open_store: OpenStore, clock: MovableClock) -> None:
    await register(store, ttl=DAY)
    await ask(store, accept(1), claim())
    hints = (await open_store()).hints()
    await ask(store, fail(await found(store, op_id(1)), attempts=2, delay=7 * SECOND))
    (hint,) = await heard(hints, 1)
    assert (hint.status, hint.due_at) == (Status.PENDING, clock.now().wall + 7 * SECOND)


async def test_all_others_hear_and_oneself_does_not(store: Store, open_store: OpenStore) -> None:
    listeners = [await open_store() for _ in range(3)]
    followed = [listener.hints() for listener in listeners]
    own = store.hints()
    await ask(store, *(accept(number) for number in range(500)))
    await ask(listeners[0], accept(500))
    for hints in followed:
        news = await heard(hints, 500)
        assert {op_id(number) for number in range(500)} == {hint.operation_id for hint in news[:500]}
    assert [hint.operation_id for hint in await heard(own, 1)] == [op_id(500)]


async def test_what_no_hint_has_told_is_found_by_looking(open_store: OpenStore, clock: MovableClock) -> None:
    """With hints off everything works, slower: something may have changed is said at the latest after `poll`."""
    writer, listener = await open_store(notify=False), await open_store(notify=False, poll=1.0)
    hints = listener.hints()
    assert await next_of(hints) is None
    for number in range(3):
        await ask(writer, accept(number))
        clock.advance(SECOND)
        assert await next_of(hints) is None
        await found(listener, op_id(number))


async def test_hints_end_with_the_store(open_store: OpenStore) -> None:
    store = await open_store()

    async def follow() -> int:
        return len([news async for news in store.hints()])

    following = asyncio.ensure_future(follow())
    await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0))])
    await store.close()
    async with asyncio.timeout(PATIENCE):
        assert await following >= 0


async def test_a_store_that_has_gone_disturbs_nobody(store: Store, open_store: OpenStore) -> None:
    gone, listener = await open_store(), await open_store()
    hints = listener.hints()
    await gone.close()
    for number in range(5):
        await ask(store, accept(number))
    assert [hint.operation_id for hint in await heard(hints, 5)] == [op_id(number) for number in range(5)]


async def test_whoever_does_not_listen_delays_nobody(store: Store, open_store: OpenStore) -> None:
    await open_store()
    async with asyncio.timeout(PATIENCE):
        for start in range(0, 3000, 300):
            await ask(store, *(accept(number) for number in range(start, start + 300)))
    assert len(await store.queue("report", 5000)) == 3000
