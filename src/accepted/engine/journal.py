"""The lifecycle in the log: one structured line for each thing that happened to an operation (contract, section 12).

Lines are written from what has been committed, never before (guarantee D3). Each record bears `operation_id`, `type`,
`attempt` and `traceparent` as attributes, and the process's formatter decides how they look. Progress is said at
DEBUG.
"""

from __future__ import annotations

import logging
import os

from ..contract.delivery import Delivery, DeliveryStatus
from ..contract.event import Event
from ..contract.ledger import Tombstone
from ..contract.operation import Operation, Status
from ..contract.transition import SettledDelivery
from ..store.protocol import Committed
from .handing import hand_over

log = logging.getLogger("accepted.operation")

_NAMES = {level: logging.getLevelName(level) for level in (logging.DEBUG, logging.INFO, logging.WARNING)}
_NEW = logging.makeLogRecord({"name": log.name, "process": os.getpid()}).__dict__


class Line(logging.LogRecord):
    """A record made for speed: it knows what is said here and does not look for its caller, thread or task."""

    def __init__(self, level: int, message: str, event: Event, operation: Operation) -> None:
        self.__dict__.update(
            _NEW,
            msg=message,
            levelno=level,
            levelname=_NAMES[level],
            created=event.at / 1000,
            msecs=float(event.at % 1000),
            operation_id=operation.id,
            operation_type=operation.type,
            attempt=event.attempt,
            traceparent=operation.trace,
        )


_LEVELS = {"progress": logging.DEBUG, "failed": logging.WARNING}
_ENDS = {
    Status.COMPLETED: "completed",
    Status.COMPLETED_WITH_ERRORS: "completed with errors",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}


def on_commit(committed: Committed, _seconds: float) -> None:
    """Follows the feed."""
    if not log.isEnabledFor(logging.WARNING):
        return
    events = committed.events
    if not log.isEnabledFor(logging.INFO):
        events = [event for event in events if event.status is Status.FAILED]
    operations = {operation.id: operation for operation in committed.operations if events}
    lines: list[logging.LogRecord] = [
        line
        for event in events
        if (operation := operations.get(event.operation_id)) is not None
        and (line := _line(event, operation)) is not None
    ]
    lines += [_expiry(tombstone) for tombstone in committed.expired if log.isEnabledFor(logging.INFO)]
    settled = (outcome.delivery for outcome in committed.outcomes if type(outcome) is SettledDelivery)
    lines += [said for delivery in settled if (said := _sending(delivery)) is not None]
    if lines:
        hand_over(log, lines)


def _line(event: Event, operation: Operation) -> Line | None:
    word = _word(event, operation)
    level = _LEVELS.get(word, logging.INFO)
    if not log.isEnabledFor(level):
        return None
    detail = f": {operation.error.detail}" if word == "failed" and operation.error is not None else ""
    return Line(level, f"{operation.id} {word}{detail}", event, operation)


def _expiry(tombstone: Tombstone) -> logging.LogRecord:
    """By now nothing else is known of it."""
    members = {"name": log.name, "levelno": logging.INFO, "levelname": "INFO", "operation_id": tombstone.id}
    return logging.makeLogRecord({**members, "msg": f"{tombstone.id} expired"})


def _sending(delivery: Delivery) -> logging.LogRecord | None:
    """What came of a try to deliver; never where it went in full, nor what was answered."""
    ended = delivery.status is not DeliveryStatus.PENDING
    word = delivery.status.lower() if delivery.status is DeliveryStatus.DELIVERED else "not delivered"
    level = logging.INFO if word == "delivered" else logging.WARNING
    if not log.isEnabledFor(level):
        return None
    answer = delivery.tries[-1]
    more = "" if word == "delivered" else f": {answer.status_code or answer.error}"
    more += ", given up" if ended and word != "delivered" else ""
    members = {"name": log.name, "levelno": level, "levelname": logging.getLevelName(level)}
    about = {
        "operation_id": delivery.operation_id,
        "operation_type": delivery.type,
        "traceparent": delivery.trace,
        "attempt": len(delivery.tries),
    }
    text = f"{delivery.operation_id} {word} {delivery.event} to {delivery.host}{more}"
    return logging.makeLogRecord({**members, **about, "msg": "%s", "args": (text,)})


def _word(event: Event, operation: Operation) -> str:
    if event.status is Status.PENDING:
        return "accepted" if event.sequence == 1 else "retried"
    if event.status is Status.PROCESSING:
        return "started" if event.began else "progress"
    return _ENDS[event.status]
