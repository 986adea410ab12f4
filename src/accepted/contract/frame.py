"""How events are told on streams: server-sent events and WebSocket messages (contract, section 8).

Both carry the same document. A server-sent event is written without its `id:` line: the position is the reader's own,
and all else is the same bytes for everybody. JSON escapes line breaks inside of texts, and whatever stands between its
tokens is made a space, so nothing that a user wrote can begin a line: no event can be forged.
"""

from __future__ import annotations

from collections.abc import Iterable

from .event import Event
from .job import job_row, log_document
from .operation import LogLine, Operation, Status
from .problem import Problem
from .statistic import Snapshot, statistics_document
from .wire import Document, encode, end_document, problem_document, progress_document, timestamp

KINDS = {
    Status.COMPLETED: "completed",
    Status.COMPLETED_WITH_ERRORS: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}
"""What the last event of an operation is called on an event stream; every other is a `status-update`."""

_BREAKS = bytes.maketrans(b"\r\n\0", b"   ")


def kind(event: Event) -> str:
    """The `event:` of a server-sent event."""
    return KINDS.get(event.status, "status-update")


def event_document(event: Event, end: Operation | None, base: str) -> Document:
    """What an event says: the state after it, and with the last one (`end`) the result, error or reason."""
    document: Document = {"operationId": event.operation_id, "status": event.status}
    if event.progress is not None and event.progress.percentage is not None:
        document["progress"] = event.progress.percentage
    document["timestamp"] = timestamp(event.at)
    if event.attempt:
        document["attempt"] = event.attempt
    if event.progress is not None:
        document["data"] = progress_document(event.progress)
    return document if end is None else document | end_document(end, base)


# --- server-sent events


def sse_event(event: Event, end: Operation | None, base: str) -> bytes:
    """An event, without its id."""
    return _sse(kind(event), encode(event_document(event, end, base)))


def sse_numbered(event: Event, end: Operation | None, base: str) -> bytes:
    """The same with the id that it has for readers of this one operation."""
    return b"id: %d\n" % event.sequence + sse_event(event, end, base)


def sse_reset(event: Event, end: Operation | None, base: str) -> bytes:
    """That some history is gone, with the state to go on from (guarantee E5)."""
    return _sse("reset", encode(event_document(event, end, base)))


def sse_line(operation_id: str, line: LogLine) -> bytes:
    """A line of the log."""
    return _sse("log", encode({"operationId": operation_id, **log_document(line)}))


def sse_job_line(line: LogLine) -> bytes:
    """A line of the log for who follows nothing else, with its number as id."""
    return b"id: %d\n" % line.line + _sse("log", encode(log_document(line)))


def _sse(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data.translate(_BREAKS))


def sse_statistics(snapshot: Snapshot) -> bytes:
    """All operations at once, as they are."""
    return _sse("statistics", encode(statistics_document(snapshot)))


def sse_changes(operations: Iterable[Operation], more: bool) -> bytes:
    """Operations that have changed, as rows of the job history; whether there are `more`."""
    return _sse("operations", encode({"data": list(map(job_row, operations)), "more": more}))


# --- WebSocket messages


def message(event: Event, end: Operation | None, base: str) -> bytes:
    """An event as a WebSocket message."""
    return _message(kind(event).replace("-", "_").upper(), event, end, base)


def reset_message(event: Event, end: Operation | None, base: str) -> bytes:
    """That some history is gone, with the state to go on from."""
    return _message("RESET", event, end, base)


def _message(name: str, event: Event, end: Operation | None, base: str) -> bytes:
    document = event_document(event, end, base)
    head = {"event": name, "operationId": document.pop("operationId"), "sequence": event.sequence}
    return encode(head | document)


def status_message(event: Event, end: Operation | None, base: str) -> bytes:
    """The present state, for who has asked for it."""
    return _message("STATUS_UPDATE", event, end, base)


def error_message(problem: Problem, base: str, instance: str, operation_id: str | None = None) -> bytes:
    """What was wrong with a command; about which operation, where it named one."""
    about = {} if operation_id is None else {"operationId": operation_id}
    return encode({"event": "ERROR", **about, "error": problem_document(problem, base, instance)})
