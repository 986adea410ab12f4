"""Random histories, committed to a store and to plain dictionaries: both tell and keep the same.

The dictionaries (`tests/contract/memory.py`) are the pure lifecycle with nothing around it. What must hold of every
history, whoever keeps it, is checked on them: events count from one, one end and nothing after it (S1 to S5, E1).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from accepted.contract.lifecycle import TABLE
from accepted.contract.operation import TERMINAL, Operation, Status
from accepted.contract.problem import Refusal, StaleAttempt, WorkerLost
from accepted.contract.transition import Accepted, Renewed, Transition
from accepted.store.protocol import Committed, Selection, Store, Work
from tests.contract.given import DAY, HOUR
from tests.contract.memory import Memory
from tests.store.clock import MovableClock
from tests.store.conftest import BACKENDS
from tests.store.histories import SPANS, TYPES, Asker
from tests.store.homes import HOMES

HISTORIES = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.generate],  # without Phase.shrink, which takes minutes; put it back to study a failure
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Twins(RuleBasedStateMachine):
    """A store and the dictionaries, side by side under one clock."""

    def __init__(self, backend: str, seen: set[Any]) -> None:
        super().__init__()
        self._seen = seen
        self._folder = tempfile.TemporaryDirectory(prefix="accepted-model-")
        self._runner = asyncio.Runner()
        self._clock = MovableClock()
        self._make = HOMES[backend](Path(self._folder.name), self._clock)
        self._memory = Memory()
        self._asker = Asker(self._memory)
        self._store = self._opened()

    def _opened(self) -> Store:
        store = self._make()
        self._runner.run(store.open())
        return store

    def teardown(self) -> None:
        self._runner.run(_compare_all(self._store, self._memory))
        self._runner.run(self._store.close())
        self._runner.close()
        self._folder.cleanup()

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        batch = self._asker.batch(data.draw)
        before = dict(self._memory.operations)
        now = self._clock.now()
        expected = self._memory.commit(batch, now)
        committed = self._runner.run(self._store.commit(batch))
        assert [_plain(outcome) for outcome in committed.outcomes] == [_plain(o) for o in expected.outcomes]
        assert _by_id(committed.operations) == expected.created | expected.changed
        assert sorted(committed.events, key=_place) == sorted(expected.events, key=_place)
        assert dict(committed.work) == self._expected_work(expected.claimed, expected.created | expected.changed)
        _check_history(before, self._memory)
        touched = {o.id for o in committed.operations} | {stone.id for stone in expected.buried}
        self._runner.run(_compare(self._store, self._memory, touched))
        assert self._runner.run(self._store.tally()) == self._memory.recount()
        self._note(batch, committed)
        assert _hinted(committed) == {(o.id, o.status, o.worker) for o in committed.operations}

    def _expected_work(self, claimed: list[str], operations: dict[str, Operation]) -> dict[str, Work]:
        inputs, checkpoints = self._memory.inputs, self._memory.checkpoints
        return {id: Work(operations[id], inputs[id], checkpoints.get(id)) for id in claimed}

    def _note(self, batch: list[Transition], committed: Committed) -> None:
        """What this history has come to see."""
        for transition, outcome in zip(batch, committed.outcomes, strict=True):
            self._seen.add(type(outcome) if isinstance(outcome, Refusal) else type(transition))
            self._seen |= {"replayed"} if isinstance(outcome, Accepted) and outcome.replayed else set()
        self._seen |= {operation.status for operation in committed.operations}
        self._seen |= {"buried"} if self._memory.tombstones else set()

    @rule(span=st.sampled_from(SPANS))
    def time_passes(self, span: int) -> None:
        self._clock.advance(span)

    @rule(wall=st.sampled_from([-DAY, -HOUR, HOUR, DAY]))
    def the_wall_clock_jumps(self, wall: int) -> None:
        self._clock.move(wall=wall)

    @precondition(lambda self: len(self._memory.operations) > 3)
    @rule()
    def the_store_is_opened_anew(self) -> None:
        self._runner.run(self._store.close())
        self._store = self._opened()
        self._runner.run(_compare_all(self._store, self._memory))


def _plain(outcome: Any) -> Any:
    if isinstance(outcome, Refusal):
        return type(outcome), outcome.detail, outcome.members
    if isinstance(outcome, Renewed):
        return sorted(outcome.held, key=lambda operation: operation.id)
    return outcome


def _by_id(operations: Any) -> dict[str, Operation]:
    return {operation.id: operation for operation in operations}


def _place(event: Any) -> tuple[str, int]:
    return event.operation_id, event.sequence


def _hinted(committed: Committed) -> set[tuple[str, Status, str | None]]:
    return {(hint.operation_id, hint.status, hint.worker) for hint in committed.hints}


# --- what holds of every history


def _check_history(before: dict[str, Operation], memory: Memory) -> None:
    for id, operation in memory.operations.items():
        events = memory.events[id]
        assert [event.sequence for event in events] == list(range(1, operation.sequence + 1))
        ends = [event.sequence for event in events if event.status in TERMINAL]
        assert ends == ([operation.sequence] if operation.terminal else [])
        if id in before:
            _check_change(before[id], operation)


def _check_change(before: Operation, now: Operation) -> None:
    assert before.attempt <= now.attempt <= before.attempt + 8
    assert before.version <= now.version
    assert before.updated_at <= now.updated_at
    if before.terminal:
        assert now == replace(before, retried_by=now.retried_by, version=now.version)
        assert before.retried_by in (None, now.retried_by)


# --- whether the store keeps the same


async def _compare(store: Store, memory: Memory, ids: set[str]) -> None:
    for id in ids:
        assert await store.operation(id) == memory.operations.get(id, memory.tombstones.get(id))
        assert await store.events(id, 0, 10_000) == memory.events.get(id, [])
        assert await store.lines(id, 0, 10_000) == memory.lines.get(id, [])
        assert await store.input(id) == memory.inputs.get(id)
        for attempt in range(1, 4):
            kept = [memory.chunks.get((id, attempt, number)) for number in range(4)]
            assert [chunk async for chunk in store.chunks(id, attempt, 0)] == kept[: kept.index(None)]


async def _compare_all(store: Store, memory: Memory) -> None:
    await _compare(store, memory, memory.operations.keys() | memory.tombstones.keys())
    for owner in ("ann", "bob"):
        for path in ("/reports/rpt-1", "/reports/rpt-2"):
            assert await store.resource(owner, path) == memory.resources.get((owner, path))
        own = sorted((o for o in memory.operations.values() if o.owner == owner), key=lambda o: o.id, reverse=True)
        assert await store.operations(Selection(owner, limit=1000)) == own
        assert await store.count(Selection(owner)) == len(own)
    await _compare_queues(store, memory)
    alive = {row.id for row in await store.workers() if row.alive}
    assert alive == {worker for worker, until in memory.leases.items() if until > (await store.now()).tick}


async def _compare_queues(store: Store, memory: Memory) -> None:
    waiting = [o for o in memory.operations.values() if o.status is Status.PENDING]
    waiting.sort(key=lambda operation: (operation.due_at, operation.id))
    for type in TYPES:
        assert await store.queue(type, 1000) == [o.id for o in waiting if o.type == type]
    first = {o.type: o.due_at for o in reversed(waiting)}
    assert await store.oldest_due() == first
    assert Counter(o.type for o in waiting).keys() == first.keys()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_store_keeps_what_the_lifecycle_decides(backend: str) -> None:
    seen: set[Any] = set()
    run_state_machine_as_test(lambda: Twins(backend, seen), settings=HISTORIES)  # type: ignore[arg-type]
    assert seen >= {*TABLE, *Status, StaleAttempt, WorkerLost, "buried", "replayed"}  # or it has not come far enough
