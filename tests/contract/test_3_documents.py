"""The documents of the contract, byte for byte: order and form of every member (contract, sections 1, 3, 5 and 11)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from accepted.contract.lifecycle import step, successor
from accepted.contract.operation import Operation, Warning
from accepted.contract.problem import Problem
from accepted.contract.progress import Progress, advance, announced, enter
from accepted.contract.transition import Advance, Report
from accepted.contract.wire import (
    Advice,
    accepted_document,
    cancel_document,
    encode,
    operation_document,
    problem_document,
    replayed_document,
    timestamp,
    warning_document,
)
from tests.contract.given import (
    BROKEN,
    BUSY,
    DAY,
    NOW,
    SECOND,
    after,
    cancelled,
    cancelling,
    complete,
    completed,
    completed_with_errors,
    failed,
    held,
    op_id,
    pending,
    processing,
    retry,
    settle,
)

SELF = f"/api/operations/{op_id()}"
JOB = f"/api/jobs/job-{op_id()[3:]}"
ADVICE = Advice(recommended=5.0, minimum=0.5, estimated=NOW.wall + 60_000, queue_position=3)

HEAD = {"operationId": op_id(), "type": "report"}
CREATED = {"createdAt": "2026-01-01T00:00:00.000Z"}
RUN = {"attempt": 1, **CREATED, "startedAt": "2026-01-01T00:00:01.000Z"}
ENDED = "2026-01-01T00:00:03.000Z"
ADVISED = {
    "estimatedCompletion": "2026-01-01T00:01:00.000Z",
    "pollInterval": {"recommended": 5, "minimum": 0.5},
    "queuePosition": 3,
}
FOLLOW = {"stream": f"{SELF}/stream", "websocket": f"{SELF}/status"}
LIVE = {"self": SELF, "cancel": f"{SELF}/cancel", **FOLLOW, "job": JOB}


def in_bytes(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def shown(operation: Operation, advice: Advice = ADVICE) -> bytes:
    return encode(operation_document(operation, "/api", advice))


def test_accepted() -> None:
    expected = {**HEAD, "status": "PENDING", **CREATED, "statusUrl": SELF, **ADVISED, "links": LIVE}
    assert encode(accepted_document(pending(), "/api", ADVICE)) == in_bytes(expected)


def test_accepted_without_anything_to_advise() -> None:
    plain = {**HEAD, "status": "PENDING", **CREATED, "statusUrl": SELF}
    expected = {**plain, "pollInterval": {"recommended": 1, "minimum": 1}, "links": LIVE}
    assert encode(accepted_document(pending(), "/api", Advice())) == in_bytes(expected)


def test_accepted_by_a_retry() -> None:
    made = successor(failed(), retry(failed()), after(DAY))
    document = accepted_document(made, "", Advice())
    assert (document["retryOf"], document["statusUrl"]) == (op_id(1), f"/operations/{op_id(2)}")
    assert list(document)[-2:] == ["retryOf", "links"]


def test_replayed_is_the_present_document_and_where_it_is() -> None:
    for operation in (pending(), processing(), completed(), failed()):
        document = replayed_document(operation, "/api", ADVICE)
        assert document.pop("statusUrl") == SELF
        assert encode(document) == shown(operation)


def test_pending() -> None:
    expected = {**HEAD, "status": "PENDING", "attempt": 0, **CREATED, "updatedAt": CREATED["createdAt"], **ADVISED}
    assert shown(pending()) == in_bytes({**expected, "links": LIVE})


def test_processing() -> None:
    progress = enter(announced(["VALIDATION", "DATA_PROCESSING", "REPORT"]) or Progress(), "VALIDATION", 0)
    progress = enter(progress, "DATA_PROCESSING", 30_200)
    report = Report(progress=advance(progress, current=450, total=1000, message="Processing orders"))
    operation = step(processing(), held(Advance, processing(), report=report), after(31 * SECOND))
    expected = {
        **HEAD,
        "status": "PROCESSING",
        **RUN,
        "updatedAt": "2026-01-01T00:00:31.000Z",
        "progress": {
            "current": 450,
            "total": 1000,
            "percentage": 48,
            "message": "Processing orders",
            "phase": "DATA_PROCESSING",
            "phases": [
                {"name": "VALIDATION", "status": "COMPLETED", "duration": 30.2},
                {"name": "DATA_PROCESSING", "status": "IN_PROGRESS", "percentage": 45},
                {"name": "REPORT", "status": "PENDING"},
            ],
        },
        **ADVISED,
        "links": LIVE,
    }
    assert shown(operation) == in_bytes(expected)


def test_a_cancel_that_is_under_way_shows_nowhere_but_in_the_time() -> None:
    expected = {**HEAD, "status": "PROCESSING", **RUN, "updatedAt": "2026-01-01T00:00:02.000Z", **ADVISED}
    assert shown(cancelling()) == in_bytes({**expected, "links": LIVE})


def test_completed() -> None:
    expected = {
        **HEAD,
        "status": "COMPLETED",
        **RUN,
        "updatedAt": ENDED,
        "completedAt": ENDED,
        "result": {"rows": 3, "url": f"{SELF}/result"},
        "expiresAt": "2026-01-02T00:00:03.000Z",
        "links": {"self": SELF, "result": f"{SELF}/result", **FOLLOW, "job": JOB},
    }
    assert shown(completed()) == in_bytes(expected)


def test_completed_with_errors() -> None:
    warnings = [{"code": "MISSING_DATA", "message": "2 rows have no email.", "affectedRecords": 2}]
    expected = {
        **HEAD,
        "status": "COMPLETED_WITH_ERRORS",
        **RUN,
        "updatedAt": ENDED,
        "completedAt": ENDED,
        "result": {"rows": 3, "url": f"{SELF}/result", "warnings": warnings},
        "expiresAt": "2026-01-02T00:00:03.000Z",
        "links": {"self": SELF, "result": f"{SELF}/result", **FOLLOW, "job": JOB},
    }
    assert shown(completed_with_errors()) == in_bytes(expected)


@pytest.mark.parametrize("retryable", [True, False])
def test_failed(retryable: bool) -> None:
    problem = Problem("service-busy", "Service Busy", 503, "Busy.", retryable, 60.0, {"queue": [1, 2]})
    expected = {
        **HEAD,
        "status": "FAILED",
        **RUN,
        "updatedAt": ENDED,
        "failedAt": ENDED,
        "error": {
            "queue": [1, 2],
            "type": "/api/problems/service-busy",
            "title": "Service Busy",
            "status": 503,
            "detail": "Busy.",
            "instance": SELF,
            "retryable": retryable,
            "retryAfter": 60,
        },
        "expiresAt": "2026-01-02T00:00:03.000Z",
        "links": {"self": SELF, **FOLLOW, **({"retry": f"{SELF}/retry"} if retryable else {}), "job": JOB},
    }
    assert shown(failed(problem)) == in_bytes(expected)


def test_cancelled_before_its_start() -> None:
    expected = {
        **HEAD,
        "status": "CANCELLED",
        "attempt": 0,
        **CREATED,
        "updatedAt": "2026-01-01T00:00:02.000Z",
        "cancelledAt": "2026-01-01T00:00:02.000Z",
        "reason": "changed my mind",
        "workStopped": True,
        "expiresAt": "2026-01-02T00:00:02.000Z",
        "links": {"self": SELF, **FOLLOW, "job": JOB},
    }
    assert shown(cancelled()) == in_bytes(expected)


@pytest.mark.parametrize("value", [b"[1,2]", b"null", b'{"a": 1.0,  "b":"\\u00e9"}'])
def test_cancelled_with_a_partial_result_verbatim(value: bytes) -> None:
    operation = step(cancelling(), complete(cancelling(), value), after(3 * SECOND))
    assert b'"workStopped":true,"partialResult":' + value + b',"expiresAt"' in shown(operation)


def test_cancelled_without_the_function_having_stopped() -> None:
    operation = step(cancelling(), settle(cancelling()), after(4 * SECOND))
    assert b'"reason":"changed my mind","workStopped":false,"expiresAt"' in shown(operation)


def test_the_answer_to_a_cancel() -> None:
    head = {"operationId": op_id(), "status": "CANCELLED", "cancelledAt": "2026-01-01T00:00:02.000Z"}
    assert encode(cancel_document(cancelled())) == in_bytes({**head, "reason": "changed my mind", "workStopped": True})
    silent = replace(cancelled(), reason=None)
    assert encode(cancel_document(silent)) == in_bytes({**head, "workStopped": True})


@pytest.mark.parametrize("operation", [completed(), completed_with_errors(), failed(BROKEN), cancelled()])
def test_advice_changes_no_byte_of_an_ended_operation(operation: Operation) -> None:
    assert shown(operation, ADVICE) == shown(operation, Advice())


@pytest.mark.parametrize("operation", [failed(), cancelled()])
def test_a_retry_adds_one_link(operation: Operation) -> None:
    retried = step(operation, retry(operation), after(DAY))
    document = operation_document(retried, "/api", ADVICE)
    assert document["links"].pop("retriedBy") == f"/api/operations/{op_id(2)}"
    assert encode(document) == shown(operation)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (NOW.wall + 10, "2026-01-01T00:00:00.010Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_timestamps(at: int, text: str) -> None:
    assert timestamp(at) == text


def test_a_warning_without_a_count() -> None:
    assert encode(warning_document(Warning("LATE", "late"))) == b'{"code":"LATE","message":"late"}'


class TestProblemDocument:
    def test_members_of_its_own_never_hide_the_standard_ones(self) -> None:
        hostile = {"type": "x", "title": "x", "status": 1, "detail": "x", "instance": "x", "retryable": 9, "more": 1}
        document = problem_document(replace(BUSY, members=hostile), "", "/here")
        assert document == {
            "type": "/problems/service-busy",
            "title": "Service Busy",
            "status": 503,
            "detail": "The service is busy.",
            "instance": "/here",
            "retryable": True,
            "more": 1,
        }

    def test_a_type_that_is_a_uri_is_left_as_it_is(self) -> None:
        problem = Problem("https://example.com/problems/busy", "Busy")
        assert problem_document(problem, "/api", "/")["type"] == "https://example.com/problems/busy"

    def test_without_a_detail_the_title_serves(self) -> None:
        assert problem_document(Problem("busy", "Busy"), "", "/")["detail"] == "Busy"

    @pytest.mark.parametrize(("retry_after", "text"), [(2.0, b"2}"), (0.5, b"0.5}"), (3, b"3}")])
    def test_retry_after_is_a_number_of_seconds(self, retry_after: float, text: bytes) -> None:
        document = problem_document(Problem("busy", "Busy", retry_after=retry_after), "", "/")
        assert encode(document).endswith(b'"retryAfter":' + text)
