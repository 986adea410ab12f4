"""Random histories, committed to a store and to plain dictionaries: both tell and keep the same.

The dictionaries (`tests/contract/memory.py`) are the pure lifecycle with nothing around it. What must hold of every
history, whoever keeps it, is checked on them: events count from one, one end and nothing after it (S1 to S5, E1).
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from accepted.contract.delivery import DeliveryStatus
from accepted.contract.event import Event
from accepted.contract.ledger import Changes
from accepted.contract.lifecycle import TABLE
from accepted.contract.operation import TERMINAL, Operation, Status
from accepted.contract.problem import DeliveryNotFound, Refusal, StaleAttempt, WorkerLost
from accepted.contract.transition import Accepted, ClaimedDeliveries, Renewed, SettledDelivery, Transition
from accepted.store.protocol import Committed, Selection, Store, Work
from tests.contract.memory import Memory
from tests.databases import Database, databases
from tests.store.clock import MovableClock
from tests.store.histories import OWNERS, PATHS, TYPES, Asker
from tests.store.homes import stores_on

HISTORIES = settings(max_examples=45, deadline=None)


def test_a_store_keeps_what_the_lifecycle_decides(backend: str) -> None:
    seen: set[Any] = set()

    @HISTORIES
    @given(seed=st.integers(0, 2**32), length=st.integers(1, 80))
    def live(seed: int, length: int) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="accepted-model-")
        with temporary as folder, databases(backend, Path(folder)) as named:
            asyncio.run(Twins(named("model"), Random(seed)).live(length, seen))

    live()
    assert seen >= {*TABLE, *Status, StaleAttempt, WorkerLost, "buried", "replayed"}  # or it has not come far enough
    assert seen >= {*DeliveryStatus, DeliveryNotFound, "claimed a delivery"}


class Twins:
    """A store and the dictionaries, side by side under one clock."""

    def __init__(self, database: Database, random: Random) -> None:
        self._random = random
        self._clock = MovableClock()
        self._make = stores_on(database.url, self._clock, **database.settings)
        self._memory = Memory()
        self._asker = Asker(self._memory, random)

    async def live(self, length: int, seen: set[Any]) -> None:
        store = await self._opened()
        for _ in range(length):
            self._clock.advance(self._asker.span())
            self._clock.move(wall=self._asker.jump())
            seen |= await self._commit(store)
            if self._random.random() < 0.03:
                await store.close()
                store = await self._opened()
        await compare_all(store, self._memory)
        await store.close()

    async def _opened(self) -> Store:
        store = self._make()
        await store.open()
        await compare_all(store, self._memory)
        return store

    async def _commit(self, store: Store) -> set[Any]:
        batch, before = self._asker.batch(), dict(self._memory.operations)
        note(f"{self._clock.now()} {batch}")
        expected = self._memory.commit(batch, self._clock.now())
        committed = await store.commit(batch)
        self._compare_outcome(committed, expected)
        check_history(before, self._memory)
        touched = expected.created.keys() | expected.changed.keys() | {stone.id for stone in expected.buried}
        touched |= {delivery.operation_id for delivery in expected.deliveries.values()}
        await compare(store, self._memory, touched)
        assert await store.tally() == self._memory.recount()
        return came_across(batch, committed) | ({"buried"} if expected.buried else set())

    def _compare_outcome(self, committed: Committed, expected: Changes) -> None:
        operations = expected.created | expected.changed
        assert [plain(outcome) for outcome in committed.outcomes] == [plain(outcome) for outcome in expected.outcomes]
        assert {operation.id: operation for operation in committed.operations} == operations
        assert sorted(committed.events, key=place) == sorted(expected.events, key=place)
        inputs, checkpoints = self._memory.inputs, self._memory.checkpoints
        assert committed.work == {id: Work(operations[id], inputs[id], checkpoints.get(id)) for id in expected.claimed}
        hints = {(hint.operation_id, hint.status, hint.worker, hint.delivering) for hint in committed.hints}
        told = (expected.summons | operations).values()
        assert hints == {(o.id, o.status, o.worker, o.id in expected.summons) for o in told}


def plain(outcome: Any) -> Any:
    if isinstance(outcome, Refusal):
        return type(outcome), outcome.detail, outcome.members
    if isinstance(outcome, Renewed):
        return sorted(outcome.held, key=lambda operation: operation.id)
    return outcome


def place(event: Event) -> tuple[str, int]:
    return event.operation_id, event.sequence


def came_across(batch: list[Transition], committed: Committed) -> set[Any]:
    """What this commit has shown: transitions that were granted, kinds of refusals, states."""
    seen: set[Any] = {operation.status for operation in committed.operations}
    for transition, outcome in zip(batch, committed.outcomes, strict=True):
        seen.add(type(outcome) if isinstance(outcome, Refusal) else type(transition))
        seen |= {"replayed"} if isinstance(outcome, Accepted) and outcome.replayed else set()
        seen |= {outcome.delivery.status} if isinstance(outcome, SettledDelivery) else set()
        seen |= {"claimed a delivery"} if isinstance(outcome, ClaimedDeliveries) and outcome.deliveries else set()
    return seen


# --- what holds of every history


def check_history(before: dict[str, Operation], memory: Memory) -> None:
    for id, operation in memory.operations.items():
        assert operation.undelivered == len(memory.pending(id))
        events = memory.events[id]
        assert [event.sequence for event in events] == list(range(1, operation.sequence + 1))
        ends = [event.sequence for event in events if event.status in TERMINAL]
        assert ends == ([operation.sequence] if operation.terminal else [])
        if id in before:
            check_change(before[id], operation)


def check_change(before: Operation, now: Operation) -> None:
    assert before.attempt <= now.attempt
    assert before.version <= now.version
    assert before.updated_at <= now.updated_at
    if before.terminal:
        assert now == replace(before, retried_by=now.retried_by, version=now.version, undelivered=now.undelivered)
        assert before.retried_by in (None, now.retried_by)


# --- whether the store keeps the same


async def compare(store: Store, memory: Memory, ids: set[str]) -> None:
    for id in ids:
        assert await store.operation(id) == memory.operations.get(id, memory.tombstones.get(id))
        assert await store.events(id, 0, 10_000) == memory.events.get(id, [])
        assert await store.lines(id, 0, 10_000) == memory.lines.get(id, [])
        assert await store.input(id) == memory.inputs.get(id)
        assert await store.webhook(id) == memory.webhooks.get(id)
        assert await store.deliveries(id) == memory.deliveries_of(id)
        for attempt in range(1, 4):
            kept = [memory.chunks.get((id, attempt, number)) for number in range(4)]
            assert [chunk async for chunk in store.chunks(id, attempt, 0)] == kept[: kept.index(None)]


async def compare_all(store: Store, memory: Memory) -> None:
    await compare(store, memory, memory.operations.keys() | memory.tombstones.keys())
    for owner in OWNERS:
        own = sorted((o for o in memory.operations.values() if o.owner == owner), key=lambda o: o.id, reverse=True)
        assert await store.operations(Selection(owner, limit=1000)) == own
        assert await store.count(Selection(owner)) == len(own)
        found = {(owner, path): await store.resource(owner, path) for path in PATHS}
        assert found == {place: memory.resources.get(place) for place in found}
    await compare_queues(store, memory)
    alive = {row.id for row in await store.workers() if row.alive}
    assert alive == {worker for worker, until in memory.leases.items() if until > (await store.now()).tick}


async def compare_queues(store: Store, memory: Memory) -> None:
    for type in TYPES:
        assert await store.queue(type, 1000) == memory.queue(type)
    assert await store.next_delivery() == next((d.due_at for d in memory.pending()), None)
    assert await store.oldest_due() == memory.oldest_due()
