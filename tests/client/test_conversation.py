"""What the client asks, how long it waits and what it believes, answered by hand (contract, sections 1, 3 and 8)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from accepted.client import (
    OperationCancelled,
    OperationExpired,
    OperationFailed,
    OperationNotCancellable,
    OperationNotFound,
    RateLimited,
    ServerTrouble,
    TimedOut,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from accepted.client.conversation import Conversation
from accepted.client.site import Place
from accepted.client.step import Answer, Talk
from tests.client.script import (
    COMPLETED,
    CUT,
    DONE,
    ID,
    REFUSED,
    RESULT,
    SILENCE,
    STATUS,
    Script,
    answer,
    event,
    problem,
    state,
    stream,
)

STREAM = f"{STATUS}/stream"
MOVED = event("status-update", 3, "PROCESSING", progress=10)


def submitting(said: Conversation) -> Talk[Place]:
    return said.submit("/reports", {"year": 2017}, None, None, None)


def waiting(timeout: float | None = None) -> Callable[[Conversation], Talk[Any]]:
    return lambda said: said.wait(said.site.place(ID), timeout)


def resulting(said: Conversation) -> Talk[Any]:
    return said.result(said.site.place(ID), None, None)


# --- submitting


def test_a_lost_answer_is_asked_for_again_under_the_same_key() -> None:
    script = Script(CUT, problem(502, "bad-gateway"), answer(500), answer(202, state("PENDING", statusUrl=STATUS)))
    place = script.run(submitting)
    keys = {request.headers["idempotency-key"] for request in script.asked}
    assert (len(script.asked), len(keys)) == (4, 1)
    assert place.url == f"https://api.example.com{STATUS}"
    assert {request.body for request in script.asked} == {b'{"year":2017}'}


def test_two_submits_have_two_keys() -> None:
    script = Script(answer(202, state("PENDING")), answer(202, state("PENDING")))
    script.run(submitting, left=1)
    script.run(submitting)
    first, second = (request.headers["idempotency-key"] for request in script.asked)
    assert first != second


@pytest.mark.parametrize("status", [429, 503])
def test_nobody_comes_back_before_the_server_wants_it(status: int) -> None:
    script = Script(problem(status, "overloaded", retry_after="7"), answer(202, state("PENDING")))
    script.run(submitting)
    assert script.waits == [pytest.approx(7.25)]  # and a little later, so that not all come at once


def test_a_date_is_measured_by_the_date_of_the_answer() -> None:
    dates = {"date": "Wed, 25 Nov 2026 00:00:00 GMT", "retry_after": "Wed, 25 Nov 2026 00:01:00 GMT"}
    script = Script(problem(503, "overloaded", **dates), answer(202, state("PENDING")))
    script.run(submitting)
    assert 60 <= script.waits[0] < 62


def test_a_definite_refusal_is_not_asked_again() -> None:
    script = Script(problem(401, "unauthorized"))
    with pytest.raises(Unauthorized) as refused:
        script.run(submitting)
    assert refused.value.problem.slug == "unauthorized"
    assert script.waits == []


def test_what_comes_too_late_is_not_waited_for() -> None:
    script = Script(problem(429, "quota-exceeded", retry_after="3000"))
    with pytest.raises(RateLimited) as refused:
        script.run(submitting)
    assert refused.value.retry_after == 3000
    assert script.waits == []


def test_patience_ends() -> None:
    script = Script(*[REFUSED] * 40, patience=60)
    with pytest.raises(Unreachable, match="connection refused"):
        script.run(submitting)
    assert script.now <= 60
    assert script.waits == sorted(script.waits)
    assert script.waits[-1] <= 30


def test_a_bug_of_the_server_is_not_asked_for_ever() -> None:
    script = Script(*[answer(500)] * 4)
    with pytest.raises(ServerTrouble):
        script.run(submitting)


# --- following


def test_the_stream_tells_the_end_and_the_result_is_fetched() -> None:
    script = Script(stream(), MOVED, COMPLETED, RESULT)
    assert script.run(resulting) == {"rows": 3}
    assert script.paths == [STREAM, f"{STATUS}/result"]


def test_a_stream_that_ends_in_good_order_is_no_completion() -> None:
    script = Script(stream(), MOVED, b"", stream(), CUT, REFUSED, stream(), COMPLETED, RESULT)
    assert script.run(resulting) == {"rows": 3}
    assert script.paths == [STREAM] * 4 + [f"{STATUS}/result"]
    assert [request.headers.get("last-event-id") for request in script.asked[:4]] == [None, "3", "3", "3"]


def test_an_event_without_its_blank_line_was_never_said() -> None:
    script = Script(stream(), COMPLETED[:-1], b"", stream(), COMPLETED, RESULT)
    assert script.run(resulting) == {"rows": 3}
    assert "last-event-id" not in script.asked[1].headers


def test_an_event_that_comes_twice_is_told_once() -> None:
    script = Script(stream(), MOVED, CUT, stream(), MOVED + COMPLETED)
    script.run(lambda said: said.events(said.site.place(ID), None, False, None))
    assert [told.id for told in script.told] == ["3", "9"]


def test_the_server_says_when_to_come_back_to_a_stream() -> None:
    script = Script(stream(), b"retry: 2500\n\n" + MOVED, b"", stream(), COMPLETED, DONE)
    script.run(waiting())
    assert script.waits == [pytest.approx(2.75)]


def test_a_stream_kept_back_by_a_proxy_is_polled() -> None:
    polled = answer(200, state(pollInterval={"recommended": 2, "minimum": 1}), etag='W/"1"', retry_after="3")
    script = Script(stream(), SILENCE, polled, answer(304, retry_after="4"), DONE, DONE)
    assert script.run(waiting()).status == "COMPLETED"
    assert script.paths == [STREAM, STATUS, STATUS, STATUS, STATUS]
    assert script.asked[2].headers["if-none-match"] == 'W/"1"'
    assert script.waits == [pytest.approx(3.15), pytest.approx(4.2)]


def test_the_next_operation_knows_of_the_proxy() -> None:
    script = Script(stream(), SILENCE, DONE, RESULT, DONE, RESULT)
    script.run(lambda said: said.result(said.site.place("op-1"), None, None), left=2)
    script.run(lambda said: said.result(said.site.place("op-2"), None, None))
    assert not any("op-2/stream" in path for path in script.paths)


def test_a_stream_that_falls_silent_after_it_spoke_is_opened_again() -> None:
    script = Script(stream(), MOVED, SILENCE, stream(), COMPLETED, DONE)
    script.run(waiting())
    assert script.asked[1].headers["last-event-id"] == "3"


@pytest.mark.parametrize(
    "other",
    [answer(404, {"title": "nothing here"}), answer(406), answer(200, {}, content_type="text/html"), answer(405)],
    ids=["404", "406", "a page", "405"],
)
def test_a_server_without_streams_is_polled(other: Answer) -> None:
    script = Script(other, DONE, DONE)
    assert script.run(waiting()).status == "COMPLETED"


def test_streams_that_break_before_they_say_anything_are_given_up() -> None:
    script = Script(stream(), CUT, stream(), CUT, stream(), CUT, DONE, DONE)
    assert script.run(waiting()).status == "COMPLETED"


def test_a_stream_that_is_refused_for_now_is_tried_again_and_then_polled() -> None:
    busy = problem(503, "overloaded", retry_after="1")
    script = Script(busy, busy, busy, DONE, DONE)
    assert script.run(waiting()).status == "COMPLETED"
    assert len(script.waits) == 2


def test_events_that_are_no_json_are_polled_instead() -> None:
    script = Script(stream(), b"id: 9\nevent: completed\ndata: {\n\n", DONE, DONE)
    assert script.run(waiting()).status == "COMPLETED"


def test_who_resumes_after_the_end_is_told_nothing_more() -> None:
    script = Script(answer(204), DONE)
    end = script.run(lambda said: said.events(said.site.place(ID), "9", False, None))
    assert (end.status, script.told) == ("COMPLETED", [])


def test_a_303_without_a_body_says_where_the_result_is() -> None:
    script = Script(answer(404, {"title": "no"}), answer(303, location="/elsewhere/7"), RESULT)
    assert script.run(resulting) == {"rows": 3}
    assert script.paths[-1] == "/elsewhere/7"


def test_a_timeout_is_the_callers_own() -> None:
    script = Script(stream(), MOVED, SILENCE)
    with pytest.raises(TimedOut):
        script.run(waiting(10))
    assert script.now == pytest.approx(10)


def test_a_poll_never_sleeps_beyond_the_callers_timeout() -> None:
    script = Script(answer(405), answer(200, state(), retry_after="30"))
    with pytest.raises(TimeoutError):
        script.run(waiting(5))
    assert script.now == pytest.approx(5)


# --- ends


@pytest.mark.parametrize(
    ("told", "error", "message"),
    [
        (
            event("failed", 4, "FAILED", error={"type": "/problems/no-space", "title": "No Space", "retryable": True}),
            OperationFailed,
            "No Space",
        ),
        (event("cancelled", 4, "CANCELLED", reason="enough", partialResult=[1]), OperationCancelled, "enough"),
    ],
    ids=["failed", "cancelled"],
)
def test_an_end_without_a_result_is_raised(told: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Script(stream(), told).run(resulting)


def test_a_failure_carries_its_problem() -> None:
    error = {"type": "/problems/x", "title": "X", "retryable": True, "retryAfter": 300, "stage": "input"}
    with pytest.raises(OperationFailed) as failed:
        Script(stream(), event("failed", 4, "FAILED", error=error)).run(resulting)
    assert (failed.value.retryable, failed.value.retry_after) == (True, 300)
    assert failed.value.problem.document["stage"] == "input"


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (problem(404, "operation-not-found"), OperationNotFound),
        (problem(410, "operation-expired"), OperationExpired),
        (answer(200, {"status": "DONE", "operationId": ID}), UnexpectedAnswer),
        (answer(302, location="https://login.example.com"), UnexpectedAnswer),
    ],
    ids=["404", "410", "another status", "a login page"],
)
def test_a_status_that_is_none_is_raised(refusal: Answer, error: type[Exception]) -> None:
    with pytest.raises(error):
        Script(answer(404), refusal).run(waiting())


def test_a_cancel_that_comes_too_late_says_so() -> None:
    script = Script(CUT, problem(409, "operation-not-cancellable"))
    with pytest.raises(OperationNotCancellable):
        script.run(lambda said: said.cancel(said.site.place(ID), "enough"))
    assert script.asked[0].body == b'{"reason":"enough"}'


# --- the credential


def test_the_credential_stays_at_home() -> None:
    away = event("completed", 9, "COMPLETED", result={"url": "https://files.example.net/r"})
    script = Script(stream(), away, answer(302, location="https://api.example.com/r"), RESULT)
    script.run(resulting)
    sent = [(request.url.split("/")[2], "authorization" in request.headers) for request in script.asked]
    assert sent == [("api.example.com", True), ("files.example.net", False), ("api.example.com", True)]


def test_another_scheme_or_port_is_another_place() -> None:
    site = Script().talks.site
    for url in ("http://api.example.com/v1", "https://api.example.com:8443/v1", "https://api.example.com.evil.net/"):
        assert "authorization" not in site.request("GET", url).headers
    assert site.request("GET", "https://API.example.com:443/x").headers["authorization"] == "Bearer s3cret"


def test_a_token_finds_its_operation_and_holds_no_secret() -> None:
    site = Script().talks.site
    token = site.token(site.place(ID))
    assert site.resumed(token).url == f"https://api.example.com{STATUS}"
    assert "s3cret" not in token
    for wrong in ("", "op1.", "op1.e30", token[:-4], f"x{token}"):
        with pytest.raises(ValueError, match="no token"):
            site.resumed(wrong)


def test_a_token_of_another_server_leads_nowhere() -> None:
    other = Conversation("https://evil.example.net", None, Script().terms, {}).site
    with pytest.raises(ValueError, match="evil"):
        Script().talks.site.resumed(other.token(other.place(ID)))


def test_a_password_in_the_url_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="token") as refused:
        Conversation("https://me:s3cret@api.example.com", None, Script().terms, {})
    assert "s3cret" not in str(refused.value)


def test_a_link_that_is_no_http_is_not_followed() -> None:
    trap = event("completed", 9, "COMPLETED", result={"url": "file:///etc/passwd"})
    with pytest.raises(UnexpectedAnswer):
        Script(stream(), trap).run(resulting)


@pytest.mark.parametrize("link", ["http://[", "http://a:b/", "javascript:alert(1)", "mailto:x@example.com"])
def test_a_link_that_is_no_url_is_said_to_be_none(link: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="no http or https URL"):
        Script(answer(405), answer(200, state("COMPLETED", result={"url": link}))).run(resulting)


def test_what_no_header_can_say_is_not_sent_back() -> None:
    strange = b"id: \x01\xc3\xa4\nevent: status-update\ndata: " + MOVED.partition(b"data: ")[2]
    polled = answer(200, state(), etag='"ä"')
    script = Script(stream(), strange, CUT, answer(405), polled, DONE, DONE)
    script.run(waiting())
    assert not any(name in asked.headers for asked in script.asked for name in ("last-event-id", "if-none-match"))


def test_the_client_stands_on_two_libraries() -> None:
    script = "import sys, accepted; accepted.Client; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    ours = {"starlette", "apsw", "asyncpg", "uvicorn", "click", "rich", "prometheus_client", "pydantic", "websockets"}
    assert {"msgspec", "httpx2"} <= loaded
    assert loaded & ours == set()
