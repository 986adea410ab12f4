"""The JSON of the operator's view: jobs, rows of their history, lines of their logs (contract, section 9)."""

from __future__ import annotations

from .operation import LogLine, Operation, Status, renamed
from .wire import Advice, Document, progress_document, timestamp


def job_document(operation: Operation, base: str, advice: Advice) -> Document:
    """The operator's view of one operation (contract, section 9)."""
    job = renamed(operation.id, "job")
    times = {"submitted": operation.created_at, "started": operation.started_at, "completed": operation.ended_at}
    if not operation.terminal:
        times["estimatedCompletion"] = advice.estimated
    document: Document = {
        "jobId": job,
        "operationId": operation.id,
        "type": operation.type,
        "status": operation.status,
        "attempt": operation.attempt,
    }
    if operation.progress is not None:
        document["progress"] = progress_document(operation.progress)
    document["timestamps"] = {name: timestamp(at) for name, at in times.items() if at is not None}
    self = f"{base}/jobs/{job}"
    document["links"] = {"self": self, "cancel": f"{self}/cancel", "logs": f"{self}/logs"}
    document["links"]["operation"] = f"{base}/operations/{operation.id}"
    return document


def job_row(operation: Operation) -> Document:
    """One row of the job history; `duration` in seconds, from first start to end, `percentage` only while it runs."""
    document: Document = {
        "jobId": renamed(operation.id, "job"),
        "type": operation.type,
        "status": operation.status,
        "submittedAt": timestamp(operation.created_at),
        "attempt": operation.attempt,
    }
    if operation.started_at is not None:
        document["startedAt"] = timestamp(operation.started_at)
    progress = operation.progress
    if progress is not None and progress.percentage is not None and operation.status is Status.PROCESSING:
        document["percentage"] = progress.percentage
    if operation.ended_at is not None:
        document["completedAt"] = timestamp(operation.ended_at)
        if operation.started_at is not None:
            document["duration"] = (operation.ended_at - operation.started_at) / 1000
    return document


def log_document(line: LogLine) -> Document:
    """One line of a job's log."""
    document: Document = {
        "sequence": line.line,
        "timestamp": timestamp(line.at),
        "level": line.level,
        "message": line.message,
        "attempt": line.attempt,
    }
    return document | ({"fields": line.fields} if line.fields else {})
