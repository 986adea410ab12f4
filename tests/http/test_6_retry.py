"""Contract, section 6: manual retries as new operations, and automatic ones inside of one operation."""

import asyncio
from typing import Any

import pytest

from accepted import Accepted, Attempt, Failure
from tests.clock import MovableClock
from tests.http.api import Api, Document, document, eventually, problem
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates


async def retry(api: Api, id: str) -> Document:
    """A retry that is accepted."""
    answer = await api.post(f"/operations/{id}/retry")
    assert answer.status_code == 202, answer.text
    return document(answer)


def flaky(app: Accepted, *, fails: int, **policy: Any) -> list[int]:
    """An operation at /flaky that fails so many times; the attempts it has begun are collected."""
    begun: list[int] = []

    @app.operation("/flaky", **policy)
    async def flaky(attempt: Attempt) -> int:
        begun.append(attempt.number)
        if len(begun) <= fails:
            raise ConnectionError("the warehouse does not answer")
        return attempt.number

    return begun


async def test_failed_and_retryable_gives_202_with_a_new_operation(api: Api) -> None:
    old = await api.run("/retryables")
    answer = await api.post(old["links"]["retry"])
    new = document(answer)
    assert answer.status_code == 202
    assert answer.headers["location"] == new["statusUrl"] == f"/operations/{new['operationId']}"
    assert answer.headers["retry-after"]
    assert new["operationId"] != old["operationId"]
    assert (new["type"], new["status"], new["retryOf"]) == ("retryable", "PENDING", old["operationId"])
    after = await api.status(old["operationId"])
    assert after["links"]["retriedBy"] == f"/operations/{new['operationId']}"
    assert (await api.status(new["operationId"]))["retryOf"] == old["operationId"]


async def test_it_starts_no_earlier_than_retry_after_allows(api: Api, clock: MovableClock) -> None:
    old = await api.run("/retryables")
    new = (await retry(api, old["operationId"]))["operationId"]
    clock.advance(seconds=290)
    await api.run("/noops")
    assert (await api.status(new))["status"] == "PENDING"
    clock.advance(seconds=20)
    done = await api.ended(new)
    assert (done["status"], done["attempt"]) == ("FAILED", 1)


async def test_repeating_the_retry_gives_the_same_new_operation(api: Api) -> None:
    old = (await api.run("/retryables"))["operationId"]
    new = await retry(api, old)
    answers = await asyncio.gather(*(api.post(f"/operations/{old}/retry") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert {document(answer)["operationId"] for answer in answers} == {new["operationId"]}
    assert await api.total() == 2


async def test_racing_retries_make_one_new_operation(api: Api) -> None:
    old = (await api.run("/retryables"))["operationId"]
    answers = await asyncio.gather(*(api.post(f"/operations/{old}/retry") for _ in range(40)))
    assert len({document(answer)["operationId"] for answer in answers}) == 1
    assert await api.total() == 2


async def test_cancelled_may_be_retried_too_with_the_same_input(make_app: MakeApp, start: Start) -> None:
    idle = await start(make_app(worker=False))
    old = (await idle.submit("/echoes", {"n": [1, 2.0]}))["operationId"]
    await idle.post(f"/operations/{old}/cancel")
    new = (await retry(idle, old))["operationId"]
    working = await start(make_app())
    assert (await working.ended(new))["status"] == "COMPLETED"
    assert (await working.get(f"/operations/{new}/result")).content == b'{"n":[1,2.0]}'


async def test_a_retry_can_be_retried_again(api: Api, clock: MovableClock) -> None:
    first = (await api.run("/retryables"))["operationId"]
    second = (await retry(api, first))["operationId"]
    clock.advance(seconds=301)
    await api.ended(second)
    third = await retry(api, second)
    assert third["retryOf"] == second
    assert (await retry(api, first))["operationId"] == second


@pytest.mark.parametrize("path", ["/noops", "/warnings", "/finals", "/failures"])
async def test_what_cannot_be_retried_is_409(api: Api, path: str) -> None:
    done = await api.run(path)
    found = problem(await api.post(f"/operations/{done['operationId']}/retry"), 409, "operation-not-retryable")
    assert found["operationStatus"] == done["status"]
    assert "retry" not in done["links"]
    assert await api.total() == 1


async def test_what_has_not_ended_cannot_be_retried(api: Api, gates: Gates) -> None:
    id = (await api.submit("/slows"))["operationId"]
    await gates.started.passed()
    problem(await api.post(f"/operations/{id}/retry"), 409, "operation-not-retryable")


async def test_announced_phases_are_announced_again(api: Api, gates: Gates) -> None:
    id = (await api.submit("/phases"))["operationId"]
    await gates.steps[0][0].passed()
    await api.post(f"/operations/{id}/cancel")
    new = (await retry(api, id))["operationId"]
    found = await api.status(new)
    assert len(found["progress"]["phases"]) == 3
    assert all("duration" not in phase for phase in found["progress"]["phases"])


# --- automatic retries


async def test_attempts_happen_inside_of_one_operation_before_it_fails(make_app: MakeApp, start: Start) -> None:
    app = make_app()
    begun = flaky(app, fails=9, attempts=3, backoff="0s..0s")
    api = await start(app)
    done = await api.run("/flaky")
    assert (done["status"], done["attempt"], begun) == ("FAILED", 3, [1, 2, 3])
    assert done["error"]["type"] == "/problems/operation-failed"
    assert done["error"]["detail"] == "ConnectionError: the warehouse does not answer"
    assert await api.total() == 1


async def test_an_attempt_that_succeeds_completes_the_operation(make_app: MakeApp, start: Start) -> None:
    app = make_app()
    flaky(app, fails=2, attempts=5, backoff="0s..0s")
    done = await (await start(app)).run("/flaky")
    assert (done["status"], done["attempt"], done["result"]["value"]) == ("COMPLETED", 3, 3)
    assert "error" not in done


async def test_one_attempt_is_the_default(make_app: MakeApp, start: Start) -> None:
    app = make_app()
    begun = flaky(app, fails=9)
    assert (await (await start(app)).run("/flaky"))["status"] == "FAILED"
    assert begun == [1]


async def test_a_failure_that_is_not_retryable_ends_it_at_once(make_app: MakeApp, start: Start) -> None:
    app, begun = make_app(), []

    @app.operation("/hopeless", attempts=5, backoff="0s..0s")
    async def hopeless(attempt: Attempt) -> None:
        begun.append(attempt.number)
        raise Failure("Hopeless")

    done = await (await start(app)).run("/hopeless")
    assert (done["status"], begun, done["error"]["retryable"]) == ("FAILED", [1], False)


async def test_between_attempts_lies_the_backoff(make_app: MakeApp, start: Start, clock: MovableClock) -> None:
    app = make_app()
    begun = flaky(app, fails=1, attempts=2, backoff="1h..1h")
    api = await start(app)
    id = (await api.submit("/flaky"))["operationId"]
    waiting = await eventually(
        lambda: api.status(id), lambda found: found["status"] == "PENDING" and found["attempt"] == 1
    )
    assert (begun, "startedAt" in waiting) == ([1], True)
    clock.advance(hours=1.01)
    assert (await api.ended(id))["attempt"] == 2


async def test_retry_after_of_a_failure_is_obeyed_between_attempts(
    make_app: MakeApp, start: Start, clock: MovableClock
) -> None:
    app, begun = make_app(), []

    @app.operation("/busy", attempts=2, backoff="1s..1s")
    async def busy(attempt: Attempt) -> None:
        begun.append(attempt.number)
        raise Failure("Busy", retryable=True, retry_after=600)

    api = await start(app)
    id = (await api.submit("/busy"))["operationId"]
    await eventually(lambda: api.status(id), lambda found: found["status"] == "PENDING" and found["attempt"] == 1)
    clock.advance(seconds=590)
    await api.run("/noops")
    assert begun == [1]
    clock.advance(seconds=15)
    assert (await api.ended(id))["error"]["retryAfter"] == 600
    assert begun == [1, 2]


async def test_a_waiting_attempt_can_be_cancelled(make_app: MakeApp, start: Start) -> None:
    app = make_app()
    begun = flaky(app, fails=9, attempts=9, backoff="1h..1h")
    api = await start(app)
    id = (await api.submit("/flaky"))["operationId"]
    await eventually(lambda: api.status(id), lambda found: found["status"] == "PENDING" and found["attempt"] == 1)
    assert (await api.post(f"/operations/{id}/cancel")).status_code == 200
    assert ((await api.status(id))["status"], begun) == ("CANCELLED", [1])


async def test_a_checkpoint_is_found_by_the_next_attempt(make_app: MakeApp, start: Start) -> None:
    app = make_app()

    @app.operation("/resuming", attempts=2, backoff="0s..0s")
    async def resuming(attempt: Attempt) -> Any:
        if attempt.number == 1:
            await attempt.checkpoint({"row": 7})
            raise ConnectionError
        return attempt.resume

    assert (await (await start(app)).run("/resuming"))["result"]["row"] == 7


@pytest.mark.parametrize("kind", ["coroutine", "function"])
async def test_an_attempt_over_its_time_fails_operation_timed_out_which_is_retryable(
    make_app: MakeApp, start: Start, gates: Gates, kind: str
) -> None:
    app = make_app()

    @app.operation("/coroutine", timeout="0.1s", cancel_grace="0.1s")
    async def coroutine() -> None:
        await gates.go.passed()

    @app.operation("/function", timeout="0.1s", cancel_grace="0.1s")
    def function() -> None:
        gates.go.wait()

    done = await (await start(app)).run(f"/{kind}")
    assert (done["status"], done["error"]["type"]) == ("FAILED", "/problems/operation-timed-out")
    assert done["error"]["retryable"] is True
    assert done["links"]["retry"]
