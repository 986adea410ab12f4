"""Events: what happened to one operation, numbered 1, 2, 3 ... without gaps (contract, section 8; guarantee E1).

An event is small: the state after it. What a terminal event says of result, error or reason stands in the operation,
which does not change any more, so it is not stored twice.
"""

from __future__ import annotations

import msgspec

from .operation import Operation, Status
from .progress import Progress


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One numbered event of one operation; `at` in milliseconds since the epoch."""

    operation_id: str
    sequence: int
    at: int
    status: Status
    attempt: int = 0
    progress: Progress | None = None
    began: bool = False
    """Whether this is the event with which its attempt began."""


def event_of(operation: Operation, *, began: bool = False) -> Event:
    """The event that says what `operation` has just become; `began` with the start of an attempt."""
    return Event(
        operation_id=operation.id,
        sequence=operation.sequence,
        at=operation.updated_at,
        status=operation.status,
        attempt=operation.attempt,
        progress=operation.progress,
        began=began,
    )
