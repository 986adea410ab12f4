"""Event logs: numbered without gaps, read for one operation or for many, and bounded (guarantees E1, E5, Q1)."""

from __future__ import annotations

import pytest

from accepted.contract.event import Event, event_of
from accepted.contract.operation import Operation, Status
from accepted.contract.policy import EVENTS_KEPT, EVENTS_SLACK
from accepted.contract.progress import Progress
from accepted.contract.transition import Advance, Expire, Report
from accepted.store.protocol import Hint, Store
from tests.contract.given import DAY, cancel, complete, held, op_id
from tests.store.asking import ask, found, running
from tests.store.clock import MovableClock
from tests.store.conftest import OpenStore
from tests.store.test_conformance_hints import heard

ALL = 100_000


def step_of(operation: Operation, number: int) -> Advance:
    return held(Advance, operation, report=Report(progress=Progress(current=number)))


async def advance(store: Store, operation: Operation, times: int) -> None:
    """So many more events, a thousand a commit."""
    for start in range(0, times, 1000):
        await ask(store, *(step_of(operation, number) for number in range(start, min(start + 1000, times))))


def named(events: list[Event]) -> list[tuple[int, int]]:
    """(number of the operation, sequence) of each."""
    return [(int(event.operation_id[3:]), event.sequence) for event in events]


# --- E1: 1..n


async def test_events_are_numbered_from_1_without_gaps(store: Store) -> None:
    one, two = await running(store, 1, 2)
    await ask(store, step_of(one, 1), step_of(two, 1), step_of(one, 2))
    await ask(store, step_of(one, 3), complete(one), step_of(two, 2))
    assert [event.sequence for event in await store.events(one.id, 0, ALL)] == [1, 2, 3, 4, 5, 6]
    assert [event.sequence for event in await store.events(two.id, 0, ALL)] == [1, 2, 3, 4]
    assert (await found(store, one.id)).sequence == 6


async def test_the_last_event_says_what_the_operation_says(store: Store) -> None:
    (one,) = await running(store, 1)
    for batch in ([step_of(one, 1)], [step_of(one, 2), complete(one)]):
        await ask(store, *batch)
        assert (await store.events(one.id, 0, ALL))[-1] == event_of(await found(store, one.id))


async def test_events_are_read_from_a_number_on_and_up_to_a_limit(store: Store) -> None:
    (one,) = await running(store, 1)
    await advance(store, one, 8)
    assert [event.sequence for event in await store.events(one.id, 4, 3)] == [5, 6, 7]
    assert [event.sequence for event in await store.events(one.id, 9, 3)] == [10]
    assert await store.events(one.id, 10, 3) == []


# --- of many operations at once


async def test_news_are_those_events_of_each_that_come_after_its_own_number(store: Store) -> None:
    one, two, three = await running(store, 1, 2, 3)
    await ask(store, step_of(one, 1), step_of(two, 1), step_of(one, 2), step_of(three, 1))
    news = await store.news({one.id: 2, two.id: 3, three.id: 0, op_id(9): 0}, ALL)
    assert sorted(named(news)) == [(1, 3), (1, 4), (3, 1), (3, 2), (3, 3)]
    for number in (1, 3):
        mine = [sequence for operation, sequence in named(news) if operation == number]
        assert mine == sorted(mine), "in order within each"
    assert {event.sequence: event for event in news if event.operation_id == one.id} == {
        event.sequence: event for event in await store.events(one.id, 2, ALL)
    }


async def test_of_nothing_there_are_no_news(store: Store) -> None:
    assert await store.news({}, ALL) == []
    assert await store.news({op_id(9): 0}, ALL) == []


@pytest.mark.parametrize("limit", [1, 2, 5, 7, 11, 12, 13])
async def test_a_limit_cuts_no_hole_into_anybodys_news(store: Store, limit: int) -> None:
    operations = await running(store, 1, 2, 3)
    await ask(store, *(step_of(operation, number) for number in range(2) for operation in operations))
    positions, read = {operation.id: 0 for operation in operations}, 0
    while news := await store.news(positions, limit):
        assert len(news) <= limit
        for event in news:
            assert event.sequence == positions[event.operation_id] + 1
            positions[event.operation_id] += 1
        read += len(news)
    assert (read, set(positions.values())) == (12, {4})


async def test_news_of_a_hundred_operations(store: Store) -> None:
    operations = await running(store, *range(1, 101))
    await ask(store, *(step_of(operation, 1) for operation in operations))
    news = await store.news({operation.id: 2 for operation in operations}, 500)
    assert sorted(named(news)) == [(number, 3) for number in range(1, 101)]


async def test_news_of_another_stores_commits_are_there_at_once(store: Store, open_store: OpenStore) -> None:
    (one,) = await running(store, 1)
    other = await open_store()
    for number in range(3, 9):
        await ask(store, step_of(one, number))
        assert named(await other.news({one.id: number - 1}, ALL)) == [(1, number)]


# --- they do not pile up


async def test_a_long_operation_keeps_its_last_events(store: Store) -> None:
    (one,) = await running(store, 1)
    await advance(store, one, EVENTS_KEPT + EVENTS_SLACK - 3)
    assert len(await store.events(one.id, 0, ALL)) == EVENTS_KEPT + EVENTS_SLACK - 1
    await ask(store, step_of(one, 1))
    kept = [event.sequence for event in await store.events(one.id, 0, ALL)]
    assert kept == list(range(EVENTS_SLACK + 1, EVENTS_KEPT + EVENTS_SLACK + 1))
    assert (await found(store, one.id)).sequence == EVENTS_KEPT + EVENTS_SLACK
    assert named(await store.news({one.id: 7}, 2)) == [(1, EVENTS_SLACK + 1), (1, EVENTS_SLACK + 2)]
    await ask(store, complete(one))
    last = (await store.events(one.id, EVENTS_KEPT + EVENTS_SLACK, ALL))[0]
    assert (last.sequence, last.status) == (EVENTS_KEPT + EVENTS_SLACK + 1, Status.COMPLETED)


async def test_what_one_operation_loses_no_other_does(store: Store) -> None:
    one, two = await running(store, 1, 2)
    await advance(store, one, EVENTS_KEPT + EVENTS_SLACK)
    assert named(await store.events(two.id, 0, ALL)) == [(2, 1), (2, 2)]


async def test_with_the_operation_its_events_go(store: Store, clock: MovableClock) -> None:
    (one,) = await running(store, 1)
    await ask(store, step_of(one, 1), complete(one))
    clock.advance(DAY + 1)
    await ask(store, Expire())
    assert await store.events(one.id, 0, ALL) == await store.news({one.id: 0}, ALL) == []


# --- a hint says how far it has come


async def test_a_hint_has_the_number_of_the_last_event(store: Store, open_store: OpenStore) -> None:
    (one,) = await running(store, 1)
    hints = (await open_store()).hints()
    committed = await store.commit([step_of(one, 1), step_of(one, 2)])
    assert [hint.sequence for hint in committed.hints] == [4]
    await ask(store, cancel(one), complete(one))
    first, second = await heard(hints, 2)
    assert isinstance(first, Hint)
    assert (first.sequence, second.sequence) == (4, (await found(store, one.id)).sequence)
