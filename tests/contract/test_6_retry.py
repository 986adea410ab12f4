"""Retrying by hand: a new operation, once (contract, section 6)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from accepted.contract.lifecycle import step, successor
from accepted.contract.operation import Operation, Status
from accepted.contract.problem import OperationNotFound, OperationNotRetryable
from accepted.contract.progress import Progress, advance, announced, enter
from accepted.contract.transition import Expire, Renew, Report, Retried, Retry
from tests.contract.given import (
    BROKEN,
    BUSY,
    DAY,
    HOUR,
    NOW,
    SECOND,
    accept,
    after,
    cancel,
    cancelled,
    claim,
    completed,
    completed_with_errors,
    fail,
    failed,
    key,
    op_id,
    pending,
    processing,
    retry,
)
from tests.contract.memory import Memory


@pytest.fixture
def memory() -> Memory:
    """One operation that has failed but may be retried."""
    memory = Memory()
    memory.commit([accept(key=key()), Renew("w1", DAY, first=True), claim()], NOW)
    memory.commit([fail(memory.operations[op_id()])], after(SECOND))
    return memory


def test_it_makes_a_new_operation_with_the_same_input(memory: Memory) -> None:
    (outcome,) = memory.ask([Retry(op_id(1), op_id(2), "00-trace")], after(HOUR))
    made = memory.operations[op_id(2)]
    assert outcome == Retried(op_id(2), made)
    assert (made.status, made.created_at, made.due_at) == (Status.PENDING, after(HOUR).wall, after(HOUR).wall)
    assert (made.type, made.owner, made.retention, made.cancel_grace) == ("report", "ann", DAY, 2 * SECOND)
    assert (made.retry_of, made.attempt, made.failures, made.crashes) == (op_id(1), 0, 0, 0)
    assert (made.trace, made.key) == ("00-trace", None)
    assert memory.inputs[op_id(2)] == memory.inputs[op_id(1)]
    assert [event.sequence for event in memory.events[op_id(2)]] == [1]
    assert memory.operations[op_id(1)].retried_by == op_id(2)


@pytest.mark.parametrize("batches", [1, 2])
def test_repeating_it_gives_the_same_operation(memory: Memory, batches: int) -> None:
    asked = [Retry(op_id(1), op_id(number)) for number in (2, 3, 4)]
    if batches == 1:
        outcomes = memory.ask([*asked], after(HOUR))
    else:
        outcomes = [memory.ask([retry], after(HOUR))[0] for retry in asked]
    assert [outcome.operation_id for outcome in outcomes] == [op_id(2)] * 3
    assert [outcome.operation is None for outcome in outcomes] == [False, True, True]
    assert memory.operations.keys() == {op_id(1), op_id(2)}


def test_the_new_one_can_be_retried_in_its_turn(memory: Memory) -> None:
    memory.commit([Retry(op_id(1), op_id(2)), cancel(pending(id=op_id(2)))], after(HOUR))
    (outcome,) = memory.ask([Retry(op_id(2), op_id(3))], after(HOUR))
    assert outcome.operation.retry_of == op_id(2)
    assert memory.inputs[op_id(3)] == memory.inputs[op_id(1)]


@pytest.mark.parametrize(
    "before",
    [pending(), processing(), completed(), completed_with_errors(), failed(BROKEN)],
    ids=["pending", "processing", "completed", "completed with errors", "failed for good"],
)
def test_nothing_else_can_be_retried(before: Operation) -> None:
    with pytest.raises(OperationNotRetryable) as refused:
        step(before, retry(before), after(DAY))
    assert refused.value.members == {"operationStatus": before.status}


def test_a_cancelled_operation_can(memory: Memory) -> None:
    memory.commit([accept(5), cancel(cancelled(id=op_id(5))), Retry(op_id(5), op_id(6))], after(HOUR))
    assert memory.operations[op_id(6)].retry_of == op_id(5)


def test_one_that_has_expired_is_not_found(memory: Memory) -> None:
    memory.commit([Expire()], after(2 * DAY))
    (outcome,) = memory.ask([Retry(op_id(1), op_id(2))], after(2 * DAY))
    assert isinstance(outcome, OperationNotFound)
    assert memory.operations == {}


@pytest.mark.parametrize(
    ("retry_after", "asked", "due"),
    [
        (None, SECOND, SECOND),
        (60, SECOND, 63 * SECOND),
        (0.25, SECOND, 3250),
        (60, HOUR, HOUR),
        (0, SECOND, 3 * SECOND),
    ],
)
def test_it_starts_no_earlier_than_retry_after_allows(retry_after: float | None, asked: int, due: int) -> None:
    """Counted from the failure, which was three seconds after the submit; `due_at` may not lie before it."""
    before = failed(replace(BUSY, retry_after=retry_after))
    made = successor(before, retry(before), after(asked))
    assert made.due_at == after(max(due, 3 * SECOND) if retry_after is None else due).wall


def test_it_starts_with_the_announced_phases_and_nothing_done() -> None:
    before = processing(progress=announced(["LOAD", "SAVE"]))
    progress = advance(enter(before.progress or Progress(), "LOAD", 0), current=1, total=2)
    before = step(before, fail(before, report=Report(progress=progress)), NOW)
    assert successor(before, retry(before), NOW).progress == announced(["LOAD", "SAVE"])
