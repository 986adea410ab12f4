"""The lifecycle: one table and one pure function.

`TABLE` says which transition may lead from which state to which; no other file compares a status to decide a move.
`step` takes one operation one transition further and holds itself to the table. `fold.py` does so for a whole batch
inside of one transaction. The diagram in the documentation is drawn from the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from .operation import NO_JSON, Cancellation, Now, Operation, Status
from .problem import InvariantViolation, OperationNotCancellable, OperationNotRetryable, Problem, StaleAttempt, TooEarly
from .progress import finished, restarted
from .transition import (
    Accept,
    Advance,
    Cancel,
    Claim,
    Complete,
    Fail,
    Held,
    Keep,
    Release,
    Report,
    Rescue,
    Retry,
    Settle,
    Stop,
    Transition,
)

P, R = Status.PENDING, Status.PROCESSING
DONE, PARTLY, FAILED, GONE = Status.COMPLETED, Status.COMPLETED_WITH_ERRORS, Status.FAILED, Status.CANCELLED

TABLE: dict[type[Transition], dict[Status | None, tuple[Status, ...]]] = {
    Accept: {None: (P,)},
    Claim: {P: (R,)},
    Advance: {R: (R,)},
    Keep: {R: (R,)},
    Complete: {R: (DONE, PARTLY, GONE)},
    Fail: {R: (P, FAILED, GONE)},
    Release: {R: (P, GONE)},
    Rescue: {R: (P, FAILED, GONE)},
    Stop: {R: (GONE,)},
    Settle: {R: (GONE,), GONE: (GONE,)},
    Cancel: {P: (GONE,), R: (R,), GONE: (GONE,)},
    Retry: {None: (P,), FAILED: (FAILED,), GONE: (GONE,)},
}
"""transition -> state before -> states it may end in; None is "did not exist"."""

_EDGES = frozenset((t, before, after) for t, row in TABLE.items() for before, afters in row.items() for after in afters)


# --- one operation


def step(operation: Operation, transition: Transition, now: Now) -> Operation:
    """`operation` after `transition`; the same object where nothing changes.

    Raises the `Refusal` where it is not allowed.
    """
    after = _STEPS[type(transition)](operation, transition, now)
    if (type(transition), operation.status, after.status) not in _EDGES:
        raise InvariantViolation(f"{type(transition).__name__}: {operation.status} -> {after.status}")
    return after


def accepted(accept: Accept, now: Now) -> Operation:
    """The operation that an accept makes: PENDING, due at once."""
    return Operation(
        id=accept.id,
        type=accept.type,
        owner=accept.owner,
        status=P,
        created_at=now.wall,
        updated_at=now.wall,
        due_at=now.wall,
        retention=accept.retention,
        cancel_grace=accept.cancel_grace,
        progress=accept.progress,
        key=(accept.key.route, accept.key.value) if accept.key else None,
        trace=accept.trace,
        webhook=accept.webhook.subscription if accept.webhook is not None else None,
        priority=accept.priority,
        group=accept.group,
        parked=accept.group is not None,
    )


def _claim(operation: Operation, claim: Claim, now: Now) -> Operation:
    return _moved(
        operation,
        now,
        status=R,
        worker=claim.worker,
        attempt=operation.attempt + 1,
        crashes=operation.crashes + 1,  # provisional: any orderly end takes it back (guarantee L5)
        started_at=now.wall if operation.started_at is None else operation.started_at,
        attempt_at=now.wall,
    )


def _advance(operation: Operation, advance: Advance | Keep, now: Now) -> Operation:
    _check_fence(operation, advance)
    report = advance.report
    if report.progress is None:
        return _noted(operation, report)
    return _moved(_noted(operation, report), now)


def _complete(operation: Operation, complete: Complete, now: Now) -> Operation:
    _check_fence(operation, complete)
    operation = _noted(operation, complete.report)
    if operation.cancellation is not None:
        return _cancelled(operation, now, stopped=True, partial=complete.result.value)
    return _ended(
        operation,
        now,
        status=PARTLY if operation.warnings else DONE,
        crashes=operation.crashes - 1,
        progress=finished(operation.progress, now.wall),
        result=complete.result,
        partial=NO_JSON,
    )


def _fail(operation: Operation, fail: Fail, now: Now) -> Operation:
    _check_fence(operation, fail)
    operation = _noted(operation, fail.report)
    if operation.cancellation is not None:
        return _cancelled(operation, now, stopped=True)
    failures = operation.failures + 1
    if fail.problem.retryable and failures < fail.attempts:
        return _back(operation, now, due_at=now.wall + fail.delay, failures=failures, crashes=operation.crashes - 1)
    return _ended(
        operation,
        now,
        status=FAILED,
        error=fail.problem,
        failures=failures,
        crashes=operation.crashes - 1,
        partial=NO_JSON,
    )


def _release(operation: Operation, release: Release, now: Now) -> Operation:
    _check_fence(operation, release)
    operation = _noted(operation, release.report)
    if operation.cancellation is not None:
        return _cancelled(operation, now, stopped=True)
    return _back(operation, now, due_at=now.wall, crashes=operation.crashes - 1)


def _stop(operation: Operation, stop: Stop, now: Now) -> Operation:
    _check_fence(operation, stop)
    return _cancelled(_noted(operation, stop.report), now, stopped=True)


def _cancel(operation: Operation, cancel: Cancel, now: Now) -> Operation:
    match operation.status:
        case Status.CANCELLED:
            return operation
        case Status.PENDING:
            return _cancelled(operation, now, reason=cancel.reason, stopped=True)
        case Status.PROCESSING if operation.cancellation is not None:
            return operation
        case Status.PROCESSING:
            noted = Cancellation(now.wall, now.tick + operation.cancel_grace, cancel.reason)
            return _moved(operation, now, cancellation=noted)
    raise OperationNotCancellable(f"The operation is {operation.status}.", operationStatus=operation.status)


def _settle(operation: Operation, settle: Settle, now: Now) -> Operation:
    if operation.status is R and (operation.cancellation is None or operation.cancellation.settle_at > now.tick):
        raise TooEarly("There is no cancel to settle yet.")
    if operation.status is not R:
        return operation
    return _cancelled(operation, now, stopped=False)


def _rescue(operation: Operation, rescue: Rescue, now: Now) -> Operation:
    if operation.cancellation is not None:
        return _cancelled(operation, now, stopped=False)
    if operation.crashes >= rescue.max_crashes:
        problem = Problem(
            slug="worker-lost",
            title="Worker Lost",
            status=500,
            detail=f"The worker died {operation.crashes} times while it ran this operation.",
            retryable=False,
        )
        return _ended(operation, now, status=FAILED, error=problem, partial=NO_JSON)
    return _back(operation, now, due_at=now.wall)


def _retry(operation: Operation, retry: Retry, now: Now) -> Operation:
    retryable = operation.status is FAILED and operation.error is not None and bool(operation.error.retryable)
    if not (retryable or operation.status is GONE):
        raise OperationNotRetryable(f"The operation is {operation.status}.", operationStatus=operation.status)
    if operation.retried_by is not None:
        return operation
    return replace(operation, retried_by=retry.new_id, version=operation.version + 1)


def successor(operation: Operation, retry: Retry, now: Now) -> Operation:
    """The new operation that a manual retry makes; it starts no earlier than the failure's `retryAfter` allows."""
    wait = operation.error.retry_after if operation.error else None
    earliest = (operation.ended_at or now.wall) + round((wait or 0) * 1000)
    return Operation(
        id=retry.new_id,
        type=operation.type,
        owner=operation.owner,
        status=P,
        created_at=now.wall,
        updated_at=now.wall,
        due_at=max(now.wall, earliest),
        delayed=earliest > now.wall,
        retention=operation.retention,
        cancel_grace=operation.cancel_grace,
        progress=restarted(operation.progress),
        retry_of=operation.id,
        trace=retry.trace,
        webhook=operation.webhook,
        priority=operation.priority,
        group=operation.group,
        parked=operation.group is not None and earliest <= now.wall,
    )


def _check_fence(operation: Operation, held: Held) -> None:
    if operation.status is not R or operation.worker != held.worker or operation.attempt != held.attempt:
        raise StaleAttempt(f"attempt {held.attempt} no longer holds {operation.id}")


def _moved(operation: Operation, now: Now, **changes: Any) -> Operation:
    # Time goes on within one operation even when the wall clock is set back: clients compare these dates.
    return replace(
        operation,
        version=operation.version + 1,
        sequence=operation.sequence + 1,
        updated_at=max(now.wall, operation.updated_at),
        **changes,
    )


def _noted(operation: Operation, report: Report) -> Operation:
    """What the attempt has reported enters the record; on its own this is no event."""
    changes: dict[str, Any] = {}
    if report.progress is not None:
        changes["progress"] = report.progress
    if report.warnings:
        changes["warnings"] = operation.warnings + report.warnings
    if report.partial is not NO_JSON:
        changes["partial"] = report.partial
    if report.lines:
        changes["lines"] = operation.lines + len(report.lines)
    return replace(operation, **changes) if changes else operation


def _back(operation: Operation, now: Now, *, due_at: int, **changes: Any) -> Operation:
    """PENDING again, for another attempt, which starts with fresh progress and no warnings of the one before."""
    return _moved(
        operation,
        now,
        status=P,
        due_at=due_at,
        delayed=due_at > now.wall,
        worker=None,
        attempt_at=None,
        warnings=(),
        progress=restarted(operation.progress),
        **changes,
    )


def _ended(operation: Operation, now: Now, **changes: Any) -> Operation:
    end = max(now.wall, operation.updated_at)
    over = {"worker": None, "parked": False, "delayed": False, "ended_at": end, "expires_at": end + operation.retention}
    return _moved(operation, now, **over, **changes)


def _cancelled(
    operation: Operation, now: Now, *, stopped: bool, reason: str | None = None, partial: msgspec.Raw = NO_JSON
) -> Operation:
    return _ended(
        operation,
        now,
        status=GONE,
        reason=operation.cancellation.reason if operation.cancellation else reason,
        work_stopped=stopped,
        partial=partial if partial is not NO_JSON else operation.partial,
    )


_STEPS: dict[type[Transition], Callable[[Operation, Any, Now], Operation]] = {
    Claim: _claim,
    Advance: _advance,
    Keep: _advance,
    Complete: _complete,
    Fail: _fail,
    Release: _release,
    Stop: _stop,
    Cancel: _cancel,
    Settle: _settle,
    Rescue: _rescue,
    Retry: _retry,
}
