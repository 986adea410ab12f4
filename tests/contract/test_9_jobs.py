"""The operator's documents: one job, a row of the history, a line of a log (contract, section 9)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accepted.contract.job import job_document, job_row, log_document
from accepted.contract.lifecycle import step
from accepted.contract.operation import LogLine, Operation
from accepted.contract.progress import Progress
from accepted.contract.transition import Advance, Report
from accepted.contract.wire import Advice, encode, page_document
from tests.contract.given import NOW, after, cancelled, completed, failed, held, op_id, pending, processing

JOB = f"job-{op_id()[3:]}"
LINKS = {
    "self": f"/api/jobs/{JOB}",
    "cancel": f"/api/jobs/{JOB}/cancel",
    "logs": f"/api/jobs/{JOB}/logs",
    "operation": f"/api/operations/{op_id()}",
}
ADVICE = Advice(recommended=5, estimated=NOW.wall + 60_000, queue_position=3)


def in_bytes(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("operation", "times"),
    [
        (pending(), {"estimatedCompletion": "2026-01-01T00:01:00.000Z"}),
        (processing(), {"started": "2026-01-01T00:00:01.000Z", "estimatedCompletion": "2026-01-01T00:01:00.000Z"}),
        (completed(), {"started": "2026-01-01T00:00:01.000Z", "completed": "2026-01-01T00:00:03.000Z"}),
        (failed(), {"started": "2026-01-01T00:00:01.000Z", "completed": "2026-01-01T00:00:03.000Z"}),
        (cancelled(), {"completed": "2026-01-01T00:00:02.000Z"}),
    ],
    ids=lambda given: str(given.status) if isinstance(given, Operation) else "",
)
def test_a_job(operation: Operation, times: dict[str, str]) -> None:
    expected = {
        "jobId": JOB,
        "operationId": op_id(),
        "type": "report",
        "status": operation.status,
        "attempt": operation.attempt,
        "timestamps": {"submitted": "2026-01-01T00:00:00.000Z", **times},
        "links": LINKS,
    }
    assert encode(job_document(operation, "/api", ADVICE)) == in_bytes(expected)


def test_a_job_shows_its_progress() -> None:
    before = processing()
    operation = step(before, held(Advance, before, report=Report(progress=Progress(1, 4, 25))), NOW)
    document = job_document(operation, "", Advice())
    assert document["progress"] == {"current": 1, "total": 4, "percentage": 25}
    assert list(document).index("progress") == 5


def test_rows_of_the_history() -> None:
    head = {"jobId": JOB, "type": "report"}
    submitted = {"submittedAt": "2026-01-01T00:00:00.000Z"}
    waits = {**head, "status": "PENDING", **submitted, "attempt": 0}
    assert encode(job_row(pending())) == in_bytes(waits)
    started = {"attempt": 1, "startedAt": "2026-01-01T00:00:01.000Z"}
    before = processing()
    runs = {**head, "status": "PROCESSING", **submitted, **started}
    assert encode(job_row(before)) == in_bytes(runs)
    operation = step(before, held(Advance, before, report=Report(progress=Progress(1, 4, 25))), NOW)
    assert encode(job_row(operation)) == in_bytes({**runs, "percentage": 25})
    ended = {"completedAt": "2026-01-01T00:00:03.000Z", "duration": 2.0}
    assert encode(job_row(completed())) == in_bytes({**head, "status": "COMPLETED", **submitted, **started, **ended})
    never_began = {"attempt": 0, "completedAt": "2026-01-01T00:00:02.000Z"}
    assert encode(job_row(cancelled())) == in_bytes({**head, "status": "CANCELLED", **submitted, **never_began})


def test_lines_of_a_log() -> None:
    line = LogLine(7, after(1).wall, "WARNING", "später", 2)
    expected = {
        "sequence": 7,
        "timestamp": "2026-01-01T00:00:00.001Z",
        "level": "WARNING",
        "message": "später",
        "attempt": 2,
    }
    assert encode(log_document(line)) == in_bytes(expected)
    fields = LogLine(7, after(1).wall, "WARNING", "später", 2, {"rows": [1]})
    assert encode(log_document(fields)) == in_bytes({**expected, "fields": {"rows": [1]}})


def test_a_page() -> None:
    assert encode(page_document([{"a": 1}], {"size": 10})) == b'{"data":[{"a":1}],"pagination":{"size":10}}'
    assert encode(page_document((), {})) == b'{"data":[],"pagination":{}}'
