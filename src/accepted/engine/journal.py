"""The lifecycle in the log: one structured line for each thing that happened to an operation (contract, section 12).

Lines are written from what has been committed, never before (guarantee D3). Each record bears `operation_id`, `type`,
`attempt` and `traceparent` as attributes, and the process's formatter decides how they look. Progress is said at
DEBUG.
"""

from __future__ import annotations

import logging
import os

from ..contract.event import Event
from ..contract.operation import Operation, Status
from ..store.protocol import Committed

log = logging.getLogger("accepted.operation")

_NEW = logging.makeLogRecord({"name": log.name, "process": os.getpid()}).__dict__


class Line(logging.LogRecord):
    """A record made for speed: it knows what is said here and does not look for its caller, thread or task."""

    def __init__(self, level: int, message: str, event: Event, operation: Operation) -> None:
        self.__dict__.update(
            _NEW,
            msg=message,
            levelno=level,
            levelname=logging.getLevelName(level),
            created=event.at / 1000,
            msecs=float(event.at % 1000),
            operation_id=operation.id,
            operation_type=operation.type,
            attempt=event.attempt,
            traceparent=operation.trace,
        )


_ENDS = {
    Status.COMPLETED: "completed",
    Status.COMPLETED_WITH_ERRORS: "completed with errors",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}


def on_commit(committed: Committed, _seconds: float) -> None:
    """Follows the feed."""
    if not log.isEnabledFor(logging.INFO):
        return
    operations = {operation.id: operation for operation in committed.operations}
    for event in committed.events:
        if (operation := operations.get(event.operation_id)) is not None:
            _write(event, operation)


def _write(event: Event, operation: Operation) -> None:
    word = _word(event, operation)
    level = logging.DEBUG if word == "progress" else logging.WARNING if word == "failed" else logging.INFO
    if not log.isEnabledFor(level):
        return
    detail = f": {operation.error.detail}" if word == "failed" and operation.error is not None else ""
    log.handle(Line(level, f"{operation.id} {word}{detail}", event, operation))


def _word(event: Event, operation: Operation) -> str:
    if event.status is Status.PENDING:
        return "accepted" if event.sequence == 1 else "retried"
    if event.status is Status.PROCESSING:
        return "started" if operation.attempt_at == event.at else "progress"
    return _ENDS[event.status]
