"""Contract, section 5: cancel in every state, what stops and what is left, and the race with completion (C1 to C4)."""

import asyncio
import random

import httpx2
import pytest

from accepted import Attempt, Cancelled
from tests.http import isolated
from tests.http.api import Api, Document, document, eventually, problem
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

RACES = 2000
TOGETHER = 100


async def cancel(api: Api, id: str, reason: str | None = None) -> httpx2.Response:
    body = {} if reason is None else {"reason": reason}
    return await api.post(f"/operations/{id}/cancel", json=body)


async def cancelled(api: Api, path: str, gates: Gates) -> tuple[Document, Document]:
    """Start an operation and cancel it: the answer, and the document it leaves."""
    id = (await api.submit(path))["operationId"]
    await gates.started.passed()
    answer = await cancel(api, id, "no longer needed")
    assert answer.status_code == 200, answer.text
    return document(answer), await api.status(id)


async def test_pending_is_cancelled_at_once(idle: Api) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    answer = await cancel(idle, id, "changed my mind")
    body = document(answer)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert set(body) == {"operationId", "status", "cancelledAt", "reason", "workStopped"}
    assert (body["operationId"], body["status"]) == (id, "CANCELLED")
    assert (body["reason"], body["workStopped"]) == ("changed my mind", True)
    after = await idle.status(id)
    assert (after["status"], after["cancelledAt"], after["attempt"]) == ("CANCELLED", body["cancelledAt"], 0)
    assert "startedAt" not in after


async def test_a_cancelled_pending_operation_never_runs(make_app: MakeApp, start: Start, gates: Gates) -> None:
    idle = await start(make_app(worker=False))
    ids = [(await idle.submit("/noops"))["operationId"] for _ in range(20)]
    for id in ids[::2]:
        assert (await cancel(idle, id)).status_code == 200
    working = await start(make_app())
    for id in ids:
        await working.ended(id)
    await working.run("/noops")
    assert {id for id, _ in gates.runs}.isdisjoint(ids[::2])
    assert {id for id, _ in gates.runs} > set(ids[1::2])


async def test_a_coroutine_is_stopped_by_cancelled_error(api: Api, gates: Gates) -> None:
    answer, after = await cancelled(api, "/slows", gates)
    assert (answer["status"], answer["workStopped"], after["workStopped"]) == ("CANCELLED", True, True)
    assert after["reason"] == "no longer needed"
    assert "cancel" not in after["links"]


async def test_what_was_kept_before_becomes_the_partial_result(api: Api, gates: Gates) -> None:
    _, after = await cancelled(api, "/partials", gates)
    assert after["partialResult"] == {"rows": 450}


async def test_a_coroutine_may_clean_up_and_save_a_partial_result(
    make_app: MakeApp, start: Start, gates: Gates
) -> None:
    app = make_app()

    @app.operation("/careful")
    async def careful(attempt: Attempt) -> None:
        gates.started.open()
        try:
            await gates.go.passed()
        finally:
            assert attempt.cancelled
            attempt.partial([1, 2])
            attempt.log("cleaned up")

    api = await start(app)
    answer, after = await cancelled(api, "/careful", gates)
    assert (answer["workStopped"], after["partialResult"]) == (True, [1, 2])
    lines = (await api.get(f"/jobs/job-{answer['operationId'][3:]}/logs")).json()["data"]
    assert [line["message"] for line in lines] == ["cleaned up"]


async def test_a_value_returned_after_the_request_is_the_partial_result(
    make_app: MakeApp, start: Start, gates: Gates
) -> None:
    app = make_app()

    @app.operation("/returning")
    async def returning(attempt: Attempt) -> dict[str, int]:
        gates.started.open()
        try:
            await gates.go.passed()
        except asyncio.CancelledError:
            return {"rows": 7}
        return {"rows": 0}

    api = await start(app)
    answer, after = await cancelled(api, "/returning", gates)
    assert (answer["status"], after["partialResult"]) == ("CANCELLED", {"rows": 7})
    problem(await api.get(f"/operations/{answer['operationId']}/result"), 404, "no-result")


async def test_an_exception_raised_after_the_request_changes_nothing(
    make_app: MakeApp, start: Start, gates: Gates
) -> None:
    app = make_app()

    @app.operation("/clumsy", attempts=5)
    async def clumsy() -> None:
        gates.started.open()
        try:
            await gates.go.passed()
        finally:
            raise ValueError("while cleaning up")

    _, after = await cancelled(await start(app), "/clumsy", gates)
    assert (after["status"], after["workStopped"]) == ("CANCELLED", True)


async def test_in_a_thread_cancelled_is_true_and_a_reporting_call_raises(api: Api, gates: Gates) -> None:
    answer, _ = await cancelled(api, "/threads", gates)
    assert answer["workStopped"] is True


@pytest.mark.parametrize("call", ["progress", "log", "warn", "checkpoint", "phase"])
async def test_any_reporting_call_of_a_thread_raises_cancelled(
    make_app: MakeApp, start: Start, gates: Gates, call: str
) -> None:
    app = make_app()
    raised: list[type[BaseException]] = []
    calls = {
        "progress": lambda attempt: attempt.progress(1),
        "log": lambda attempt: attempt.log("x"),
        "warn": lambda attempt: attempt.warn("X", "x"),
        "checkpoint": lambda attempt: attempt.checkpoint(1),
        "phase": lambda attempt: attempt.phase("X").__enter__(),
    }

    @app.operation("/threads/careful")
    def careful(attempt: Attempt) -> None:
        gates.started.open()
        while not attempt.cancelled:
            gates.go.wait(0.001)
        try:
            calls[call](attempt)
        except Cancelled as error:
            raised.append(type(error))
            raise

    answer, _ = await cancelled(await start(app), "/threads/careful", gates)
    assert (raised, answer["workStopped"]) == ([Cancelled], True)


async def test_an_isolated_function_is_terminated(make_app: MakeApp, start: Start) -> None:
    app = make_app()
    app.operation("/endless", isolate=True, cancel_grace="5s")(isolated.endless)
    api = await start(app)
    id = (await api.submit("/endless"))["operationId"]
    await eventually(lambda: api.status(id), lambda found: found.get("progress", {}).get("current") == 1)
    answer = await cancel(api, id)
    assert document(answer)["workStopped"] is True


@pytest.mark.parametrize(("grace", "stopped"), [("5s", True), ("0.1s", False)])
async def test_an_isolated_function_that_does_not_listen_is_killed(
    make_app: MakeApp, start: Start, grace: str, stopped: bool
) -> None:
    app = make_app()
    app.operation("/deaf", isolate=True, cancel_grace=grace)(isolated.deaf)
    api = await start(app)
    id = (await api.submit("/deaf"))["operationId"]
    await eventually(lambda: api.status(id), lambda found: found.get("progress", {}).get("current") == 1)
    assert document(await cancel(api, id))["workStopped"] is stopped


@pytest.mark.parametrize("path", ["/stubborn-coroutines", "/stubborn-threads"])
async def test_after_the_grace_the_attempt_is_fenced_off_and_the_work_did_not_stop(
    api: Api, gates: Gates, path: str
) -> None:
    answer, after = await cancelled(api, path, gates)
    assert (answer["status"], answer["workStopped"], after["workStopped"]) == ("CANCELLED", False, False)
    gates.go.open()
    await api.run("/noops")
    assert await api.status(answer["operationId"]) == after, "what it returns later is lost"


async def test_a_cancel_survives_every_worker_being_down(make_app: MakeApp, start: Start, gates: Gates) -> None:
    working, idle = await start(make_app(drain_timeout=0.1)), await start(make_app(worker=False))
    id = (await working.submit("/slows"))["operationId"]
    await gates.started.passed()
    await working.app.stop()
    assert document(await cancel(idle, id))["status"] == "CANCELLED"
    gates.go.open()
    await (await start(make_app())).run("/noops")
    assert (await idle.status(id))["attempt"] == 1


async def test_a_cancel_over_another_node_reaches_the_worker(make_app: MakeApp, start: Start, gates: Gates) -> None:
    working, idle = await start(make_app()), await start(make_app(worker=False))
    id = (await working.submit("/slows"))["operationId"]
    await gates.started.passed()
    assert document(await cancel(idle, id))["workStopped"] is True


async def test_cancelling_again_gives_the_same_200(api: Api, gates: Gates) -> None:
    id = (await api.submit("/slows"))["operationId"]
    await gates.started.passed()
    first = await cancel(api, id, "first")
    for again in (await cancel(api, id, "second"), await cancel(api, id), await api.post(f"/operations/{id}/cancel")):
        assert (again.status_code, again.content) == (200, first.content)


async def test_many_cancels_at_once_agree(api: Api, gates: Gates) -> None:
    id = (await api.submit("/stubborn-coroutines"))["operationId"]
    await gates.started.passed()
    answers = await asyncio.gather(*(cancel(api, id, f"number {number}") for number in range(20)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}


@pytest.mark.parametrize(
    ("path", "state"), [("/noops", "COMPLETED"), ("/warnings", "COMPLETED_WITH_ERRORS"), ("/finals", "FAILED")]
)
async def test_what_has_ended_otherwise_is_409_naming_the_status(api: Api, path: str, state: str) -> None:
    id = (await api.run(path))["operationId"]
    found = problem(await cancel(api, id), 409, "operation-not-cancellable")
    assert state in found["detail"]
    assert found["operationStatus"] == state


@pytest.mark.parametrize("body", [b"", b"{}", b'{"reason": null}', b'{"other": 1}'])
async def test_the_body_is_optional(idle: Api, body: bytes) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    headers = {"Content-Type": "application/json"} if body else {}
    answer = await idle.post(f"/operations/{id}/cancel", content=body, headers=headers)
    assert answer.status_code == 200
    assert "reason" not in document(answer)


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"[]", 422, "invalid-request"),
        (b'"because"', 422, "invalid-request"),
        (b'{"reason": 7}', 422, "invalid-request"),
        (b'{"reason": "' + b"x" * 5000 + b'"}', 422, "invalid-request"),
        (b'{"reason": "\\ud800"}', 400, "invalid-json"),
        (b"{", 400, "invalid-json"),
    ],
)
async def test_a_bad_body_cancels_nothing(idle: Api, body: bytes, status: int, slug: str) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    headers = {"Content-Type": "application/json"}
    problem(await idle.post(f"/operations/{id}/cancel", content=body, headers=headers), status, slug)
    assert (await idle.status(id))["status"] == "PENDING"


async def test_a_job_is_cancelled_by_its_own_path(idle: Api) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    answer = await idle.post(f"/jobs/job-{id[3:]}/cancel", json={"reason": "by the operator"})
    assert (answer.status_code, document(answer)["reason"]) == (200, "by the operator")
    assert (await cancel(idle, id)).content == answer.content


async def test_2000_races_of_cancel_against_completion_agree_with_the_final_state(
    make_app: MakeApp, start: Start, gates: Gates
) -> None:
    api = await start(make_app(slots=TOGETHER))
    chance, never_ran = random.Random(5), set[str]()

    async def race() -> str:
        id = str((await api.submit("/spins", chance.randrange(40)))["operationId"])
        for _ in range(chance.randrange(60)):
            await asyncio.sleep(0)
        answer = await cancel(api, id)
        final = await api.status(id)
        if answer.status_code == 200:
            assert (document(answer)["status"], final["status"]) == ("CANCELLED", "CANCELLED")
            assert document(answer)["cancelledAt"] == final["cancelledAt"]
        else:
            assert problem(answer, 409, "operation-not-cancellable")["operationStatus"] == final["status"]
            assert final["status"] == "COMPLETED"
        never_ran.update({id} if final["attempt"] == 0 else ())
        return str(final["status"])

    ends: list[str] = []
    for _ in range(RACES // TOGETHER):
        ends += await asyncio.gather(*(race() for _ in range(TOGETHER)))
    assert len(ends) == RACES
    assert never_ran.isdisjoint(id for id, _ in gates.runs)
    assert set(ends) == {"COMPLETED", "CANCELLED"}, "a race that only one can win is none"
