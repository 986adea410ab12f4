"""Contract, section 8: events as they are written on streams and sockets, byte for byte; nobody can forge one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from accepted.contract import frame
from accepted.contract.event import Event, event_of
from accepted.contract.lifecycle import step
from accepted.contract.operation import Artifact, LogLine, Operation, Result, Warning
from accepted.contract.problem import InvalidCommand, Problem
from accepted.contract.progress import Phase, PhaseStatus, Progress
from accepted.contract.transition import Advance, Cancel, Report
from tests.contract.given import (
    BROKEN,
    NOW,
    SECOND,
    after,
    cancelled,
    complete,
    completed,
    completed_with_errors,
    fail,
    failed,
    held,
    pending,
    processing,
)
from tests.sse import Parser, parsed

ID = pending().id
AT = "2026-01-01T00:00:01.000Z"
HALF = Progress(450, 1000, 45, "Processing orders", "DATA", (Phase("DATA", PhaseStatus.IN_PROGRESS, percentage=45),))


def advanced(progress: Progress = HALF) -> Operation:
    return step(processing(), held(Advance, processing(), report=Report(progress=progress)), after(SECOND))


def end_of(operation: Operation) -> Operation | None:
    return operation if operation.terminal else None


def sse(operation: Operation, base: str = "") -> bytes:
    return frame.sse_event(event_of(operation), end_of(operation), base)


def message(operation: Operation, base: str = "") -> dict[str, Any]:
    found = json.loads(frame.message(event_of(operation), end_of(operation), base))
    assert isinstance(found, dict)
    return found


# --- byte for byte


def test_an_event_on_a_stream_byte_for_byte() -> None:
    assert sse(pending()) == (
        b"event: status-update\n"
        b'data: {"operationId":"%b","status":"PENDING","timestamp":"2026-01-01T00:00:00.000Z"}\n\n' % ID.encode()
    )
    assert sse(advanced()) == (
        b"event: status-update\n"
        b'data: {"operationId":"%b","status":"PROCESSING","progress":45,"timestamp":"%b","attempt":1,'
        b'"data":{"current":450,"total":1000,"percentage":45,"message":"Processing orders","phase":"DATA",'
        b'"phases":[{"name":"DATA","status":"IN_PROGRESS","percentage":45}]}}\n\n' % (ID.encode(), AT.encode())
    )


def test_a_message_on_a_socket_byte_for_byte() -> None:
    assert frame.message(event_of(advanced()), None, "") == (
        b'{"event":"STATUS_UPDATE","operationId":"%b","sequence":3,"status":"PROCESSING","progress":45,'
        b'"timestamp":"%b","attempt":1,"data":{"current":450,"total":1000,"percentage":45,'
        b'"message":"Processing orders","phase":"DATA",'
        b'"phases":[{"name":"DATA","status":"IN_PROGRESS","percentage":45}]}}' % (ID.encode(), AT.encode())
    )


def test_a_line_of_a_log_byte_for_byte() -> None:
    line = LogLine(7, NOW.wall, "INFO", "read 3 rows", 1, {"rows": 3})
    assert frame.sse_line(ID, line) == (
        b"event: log\n"
        b'data: {"operationId":"%b","sequence":7,"timestamp":"2026-01-01T00:00:00.000Z","level":"INFO",'
        b'"message":"read 3 rows","attempt":1,"fields":{"rows":3}}\n\n' % ID.encode()
    )


@pytest.mark.parametrize(
    ("operation", "kind", "name"),
    [
        (pending(), "status-update", "STATUS_UPDATE"),
        (processing(), "status-update", "STATUS_UPDATE"),
        (completed(), "completed", "COMPLETED"),
        (completed_with_errors(), "completed", "COMPLETED"),
        (failed(), "failed", "FAILED"),
        (cancelled(), "cancelled", "CANCELLED"),
    ],
)
def test_each_state_has_its_kind_of_event(operation: Operation, kind: str, name: str) -> None:
    (event,) = parsed(sse(operation))
    assert (event.name, event.document["status"]) == (kind, operation.status)
    assert (message(operation)["event"], message(operation)["status"]) == (name, operation.status)


def test_completed_carries_the_result() -> None:
    (event,) = parsed(sse(completed(), "/api"))
    assert event.document["result"] == {"rows": 3, "url": f"/api/operations/{ID}/result"}
    assert message(completed(), "/api")["result"] == event.document["result"]
    (warned,) = parsed(sse(completed_with_errors()))
    assert warned.document["result"]["warnings"][0]["code"] == "MISSING_DATA"


def test_failed_carries_the_problem() -> None:
    (event,) = parsed(sse(failed(BROKEN), "/api"))
    error = event.document["error"]
    assert (error["type"], error["status"], error["retryable"]) == ("/api/problems/data-broken", 500, False)
    assert message(failed(BROKEN), "/api")["error"] == error


def test_cancelled_carries_the_reason() -> None:
    (event,) = parsed(sse(cancelled()))
    assert event.document["reason"] == message(cancelled())["reason"] == "changed my mind"


def test_a_large_value_is_left_to_its_url() -> None:
    large = complete(processing(), b'"%b"' % (b"x" * 20_000), result=Result(artifact=Artifact("a/b", 9, "", 1)))
    (event,) = parsed(sse(step(processing(), large, after(SECOND))))
    assert event.document["result"]["url"] == f"/operations/{ID}/result"
    assert len(event.data) < 1000


def test_what_is_not_known_is_absent() -> None:
    assert set(message(pending())) == {"event", "operationId", "sequence", "status", "timestamp"}


def test_a_reset_is_the_state_to_go_on_from() -> None:
    event = event_of(advanced())
    (reset,) = parsed(frame.sse_reset(event, None, ""))
    (update,) = parsed(frame.sse_event(event, None, ""))
    assert (reset.name, reset.data) == ("reset", update.data)
    assert json.loads(frame.reset_message(event, None, ""))["event"] == "RESET"


def test_the_present_state_is_a_status_update_also_when_it_is_the_last() -> None:
    found = json.loads(frame.status_message(event_of(completed()), completed(), ""))
    assert (found["event"], found["status"], found["result"]["rows"]) == ("STATUS_UPDATE", "COMPLETED", 3)


def test_a_wrong_command_gets_an_error_with_its_problem() -> None:
    refused = InvalidCommand("No such thing.")
    found = json.loads(frame.error_message(refused.problem, "/api", "/api/operations/status"))
    assert (found["event"], set(found)) == ("ERROR", {"event", "error"})
    assert found["error"]["type"] == "/api/problems/invalid-command"
    assert found["error"]["instance"] == "/api/operations/status"
    assert json.loads(frame.error_message(refused.problem, "", "/x", ID))["operationId"] == ID


# --- nothing that a user wrote can begin a line

BREAKS = ["\n", "\r", "\r\n", "\n\n", "\0", "\u2028", "\u2029", "\x85", "\x0b", "\ufeff"]
FIELDS = ["data: {}", "id: 99", "event: completed", "retry: 1", ": comment", "data", "id", "", "}", '"', "\\n", "\\"]
texts = st.lists(st.one_of(st.sampled_from(BREAKS), st.sampled_from(FIELDS), st.text(max_size=5)), max_size=8).map(
    "".join
)


def unforged(body: bytes, name: str) -> dict[str, Any]:
    """The one event that these bytes are to an EventSource, whatever stands in them, however they are cut."""
    written = b"id: 3\n" + body + b"id: 4\nevent: next\ndata: {}\n\n"
    first, second = parsed(written)
    assert (first.name, first.id, second.name, second.id) == (name, "3", "next", "4")
    assert written.count(b"\n") == 4 + 4
    assert not {b"\r", b"\0"} & {written[place : place + 1] for place in range(len(written))}
    reader = Parser()
    assert [event for cut in range(0, len(written), 7) for event in reader.feed(written[cut : cut + 7])] == [
        first,
        second,
    ]
    assert (reader.retry, reader.comments) == (None, [])
    return first.document


@given(texts, texts)
def test_a_message_and_a_phase_cannot_forge_an_event(text: str, phase: str) -> None:
    progress = Progress(1, 2, 50, text, phase, (Phase(phase, PhaseStatus.IN_PROGRESS),))
    found = unforged(sse(advanced(progress)), "status-update")
    assert (found["data"]["message"], found["data"]["phase"]) == (text, phase)


@given(texts, st.dictionaries(texts, texts, max_size=3))
def test_a_line_of_a_log_cannot_forge_an_event(text: str, fields: dict[str, str]) -> None:
    found = unforged(frame.sse_line(ID, LogLine(1, NOW.wall, text, text, 1, fields)), "log")
    assert (found["message"], found["level"], found.get("fields", {})) == (text, text, fields)


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
SPACES = st.sampled_from(["", " ", "\n", "\r\n", "\r", "\t", "\n\nid: 99\n\n".replace("id: 99", "")])


@given(values, SPACES, SPACES)
def test_a_result_cannot_forge_an_event_however_it_is_laid_out(value: Any, between: str, around: str) -> None:
    """Results are spliced as the JSON they are: line breaks may stand between its tokens."""
    laid_out = json.dumps(value, indent=1, separators=("," + between, between + ":" + between))
    raw = (laid_out + around).encode()
    operation = step(processing(), complete(processing(), raw), after(SECOND))
    found = unforged(sse(operation), "completed")["result"]
    if isinstance(value, dict):
        assert found == value | {"url": found["url"]}
    else:
        assert found["value"] == value
    assert json.loads(frame.message(event_of(operation), operation, ""))["result"] == found


@given(texts, texts)
def test_names_and_warnings_of_a_result_cannot_forge_an_event(text: str, name: str) -> None:
    artifact = Artifact("text/csv", 5, "0", 1, filename=text, details={name: text})
    result = Result(artifact=artifact, identity={"reportId": text})
    report = Report(warnings=(Warning(text, text, 1),))
    operation = step(processing(), complete(processing(), result=result, report=report), after(SECOND))
    found = unforged(sse(operation), "completed")["result"]
    assert found["warnings"] == [{"code": text, "message": text, "affectedRecords": 1}]
    assert found["reportId"] == text


@given(texts, texts)
def test_a_problem_cannot_forge_an_event(text: str, name: str) -> None:
    problem = Problem("urn:" + text, text, 500, text, members={name: text})
    operation = step(processing(), fail(processing(), problem), after(SECOND))
    assert unforged(sse(operation), "failed")["error"]["title"] == text


@given(texts)
def test_a_reason_and_a_partial_result_cannot_forge_an_event(text: str) -> None:
    before = pending()
    operation = step(before, Cancel(before.id, text), after(SECOND))
    operation = replace(operation, partial=msgspec.Raw(json.dumps([text], indent=2).encode()))
    found = unforged(sse(operation), "cancelled")
    assert (found["reason"], found["partialResult"]) == (text, [text])


@given(texts, st.integers(1, 10**6))
def test_a_socket_carries_any_text_as_it_is(text: str, sequence: int) -> None:
    event = Event(ID, sequence, NOW.wall, advanced().status, 1, Progress(message=text))
    found = json.loads(frame.message(event, None, ""))
    assert (found["data"]["message"], found["sequence"]) == (text, sequence)
