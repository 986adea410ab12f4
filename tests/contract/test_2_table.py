"""The table of the lifecycle: every edge is walked, and what it does not have is refused (contract, section 2)."""

from __future__ import annotations

import pytest

from accepted.contract.lifecycle import TABLE, step, successor
from accepted.contract.operation import SUCCEEDED, TERMINAL, Now, Operation, Status
from accepted.contract.problem import (
    InvariantViolation,
    OperationNotCancellable,
    OperationNotRetryable,
    Refusal,
    StaleAttempt,
)
from accepted.contract.transition import (
    Accept,
    Advance,
    Cancel,
    Claim,
    Complete,
    Fail,
    Keep,
    Release,
    Rescue,
    Retry,
    Settle,
    Stop,
    Transition,
)
from tests.contract.given import (
    BROKEN,
    DAY,
    SECOND,
    WARNED,
    after,
    again,
    cancel,
    cancelled,
    cancelling,
    claim,
    complete,
    completed,
    completed_with_errors,
    fail,
    failed,
    held,
    pending,
    processing,
    release,
    rescue,
    retry,
    settle,
)

LATER = after(DAY)

STATES: dict[str, Operation] = {
    "pending": pending(),
    "processing": processing(),
    "cancelling": cancelling(),
    "completed": completed(),
    "completed with errors": completed_with_errors(),
    "failed": failed(),
    "failed for good": failed(BROKEN),
    "failed and retried": step(failed(), retry(failed()), after(4 * SECOND)),
    "cancelled": cancelled(),
    "cancelled and retried": step(cancelled(), retry(cancelled()), after(4 * SECOND)),
}


def asked_of(operation: Operation) -> list[Transition]:
    """One or more of every transition there is, as whoever holds or owns `operation` would ask it."""
    return [
        claim(),
        held(Advance, operation),
        held(Keep, operation, number=0, data=b"chunk"),
        complete(operation),
        complete(operation, report=WARNED),
        fail(operation, attempts=3),
        fail(operation, BROKEN, attempts=3),
        release(operation),
        held(Stop, operation),
        cancel(operation),
        settle(operation),
        rescue(max_crashes=3),
        rescue(max_crashes=1),
        retry(operation),
    ]


Question = tuple[str, Transition]
Edge = tuple[type[Transition], Status | None, Status]

DECLARED: set[Edge] = {(t, before, end) for t, row in TABLE.items() for before, ends in row.items() for end in ends}

REFUSED: dict[type[Transition], type[Exception]] = {
    Claim: InvariantViolation,  # decided by the fold, which asks it of nothing else: a bug, not a refusal
    Rescue: InvariantViolation,
    Settle: InvariantViolation,
    Advance: StaleAttempt,
    Keep: StaleAttempt,
    Complete: StaleAttempt,
    Fail: StaleAttempt,
    Release: StaleAttempt,
    Stop: StaleAttempt,
    Cancel: OperationNotCancellable,
    Retry: OperationNotRetryable,
}


def walked(operation: Operation, asked: Transition) -> Edge | None:
    try:
        return type(asked), operation.status, step(operation, asked, LATER).status
    except (InvariantViolation, Refusal):
        return None


def named(questions: list[Question]) -> list[str]:
    return [f"{state}-{type(asked).__name__}-{number}" for number, (state, asked) in enumerate(questions)]


QUESTIONS: list[Question] = [(state, asked) for state, before in STATES.items() for asked in asked_of(before)]
WALKS = [(state, asked) for state, asked in QUESTIONS if walked(STATES[state], asked) is not None]
LATE = [(state, asked) for state, asked in WALKS if STATES[state].terminal and not isinstance(asked, Retry)]


def test_every_edge_can_be_walked_and_no_other_is() -> None:
    edges = {walked(STATES[state], asked) for state, asked in QUESTIONS} - {None}
    edges |= {(Accept, None, pending().status), (Retry, None, successor(failed(), retry(failed()), LATER).status)}
    assert edges == DECLARED


@pytest.mark.parametrize(("state", "asked"), QUESTIONS, ids=named(QUESTIONS))
def test_a_step_goes_along_the_table_or_is_refused(state: str, asked: Transition) -> None:
    operation = STATES[state]
    row = TABLE[type(asked)]
    unasked = isinstance(asked, Settle) and state == "processing"
    for_good = isinstance(asked, Retry) and state == "failed for good"
    if operation.status in row and not unasked and not for_good:
        assert step(operation, asked, LATER).status in row[operation.status]
    else:
        with pytest.raises(StaleAttempt if unasked else REFUSED[type(asked)]):
            step(operation, asked, LATER)


@pytest.mark.parametrize(("state", "asked"), LATE, ids=named(LATE))
def test_an_ended_operation_changes_no_more(state: str, asked: Transition) -> None:
    assert step(STATES[state], asked, LATER) is STATES[state]


def test_only_a_retry_adds_one_thing_to_an_ended_operation() -> None:
    for before in (failed(), cancelled()):
        after_retry = step(before, retry(before), LATER)
        changed = {name for name in before.__struct_fields__ if getattr(before, name) != getattr(after_retry, name)}
        assert changed == {"retried_by", "version"}


@pytest.mark.parametrize(("state", "asked"), WALKS, ids=named(WALKS))
def test_version_and_sequence_count_every_change_by_one(state: str, asked: Transition) -> None:
    operation = STATES[state]
    after_step = step(operation, asked, LATER)
    silent = after_step is operation or isinstance(asked, (Advance, Keep))
    assert after_step.version == operation.version + (not silent)
    assert after_step.sequence == operation.sequence + (not silent and not isinstance(asked, Retry))


@pytest.mark.parametrize(("state", "asked"), WALKS, ids=named(WALKS))
def test_times_within_an_operation_never_go_back(state: str, asked: Transition) -> None:
    operation = STATES[state]
    set_back = Now(after(-DAY).wall, LATER.tick)
    after_step = step(operation, asked, set_back)
    assert after_step.updated_at >= operation.updated_at
    if after_step.terminal:
        assert after_step.ended_at is not None
        assert after_step.ended_at >= operation.updated_at


def test_the_four_ends_are_terminal_and_two_of_them_are_successes() -> None:
    assert {status for status in Status if all(status not in row for row in _leading_on())} == TERMINAL
    assert SUCCEEDED < TERMINAL
    for state in STATES.values():
        assert state.terminal == (state.status in TERMINAL) == (state.ended_at is not None)


def _leading_on() -> list[set[Status | None]]:
    """For each transition the states from which it leads to another one."""
    return [{before for before, ends in row.items() if set(ends) != {before}} for row in TABLE.values()]


def test_cancelling_is_kept_across_no_attempt() -> None:
    """Whatever ends an attempt after a committed cancel, it ends CANCELLED (contract, section 5)."""
    operation = cancelling()
    ends = [complete(operation), fail(operation, attempts=9), release(operation), held(Stop, operation), rescue()]
    assert {step(operation, end, LATER).status for end in [*ends, settle(operation)]} == {Status.CANCELLED}


def test_a_claim_never_takes_what_runs() -> None:
    with pytest.raises(InvariantViolation, match="Claim: PROCESSING -> PROCESSING"):
        again(processing())
