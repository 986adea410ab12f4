"""Contract, section 3: what a poll answers in each state, when to poll again, 304, and HEAD."""

import re
from datetime import datetime
from functools import partial

import pytest

from tests.clock import MovableClock
from tests.http.api import Api, document, eventually, problem
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

NOBODYS = "op-" + "0" * 26


async def running(api: Api, gates: Gates) -> str:
    """The id of an operation that is PROCESSING."""
    id = str((await api.submit("/slows"))["operationId"])
    await gates.started.passed()
    return id


async def test_pending_is_200_with_retry_after_and_etag(idle: Api) -> None:
    answer = await idle.get((await idle.submit("/noops"))["statusUrl"])
    assert answer.status_code == 200
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["etag"]
    assert answer.headers["cache-control"] == "no-store"
    body = document(answer)
    always = {"operationId", "type", "status", "attempt", "createdAt", "updatedAt", "pollInterval", "links"}
    assert set(body) - {"queuePosition"} == always
    assert set(body["links"]) >= {"self", "cancel", "job"}


async def test_processing_is_200_with_retry_after_and_etag(api: Api, gates: Gates) -> None:
    answer = await api.get(f"/operations/{await running(api, gates)}")
    body = document(answer)
    assert answer.status_code == 200
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["etag"]
    assert (body["status"], body["attempt"]) == ("PROCESSING", 1)
    assert body["createdAt"] <= body["startedAt"] <= body["updatedAt"]
    assert "queuePosition" not in body


async def test_completed_is_303_see_other_to_the_result_with_the_document_as_its_body(api: Api) -> None:
    id = (await api.run("/echoes", {"n": 1}))["operationId"]
    answer = await api.get(f"/operations/{id}")
    body = document(answer)
    assert answer.status_code == 303
    assert answer.headers["location"] == body["result"]["url"] == body["links"]["result"]
    assert "retry-after" not in answer.headers
    assert body["status"] == "COMPLETED"
    assert body["completedAt"]
    assert body["result"]["n"] == 1
    assert "cancel" not in body["links"]


async def test_a_client_that_follows_redirects_by_itself_gets_the_result(api: Api) -> None:
    id = (await api.run("/echoes", {"n": 1}))["operationId"]
    answer = await api.get(f"/operations/{id}", follow_redirects=True)
    assert (answer.status_code, answer.json()) == (200, {"n": 1})


async def test_redirect_false_answers_200_with_the_same_document(api: Api) -> None:
    id = (await api.run("/noops"))["operationId"]
    redirect, plain = await api.get(f"/operations/{id}"), await api.get(f"/operations/{id}?redirect=false")
    assert (redirect.status_code, plain.status_code) == (303, 200)
    assert plain.content == redirect.content
    assert "location" not in plain.headers
    assert (await api.get(f"/operations/{id}?redirect=true")).status_code == 303


async def test_redirect_is_true_or_false(api: Api) -> None:
    id = (await api.run("/noops"))["operationId"]
    found = problem(await api.get(f"/operations/{id}?redirect=maybe"), 422, "invalid-parameter")
    assert found["errors"][0]["parameter"] == "redirect"


async def test_completed_with_errors_is_200_with_the_result_and_its_warnings(api: Api) -> None:
    id = (await api.run("/warnings"))["operationId"]
    answer = await api.get(f"/operations/{id}")
    body = document(answer)
    assert answer.status_code == 200
    assert body["status"] == "COMPLETED_WITH_ERRORS"
    assert body["completedAt"]
    warning = {"code": "MISSING_DATA", "message": "2 customers have no email", "affectedRecords": 2}
    assert body["result"] == {"imported": 3, "url": f"/operations/{id}/result", "warnings": [warning]}


async def test_failed_is_200_with_a_problem_in_error(api: Api) -> None:
    id = (await api.run("/finals"))["operationId"]
    answer = await api.get(f"/operations/{id}")
    body = document(answer)
    assert answer.status_code == 200
    assert (body["status"], "failedAt" in body, "completedAt" in body) == ("FAILED", True, False)
    assert body["error"] == {
        "type": "/problems/never-again",
        "title": "Never Again",
        "status": 422,
        "detail": "This cannot work.",
        "instance": f"/operations/{id}",
        "retryable": False,
        "stage": "input",
    }
    assert "retry" not in body["links"]


async def test_failed_and_retryable_says_so_and_links_to_retry(api: Api) -> None:
    body = await api.run("/retryables")
    assert body["error"]["retryable"] is True
    assert body["error"]["retryAfter"] == 300
    assert body["links"]["retry"] == f"/operations/{body['operationId']}/retry"


async def test_cancelled_is_200_with_reason_work_stopped_and_what_was_left(api: Api, gates: Gates) -> None:
    id = (await api.submit("/partials"))["operationId"]
    await gates.started.passed()
    await api.post(f"/operations/{id}/cancel", json={"reason": "changed my mind"})
    answer = await api.get(f"/operations/{id}")
    body = document(answer)
    assert answer.status_code == 200
    assert (body["status"], body["reason"], body["workStopped"]) == ("CANCELLED", "changed my mind", True)
    assert body["cancelledAt"]
    assert body["partialResult"] == {"rows": 450}


async def test_expired_is_410_with_expired_at(api: Api, clock: MovableClock) -> None:
    done = await api.run("/noops")
    clock.advance(hours=24.1)
    found = problem(await api.get(f"/operations/{done['operationId']}"), 410, "operation-expired")
    assert found["expiredAt"] == done["expiresAt"]


ODD_IDS = ["op-1", "1", "op-" + "0" * 27, "OP-" + "0" * 26, "op-" + "u" * 26, "job-" + "0" * 26, "%00", "%F0%9F%98%80"]


@pytest.mark.parametrize("id", [NOBODYS, *ODD_IDS])
async def test_what_never_existed_is_404(idle: Api, id: str) -> None:
    problem(await idle.get(f"/operations/{id}"), 404, "operation-not-found")


async def test_404_is_the_same_bytes_for_what_never_existed_is_forgotten_or_somebody_elses(
    api: Api, clock: MovableClock
) -> None:
    forgotten = (await api.run("/noops"))["operationId"]
    clock.advance(hours=25)
    await api.sweep()
    clock.advance(days=31)
    await api.sweep()
    somebodys = (await api.app.submit("noop", owner="somebody")).id
    for method, path in [("GET", ""), ("GET", "/result"), ("POST", "/cancel"), ("POST", "/retry")]:
        told = set()
        for id in (NOBODYS, forgotten, somebodys):
            answer = await api.request(method, f"/operations/{id}{path}")
            problem(answer, 404, "operation-not-found")
            headers = tuple(sorted(answer.headers.items()))
            told.add((answer.content.replace(id.encode(), b"the id"), headers))
        assert len(told) == 1


async def test_recommended_and_retry_after_start_at_1_s_and_grow_with_age_up_to_30_s(
    idle: Api, clock: MovableClock
) -> None:
    url = (await idle.submit("/noops"))["statusUrl"]
    told = []
    for seconds in (0, 20, 40, 60, 100, 200, 1000, 100_000):
        clock.advance(seconds=seconds)
        answer = await idle.get(url)
        advice = document(answer)["pollInterval"]
        assert answer.headers["retry-after"] == str(advice["recommended"])
        assert advice["minimum"] == 1
        told.append(advice["recommended"])
    assert (told[0], told[-1]) == (1, 30)
    assert told == sorted(told)
    assert len(set(told)) >= 4


async def test_the_shortest_interval_told_is_a_setting(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False, poll_minimum="5s"))
    assert (await api.submit("/noops"))["pollInterval"] == {"recommended": 5, "minimum": 5}


async def test_recommended_is_shorter_again_when_the_estimate_says_the_end_is_near(
    make_app: MakeApp, start: Start, clock: MovableClock
) -> None:
    app, early, late = make_app(lease_ttl="24h"), Gates(), Gates()

    @app.operation("/minutes")
    async def minutes(first: bool) -> None:
        gates = early if first else late
        gates.started.open()
        await gates.go.passed()

    async def begin(first: bool) -> str:
        id = str((await api.submit("/minutes", first))["operationId"])
        await eventually(partial(api.status, id), lambda found: found["status"] == "PROCESSING")
        return id

    api = await start(app)
    ids = [await begin(True) for _ in range(4)]
    clock.advance(seconds=200)
    assert (await api.status(ids[0]))["pollInterval"]["recommended"] == 20
    early.go.open()
    for id in ids:
        await api.ended(id)
    last = await begin(False)
    clock.advance(seconds=194)
    near = await eventually(partial(api.status, last), lambda found: "estimatedCompletion" in found)
    late.go.open()
    assert near["pollInterval"]["recommended"] <= 4
    ends_in = datetime.fromisoformat(near["estimatedCompletion"]) - datetime.fromisoformat(near["startedAt"])
    assert 199 <= ends_in.total_seconds() <= 202


async def test_if_none_match_gives_304_while_nothing_changed(api: Api, gates: Gates) -> None:
    id = await running(api, gates)
    tag = (await api.get(f"/operations/{id}")).headers["etag"]
    answer = await api.get(f"/operations/{id}", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    gates.go.open()
    await api.ended(id)
    changed = await api.get(f"/operations/{id}?redirect=false", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


@pytest.mark.parametrize("written", ["{}", '"x", {}', "W/{}", "*", '{} , "y"', ' "a",{}'])
async def test_if_none_match_may_be_written_in_many_ways(api: Api, written: str) -> None:
    id = (await api.run("/finals"))["operationId"]
    tag = (await api.get(f"/operations/{id}")).headers["etag"]
    answer = await api.get(f"/operations/{id}", headers={"If-None-Match": written.format(tag)})
    assert answer.status_code == 304


async def test_if_none_match_may_come_in_several_lines(api: Api) -> None:
    id = (await api.run("/finals"))["operationId"]
    tag = (await api.get(f"/operations/{id}")).headers["etag"]
    answer = await api.get(f"/operations/{id}", headers=[("If-None-Match", tag), ("If-None-Match", '"x"')])
    assert answer.status_code == 304


@pytest.mark.parametrize("written", ['"x"', "", "x", 'W/"0"'])
async def test_another_tag_gets_the_document(api: Api, written: str) -> None:
    id = (await api.run("/finals"))["operationId"]
    assert (await api.get(f"/operations/{id}", headers={"If-None-Match": written})).status_code == 200


async def test_303_is_never_turned_into_304(api: Api) -> None:
    id = (await api.run("/noops"))["operationId"]
    tag = (await api.get(f"/operations/{id}")).headers["etag"]
    for written in (tag, "*"):
        assert (await api.get(f"/operations/{id}", headers={"If-None-Match": written})).status_code == 303
        plain = await api.get(f"/operations/{id}?redirect=false", headers={"If-None-Match": written})
        assert plain.status_code == 304


async def test_an_etag_is_of_the_form_of_rfc_9110(api: Api, gates: Gates) -> None:
    for path in (f"/operations/{await running(api, gates)}", f"/operations/{(await api.run('/noops'))['operationId']}"):
        assert re.fullmatch(r'(W/)?"[\x21\x23-\x7e]*"', (await api.get(path)).headers["etag"])


@pytest.mark.parametrize("path", ["/noops", "/finals", "/warnings"])
async def test_head_is_get_without_the_body(api: Api, path: str) -> None:
    url = f"/operations/{(await api.run(path))['operationId']}"
    got, head = await Exchange("GET", url).through(api.app), await Exchange("HEAD", url).through(api.app)
    assert head.body == b""
    assert (head.status, head.headers) == (got.status, got.headers)
    assert int(head.headers["content-length"]) == len(got.body)


async def test_head_of_what_is_not_there_is_404_without_a_body(idle: Api) -> None:
    head = await Exchange("HEAD", f"/operations/{NOBODYS}").through(idle.app)
    assert (head.status, head.body) == (404, b"")
