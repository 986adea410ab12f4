"""Contract, section 12: health, metrics, lifecycle log lines, trace context, OpenAPI."""

import asyncio
import logging
import re
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from accepted import Attempt, Failure
from accepted.version import VERSION
from tests.clock import MovableClock
from tests.http.api import Api, document, eventually, problem
from tests.http.conftest import MakeApp, Start
from tests.http.disk import Disk
from tests.http.gate import Gates

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

METRICS = {
    "accepted_submissions": ({"type", "outcome"}, "counter"),
    "accepted_operations": ({"type", "status"}, "counter"),
    "accepted_attempts": ({"type", "outcome"}, "counter"),
    "accepted_queue_depth": ({"type"}, "gauge"),
    "accepted_queue_oldest_seconds": ({"type"}, "gauge"),
    "accepted_in_flight": ({"type"}, "gauge"),
    "accepted_wait_seconds": ({"type"}, "histogram"),
    "accepted_run_seconds": ({"type"}, "histogram"),
    "accepted_commit_seconds": (set(), "histogram"),
    "accepted_commit_batch_size": (set(), "histogram"),
    "accepted_invariant_violations": (set(), "counter"),
}

Sample = dict[tuple[tuple[str, str], ...], float]


async def test_health(api: Api) -> None:
    answer = await eventually(lambda: api.get("/health"), lambda answer: "NONE" not in answer.text)
    found = document(answer)
    assert answer.status_code == 200
    assert (found["status"], found["version"]) == ("UP", VERSION)
    assert found["uptime"] >= 0
    assert found["checks"]["store"]["status"] == "UP"
    assert 0 <= found["checks"]["store"]["responseTime"] < 10
    assert found["checks"]["workers"]["status"] == "UP"


async def test_live_and_ready(api: Api) -> None:
    for path in ("/health/live", "/health/ready"):
        answer = await api.get(path)
        assert (answer.status_code, document(answer)["status"]) == (200, "UP")


async def test_health_is_503_when_down_and_200_again_after(disk: Disk, make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False))
    disk.breaks()
    down = await api.get("/health")
    assert (down.status_code, document(down)["status"], document(down)["checks"]["store"]["status"]) == (
        503,
        "DOWN",
        "DOWN",
    )
    assert (await api.get("/health/ready")).status_code == 503
    assert (await api.get("/health/live")).status_code == 200
    disk.is_mended()
    assert (await api.get("/health")).status_code == 200


async def test_a_server_about_to_stop_is_live_but_not_ready(api: Api) -> None:
    api.app.drain()
    assert (await api.get("/health/ready")).status_code == 503
    assert (await api.get("/health/live")).status_code == 200


async def test_an_app_that_is_stopped_while_it_starts_leaves_no_thread_behind(make_app: MakeApp) -> None:
    before = set(threading.enumerate())
    for turns in range(12):
        app = make_app()
        await app.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        await app.stop()
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("accepted")]


# --- metrics


async def metrics(api: Api) -> dict[str, tuple[str, dict[str, Sample]]]:
    """family -> (kind, sample name -> labels -> value)."""
    answer = await api.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, tuple[str, dict[str, Sample]]] = {}
    for family in text_string_to_metric_families(answer.text):
        samples: dict[str, Sample] = {}
        for sample in family.samples:
            samples.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        found[family.name] = (family.type, samples)
    return found


async def value(api: Api, family: str, name: str, **labels: str) -> float:
    return (await metrics(api))[family][1].get(name, {}).get(tuple(sorted(labels.items())), 0.0)


async def test_the_metrics_of_the_contract_are_there(make_app: MakeApp, start: Start, gates: Gates) -> None:
    api = await start(make_app(slots=1))
    await api.run("/noops")
    await api.submit("/slows")
    await gates.started.passed()
    await api.submit("/noops")  # there is no room for it
    found = await metrics(api)
    for name, (labels, kind) in METRICS.items():
        assert found[name][0] == kind
        seen = {label for sample in found[name][1].values() for key in sample for label, _ in key}
        assert seen - {"le"} == labels, name


async def test_submissions_count_by_type_and_outcome(idle: Api) -> None:
    for _ in range(3):
        await idle.submit("/echoes", 1, Idempotency_Key="k")
    await idle.post("/echoes", json=2, headers={"Idempotency-Key": "k"})
    await idle.post("/spins", json="x")
    for type, outcome, number in [
        ("echo", "accepted", 1),
        ("echo", "replayed", 2),
        ("echo", "idempotency-key-reused", 1),
        ("spin", "invalid-request", 1),
    ]:
        told = await value(idle, "accepted_submissions", "accepted_submissions_total", type=type, outcome=outcome)
        assert told == number, outcome


async def test_operations_and_attempts_count_by_how_they_ended(make_app: MakeApp, start: Start) -> None:
    app = make_app()

    @app.operation("/twice", attempts=2, backoff="0s..0s")
    async def twice() -> None:
        raise Failure("Twice", retryable=True)

    api = await start(app)
    await api.run("/noops")
    await api.run("/twice")
    ended = ("accepted_operations", "accepted_operations_total")
    assert await value(api, *ended, type="noop", status="COMPLETED") == 1
    assert await value(api, *ended, type="twice", status="FAILED") == 1
    attempts = (await metrics(api))["accepted_attempts"][1]["accepted_attempts_total"]
    assert sum(number for labels, number in attempts.items() if dict(labels)["type"] == "twice") == 2
    for name in ("accepted_wait_seconds", "accepted_run_seconds"):
        assert await value(api, name, f"{name}_count", type="noop") == 1


async def test_depth_and_age_of_the_queue(idle: Api, clock: MovableClock) -> None:
    for _ in range(3):
        await idle.submit("/noops")
    clock.advance(seconds=100)
    assert await value(idle, "accepted_queue_depth", "accepted_queue_depth", type="noop") == 3
    age = await value(idle, "accepted_queue_oldest_seconds", "accepted_queue_oldest_seconds", type="noop")
    assert 100 <= age < 110


async def test_what_is_in_flight(api: Api, gates: Gates) -> None:
    id = (await api.submit("/slows"))["operationId"]
    await gates.started.passed()
    assert await value(api, "accepted_in_flight", "accepted_in_flight", type="slow") == 1
    gates.go.open()
    await api.ended(id)
    assert await value(api, "accepted_in_flight", "accepted_in_flight", type="slow") == 0


# --- lifecycle log lines


@pytest.fixture
def journal(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Lifecycle lines, progress too."""
    caplog.set_level(logging.DEBUG, logger="accepted")
    return caplog


def words(journal: pytest.LogCaptureFixture, id: str) -> list[str]:
    """What the log says of one operation, in order."""
    return [
        record.getMessage().removeprefix(f"{id} ").partition(":")[0]
        for record in journal.records
        if getattr(record, "operation_id", "") == id
    ]


async def test_each_step_of_a_life_is_one_line(
    make_app: MakeApp, start: Start, gates: Gates, journal: pytest.LogCaptureFixture
) -> None:
    app = make_app()

    @app.operation("/eventful", attempts=2, backoff="0s..0s")
    async def eventful(attempt: Attempt) -> None:
        if attempt.number == 1:
            raise ConnectionError
        attempt.progress(1, 2)
        await gates.at(0)

    api = await start(app)
    id = (await api.submit("/eventful"))["operationId"]
    await gates.steps[0][0].passed()
    await eventually(lambda: api.status(id), lambda found: "progress" in found)
    gates.steps[0][1].open()
    await api.ended(id)
    assert words(journal, id) == ["accepted", "started", "retried", "started", "progress", "completed"]
    levels = {record.getMessage(): record.levelno for record in journal.records if hasattr(record, "operation_id")}
    assert levels[f"{id} progress"] == logging.DEBUG
    assert levels[f"{id} accepted"] == levels[f"{id} completed"] == logging.INFO


async def test_failed_and_cancelled_are_said(api: Api, gates: Gates, journal: pytest.LogCaptureFixture) -> None:
    failed = (await api.run("/finals"))["operationId"]
    cancelled = (await api.submit("/slows"))["operationId"]
    await gates.started.passed()
    await api.post(f"/operations/{cancelled}/cancel")
    assert words(journal, failed)[-1] == "failed"
    assert words(journal, cancelled)[-1] == "cancelled"


async def test_expired_is_said(api: Api, clock: MovableClock, journal: pytest.LogCaptureFixture) -> None:
    id = (await api.run("/noops"))["operationId"]
    clock.advance(hours=24.1)
    await api.sweep()
    assert words(journal, id)[-1] == "expired"


async def test_a_line_bears_operation_id_type_attempt_and_traceparent(
    api: Api, journal: pytest.LogCaptureFixture
) -> None:
    id = (await api.submit("/noops", traceparent=TRACE))["operationId"]
    await api.ended(id)
    lines = [record for record in journal.records if getattr(record, "operation_id", "") == id]
    assert [record.__dict__["attempt"] for record in lines] == [0, 1, 1]
    assert {record.__dict__["operation_type"] for record in lines} == {"noop"}
    assert {record.__dict__["traceparent"] for record in lines} == {TRACE}


# --- trace context


@pytest.fixture
async def tracing(make_app: MakeApp, start: Start) -> Api:
    """An operation that returns the trace context of its attempt."""
    app = make_app()

    @app.operation("/traces")
    async def trace(attempt: Attempt) -> str | None:
        return attempt.trace

    @app.operation("/traces/failing")
    async def failing_trace(attempt: Attempt) -> None:
        raise Failure("Traced", retryable=True, trace=attempt.trace)

    return await start(app)


async def test_the_trace_context_of_the_submit_reaches_the_attempt(tracing: Api) -> None:
    id = (await tracing.submit("/traces", traceparent=TRACE))["operationId"]
    assert (await tracing.ended(id))["result"]["value"] == TRACE


NO_TRACES = [
    "",
    "x",
    TRACE[:-1],
    f"{TRACE}-00-x y",
    TRACE.replace("4", "g"),
    "ff" + TRACE[2:],
    "00-" + "0" * 32 + TRACE[35:],
    TRACE[:36] + "0" * 16 + "-01",
]


@pytest.mark.parametrize("header", NO_TRACES)
async def test_what_is_no_trace_context_is_ignored(tracing: Api, header: str) -> None:
    id = (await tracing.submit("/traces", traceparent=header))["operationId"]
    assert (await tracing.ended(id))["result"]["value"] is None


async def test_a_retry_has_the_trace_context_of_its_own_request(tracing: Api) -> None:
    old = (await tracing.submit("/traces/failing", traceparent=TRACE))["operationId"]
    assert (await tracing.ended(old))["error"]["trace"] == TRACE
    other = TRACE.replace("0e0e", "1f1f")
    retried = await tracing.post(f"/operations/{old}/retry", headers={"traceparent": other})
    assert (await tracing.ended(document(retried)["operationId"]))["error"]["trace"] == other


# --- OpenAPI


async def test_openapi_is_3_1_and_has_each_operation_with_its_problems(idle: Api) -> None:
    found = document(await idle.get("/openapi.json"))
    assert re.fullmatch(r"3\.1\.\d", found["openapi"])
    assert {"202", "400", "415", "422"} <= set(found["paths"]["/echoes"]["post"]["responses"])
    assert "/operations/{id}" in found["paths"] or any("/operations/{" in path for path in found["paths"])
    problem(await idle.post("/openapi.json"), 405, "method-not-allowed")
