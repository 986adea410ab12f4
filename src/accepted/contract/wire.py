"""The JSON documents of the contract: camelCase lives here and nowhere else.

A document is a plain dict, built in the order in which the contract shows it, so that equal operations give equal
bytes. Members that do not apply are absent, never null. JSON that users returned is spliced in as the bytes it is
(`msgspec.Raw`). `base` goes before every path: the mount point, or the public URL.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from .delivery import Answer, Delivery, DeliveryStatus
from .operation import NO_JSON, SUCCEEDED, Operation, Status, Warning, renamed
from .problem import Problem
from .progress import Phase, Progress

Document = dict[str, Any]

encode = msgspec.json.Encoder(decimal_format="number").encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Advice(msgspec.Struct, frozen=True, gc=False):
    """What a server adds to a running operation when it is asked: estimates, and when to ask again.

    Seconds; `estimated` in ms.
    """

    recommended: float = 1.0
    minimum: float = 1.0
    estimated: int | None = None
    queue_position: int | None = None


NO_ADVICE = Advice()
"""There is nothing to add to an operation that has ended."""


def timestamp(at: int) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`."""
    return _second(at // 1000) + _FRACTIONS[at % 1000]


_FRACTIONS = tuple(f".{milliseconds:03d}Z" for milliseconds in range(1000))


@lru_cache(maxsize=1024)  # a document has up to five dates, and most of them fall into the same few seconds
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def accepted_document(operation: Operation, base: str, advice: Advice, secret: str | None = None) -> Document:
    """The body of a 202 (contract, section 1); `secret` is one that was minted with it and is shown nowhere else."""
    document: Document = {
        "operationId": operation.id,
        "type": operation.type,
        "status": operation.status,
        "createdAt": timestamp(operation.created_at),
        "statusUrl": f"{base}/operations/{operation.id}",
    }
    _advise(document, advice)
    if operation.retry_of is not None:
        document["retryOf"] = operation.retry_of
    document["links"] = links(operation, base)
    return document | _webhook(operation, secret)


def _webhook(operation: Operation, secret: str | None = None) -> Document:
    if operation.webhook is None:
        return {}
    registered = {"registered": True, "events": list(operation.webhook.events)}
    return {"webhook": registered if secret is None else {**registered, "secret": secret}}


def replayed_document(operation: Operation, base: str, advice: Advice) -> Document:
    """The body of a 202 for a key that came before: the operation's present document (contract, section 1)."""
    status_url = {"statusUrl": f"{base}/operations/{operation.id}"}
    return {**operation_document(operation, base, advice), **status_url, **_webhook(operation)}


def operation_document(operation: Operation, base: str, advice: Advice) -> Document:
    """The status document (contract, section 3)."""
    document: Document = {
        "operationId": operation.id,
        "type": operation.type,
        "status": operation.status,
        "attempt": operation.attempt,
        "createdAt": timestamp(operation.created_at),
    }
    if operation.started_at is not None:
        document["startedAt"] = timestamp(operation.started_at)
    document["updatedAt"] = timestamp(operation.updated_at)
    if operation.terminal:
        document |= _end(operation, base)
    if operation.progress is not None:
        document["progress"] = progress_document(operation.progress)
    if not operation.terminal:
        _advise(document, advice)
    if operation.expires_at is not None:
        document["expiresAt"] = timestamp(operation.expires_at)
    if operation.retry_of is not None:
        document["retryOf"] = operation.retry_of
    document["links"] = links(operation, base)
    return document


_ENDED = {Status.FAILED: "failedAt", Status.CANCELLED: "cancelledAt"}


def _end(operation: Operation, base: str) -> Document:
    ended = timestamp(operation.ended_at or operation.updated_at)
    return {_ENDED.get(operation.status, "completedAt"): ended} | end_document(operation, base)


def end_document(operation: Operation, base: str) -> Document:
    """How an operation ended: its `result`, its `error`, or why it was cancelled and what is left of it."""
    match operation.status:
        case Status.FAILED:
            return {"error": error_document(operation, base)}
        case Status.CANCELLED:
            document = _cancel_details(operation)
            return document if operation.partial is NO_JSON else document | {"partialResult": operation.partial}
        case _:
            return {"result": result_document(operation, base)}


def _cancel_details(operation: Operation) -> Document:
    details: Document = {"reason": operation.reason} if operation.reason is not None else {}
    return details | {"workStopped": bool(operation.work_stopped)}


def _advise(document: Document, advice: Advice) -> None:
    if advice.estimated is not None:
        document["estimatedCompletion"] = timestamp(advice.estimated)
    document["pollInterval"] = {"recommended": _number(advice.recommended), "minimum": _number(advice.minimum)}
    if advice.queue_position is not None:
        document["queuePosition"] = advice.queue_position


def links(operation: Operation, base: str) -> Document:
    """What can be done next with it."""
    self = f"{base}/operations/{operation.id}"
    found: Document = {"self": self}
    if not operation.terminal:
        found["cancel"] = f"{self}/cancel"
    if operation.status in SUCCEEDED:
        found["result"] = result_url(operation, base)
    found["stream"] = f"{self}/stream"
    found["websocket"] = f"{'ws' + self[4:] if self.startswith('http') else self}/status"
    if operation.status is Status.FAILED and operation.error is not None and operation.error.retryable:
        found["retry"] = f"{self}/retry"
    found["job"] = f"{base}/jobs/{renamed(operation.id, 'job')}"
    if operation.webhook is not None:
        found["deliveries"] = f"{self}/deliveries"
    if operation.retried_by is not None:
        found["retriedBy"] = f"{base}/operations/{operation.retried_by}"
    return found


def result_url(operation: Operation, base: str) -> str:
    """Where the result is: its own resource, or the operation's `/result`."""
    if operation.result is not None and operation.result.path is not None:
        return base + quote(operation.result.path, safe="/!$&'()*+,;=:@~")
    return f"{base}/operations/{operation.id}/result"


def result_document(operation: Operation, base: str) -> Document:
    """`result` in documents and events (contract, section 4)."""
    document: Document = {}
    result = operation.result
    if result is not None and result.artifact is not None and not result.artifact.is_value:
        artifact = result.artifact
        document = {"size": artifact.size, "mediaType": artifact.media_type, **artifact.details}
        if artifact.filename is not None:
            document["filename"] = artifact.filename
    elif result is not None and result.value is not NO_JSON:
        raw = bytes(result.value)
        document = dict(_members(raw)) if raw[:1] == b"{" else {"value": result.value}
    if result is not None:
        document |= result.identity
    document["url"] = result_url(operation, base)
    if operation.warnings:
        document["warnings"] = [warning_document(warning) for warning in operation.warnings]
    return document


def warning_document(warning: Warning) -> Document:
    """One warning of a COMPLETED_WITH_ERRORS operation."""
    document: Document = {"code": warning.code, "message": warning.message}
    if warning.affected_records is not None:
        document["affectedRecords"] = warning.affected_records
    return document


_PROGRESS = ("current", "total", "percentage", "message", "phase")


def progress_document(progress: Progress) -> Document:
    """The progress object."""
    document: Document = {name: value for name in _PROGRESS if (value := getattr(progress, name)) is not None}
    if progress.phases:
        document["phases"] = [_phase_document(phase) for phase in progress.phases]
    return document


def _phase_document(phase: Phase) -> Document:
    document: Document = {"name": phase.name, "status": phase.status}
    if phase.percentage is not None:
        document["percentage"] = phase.percentage
    if phase.duration is not None:
        document["duration"] = round(phase.duration, 3)
    return document


def cancel_document(operation: Operation) -> Document:
    """The answer to a cancel (contract, section 5)."""
    ended = timestamp(operation.ended_at or operation.updated_at)
    head = {"operationId": operation.id, "status": operation.status, "cancelledAt": ended}
    return head | _cancel_details(operation)


def webhook_document(delivery: Delivery, operation: Operation, base: str) -> Document:
    """The body of a delivery (contract, section 7): always the same bytes for the same event."""
    started = delivery.event == "STARTED"
    document: Document = {
        "event": delivery.event,
        "operationId": operation.id,
        "status": Status.PROCESSING if started else operation.status,
        "timestamp": timestamp(delivery.at),
        "sequence": delivery.sequence,
    }
    if started:
        return document
    match operation.status:
        case Status.FAILED:
            return document | {"error": error_document(operation, base)}
        case Status.CANCELLED:
            return document | _cancel_details(operation)
        case _:
            return document | {"result": result_document(operation, base)}


def delivery_document(delivery: Delivery) -> Document:
    """One delivery of a list (contract, section 7)."""
    document: Document = {
        "deliveryId": delivery.id,
        "event": delivery.event,
        "status": delivery.status,
        "attempts": [_try_document(answer) for answer in delivery.tries],
    }
    if delivery.status is DeliveryStatus.PENDING:
        document["nextAttempt"] = timestamp(delivery.due_at)
    return document


def _try_document(answer: Answer) -> Document:
    came = {"error": answer.error} if answer.status_code is None else {"statusCode": answer.status_code}
    return {"time": timestamp(answer.at), **came}


def page_document(rows: Iterable[Document], pagination: Document) -> Document:
    """A page of anything."""
    return {"data": list(rows), "pagination": pagination}


def error_document(operation: Operation, base: str) -> Document:
    """`error` of a FAILED operation."""
    problem = operation.error or Problem(slug="operation-failed", title="Operation Failed")
    return problem_document(problem, base, f"{base}/operations/{operation.id}")


def problem_document(problem: Problem, base: str, instance: str) -> Document:
    """RFC 9457, section 3.1. Members of its own never hide the standard ones."""
    document: Document = dict(problem.members)
    document |= {
        "type": problem.slug if ":" in problem.slug else f"{base}/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail or problem.title,
        "instance": instance,
    }
    if problem.retryable is not None:
        document["retryable"] = problem.retryable
    if problem.retry_after is not None:
        document["retryAfter"] = _number(problem.retry_after)
    return document


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value
