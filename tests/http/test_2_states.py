"""Contract, section 2: the states an operation goes through, and that a terminal one never changes again."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from accepted import Attempt, Failure
from tests.clock import MovableClock
from tests.http.api import Api, Document, document, eventually, problem
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

LEASE = 30.0  # seconds, the default


async def terminal(api: Api, gates: Gates) -> dict[str, str]:
    """One operation in each of the four terminal states: state -> id."""
    ends = {"COMPLETED": "/noops", "COMPLETED_WITH_ERRORS": "/warnings", "FAILED": "/retryables"}
    ids = {}
    for state, path in ends.items():
        done = await api.run(path)
        assert done["status"] == state
        ids[state] = done["operationId"]
    ids["CANCELLED"] = (await api.submit("/partials"))["operationId"]
    await gates.started.passed()
    await api.post(f"/operations/{ids['CANCELLED']}/cancel", json={"reason": "enough"})
    return ids


async def answers(api: Api, ids: dict[str, str]) -> list[tuple[int, bytes, str | None]]:
    """Everything a reader can compare: code, bytes and ETag of each operation."""
    read = [await api.get(f"/operations/{id}") for id in ids.values()]
    return [(answer.status_code, answer.content, answer.headers.get("etag")) for answer in read]


async def seen(api: Api, id: str, wanted: Callable[[Document], object]) -> Document:
    """The status document once it is as wanted."""
    return await eventually(lambda: api.status(id), wanted)


def attempt_is(number: int) -> Callable[[Document], bool]:
    return lambda found: found["attempt"] == number and found["status"] == "PROCESSING"


async def test_pending_processing_completed(make_app: MakeApp, start: Start, gates: Gates) -> None:
    idle = await start(make_app(worker=False))
    id = (await idle.submit("/slows"))["operationId"]
    assert (await idle.status(id))["status"] == "PENDING"
    assert (await idle.status(id))["attempt"] == 0
    await start(make_app())
    await gates.started.passed()
    assert attempt_is(1)(await idle.status(id))
    gates.go.open()
    assert (await idle.ended(id))["status"] == "COMPLETED"


async def test_the_four_terminal_states_are_told_apart(api: Api, gates: Gates) -> None:
    ids = await terminal(api, gates)
    assert {state: (await api.status(id))["status"] for state, id in ids.items()} == {state: state for state in ids}


async def test_processing_goes_back_to_pending_when_something_retryable_was_raised_and_attempts_are_left(
    make_app: MakeApp, start: Start, clock: MovableClock
) -> None:
    app = make_app()

    @app.operation("/flaky", attempts=2, backoff="1h..1h")
    async def flaky(attempt: Attempt) -> int:
        if attempt.number == 1:
            raise Failure("Not Now", retryable=True, retry_after=1000)
        return attempt.number

    api = await start(app)
    id = (await api.submit("/flaky"))["operationId"]
    waiting = await seen(api, id, lambda found: found["attempt"] == 1 and found["status"] == "PENDING")
    assert "error" not in waiting
    clock.advance(hours=2)
    done = await api.ended(id)
    assert (done["status"], done["attempt"], done["result"]["value"]) == ("COMPLETED", 2, 2)


async def test_processing_goes_back_to_pending_when_it_is_handed_back_on_shutdown(
    make_app: MakeApp, start: Start, gates: Gates
) -> None:
    first, other = await start(make_app(drain_timeout=0.3)), await start(make_app(worker=False))
    id = (await first.submit("/slows"))["operationId"]
    await gates.started.passed()
    await first.app.stop()
    handed_back = await other.status(id)
    assert (handed_back["status"], handed_back["attempt"]) == ("PENDING", 1)
    gates.go.open()
    await start(make_app())
    done = await other.ended(id)
    assert (done["status"], done["attempt"]) == ("COMPLETED", 2)


async def test_processing_goes_back_to_pending_when_the_worker_is_silent_for_a_lease(
    api: Api, gates: Gates, clock: MovableClock
) -> None:
    id = (await api.submit("/slows"))["operationId"]
    await gates.started.passed()
    clock.advance(seconds=LEASE + 1)
    await api.sweep()
    await seen(api, id, attempt_is(2))
    gates.go.open()
    assert (await api.ended(id))["result"] == {"attempt": 2, "url": f"/operations/{id}/result"}
    assert gates.runs == [(id, 1), (id, 2)]


async def test_after_three_deaths_of_the_worker_it_is_failed_worker_lost(
    api: Api, gates: Gates, clock: MovableClock
) -> None:
    id = (await api.submit("/slows"))["operationId"]
    for attempt in (1, 2, 3):
        await seen(api, id, attempt_is(attempt))
        clock.advance(seconds=LEASE + 1)
        await api.sweep()
    done = await api.ended(id)
    assert (done["status"], done["attempt"]) == ("FAILED", 3)
    assert done["error"]["type"] == "/problems/worker-lost"
    assert done["error"]["retryable"] is False
    assert "retry" not in done["links"]


async def test_a_terminal_document_is_the_same_byte_for_byte_at_every_read(
    make_app: MakeApp, start: Start, gates: Gates, clock: MovableClock
) -> None:
    api, other = await start(make_app()), await start(make_app(worker=False))
    ids = await terminal(api, gates)
    first = await answers(api, ids)
    for hours in (0, 0.01, 1, 20):
        clock.advance(hours=hours)
        assert await answers(api, ids) == first
        assert await answers(other, ids) == first


async def test_a_terminal_document_is_the_same_byte_for_byte_after_a_restart(
    make_app: MakeApp, start: Start, gates: Gates
) -> None:
    before = await start(make_app())
    ids = await terminal(before, gates)
    first = await answers(before, ids)
    await before.app.stop()
    assert await answers(await start(make_app()), ids) == first


async def test_nothing_that_is_asked_of_a_terminal_operation_changes_it(api: Api, gates: Gates) -> None:
    ids = await terminal(api, gates)
    first = await answers(api, ids)
    for id in ids.values():
        await api.post(f"/operations/{id}/cancel", json={"reason": "too late"})
        await api.get(f"/operations/{id}/result")
        await api.get(f"/jobs/job-{id[3:]}")
    for state in ("COMPLETED", "COMPLETED_WITH_ERRORS"):
        problem(await api.post(f"/operations/{ids[state]}/retry"), 409, "operation-not-retryable")
    assert await answers(api, ids) == first


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
async def test_a_manual_retry_adds_retried_by_and_a_new_etag_and_nothing_else(
    api: Api, gates: Gates, state: str
) -> None:
    id = (await terminal(api, gates))[state]
    before = await api.get(f"/operations/{id}")
    retried = await api.post(f"/operations/{id}/retry")
    after = await api.get(f"/operations/{id}")
    assert after.headers["etag"] != before.headers["etag"]
    added: dict[str, Any] = document(after)
    assert added["links"].pop("retriedBy") == retried.headers["location"]
    assert added == document(before)
    again = await api.get(f"/operations/{id}")
    assert (again.content, again.headers["etag"]) == (after.content, after.headers["etag"])


async def test_what_a_fenced_off_attempt_says_changes_nothing(api: Api, gates: Gates) -> None:
    id = (await api.submit("/stubborn-coroutines"))["operationId"]
    await gates.started.passed()
    await api.post(f"/operations/{id}/cancel")
    first = await answers(api, {"it": id})
    gates.go.open()
    assert (await api.run("/noops"))["status"] == "COMPLETED"
    assert await answers(api, {"it": id}) == first


async def test_members_that_do_not_apply_are_absent_not_null(api: Api, gates: Gates) -> None:
    ids = await terminal(api, gates)
    found = [await api.status(id) for id in ids.values()]
    found += [await api.submit("/phases"), await api.status((await api.submit("/phases"))["operationId"])]
    for page in found:
        page.get("result", {}).pop("value", None)  # the one thing that may well be null
        assert b"null" not in msgspec.json.encode(page)
