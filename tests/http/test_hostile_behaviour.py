"""Whatever a user's function does on its way, its operation ends as it should and the app lives on; guarantee L7."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from accepted import Accepted, Attempt
from tests.http import isolated
from tests.http.api import Api, Document, eventually
from tests.http.conftest import Live, MakeApp, Start
from tests.http.gate import Gates
from tests.http.hostile import Silent


async def test_while_a_coroutine_never_yields_http_answers_within_a_second(live: Live, gates: Gates) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/blocking")
        async def blocking() -> None:
            gates.started.open()
            gates.go.wait()

    api = await live(register)
    id = (await api.submit("/blocking"))["operationId"]
    await gates.started.passed()
    assert await slowest(api, id) < 1
    gates.go.open()
    assert (await api.ended(id))["status"] == "COMPLETED"


async def test_while_a_coroutine_computes_without_end_http_answers_within_a_second(live: Live, gates: Gates) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/computing")
        async def computing() -> None:
            gates.started.open()
            while not gates.go.is_open:
                sum(range(1000))

    api = await live(register)
    id = (await api.submit("/computing"))["operationId"]
    await gates.started.passed()
    assert await slowest(api, id) < 1
    gates.go.open()
    await api.ended(id)


async def slowest(api: Api, id: str) -> float:
    """Seconds of the slowest of some requests of all kinds."""
    times = []
    for _ in range(5):
        for ask in (lambda: api.get(f"/operations/{id}"), lambda: api.get("/health"), lambda: api.post("/threads")):
            began = time.perf_counter()
            assert (await ask()).status_code in {200, 202}
            times.append(time.perf_counter() - began)
    return max(times)


async def test_a_coroutine_that_never_yields_is_cancelled_after_its_grace(live: Live, gates: Gates) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/blocking", cancel_grace="0.1s")
        async def blocking() -> None:
            gates.started.open()
            gates.go.wait()

    api = await live(register)
    id = (await api.submit("/blocking"))["operationId"]
    await gates.started.passed()
    answer = (await api.post(f"/operations/{id}/cancel")).json()
    assert (answer["status"], answer["workStopped"]) == ("CANCELLED", False)
    gates.go.open()


def isolate(app: Accepted) -> None:
    app.operation("/exits", isolate=True)(isolated.exiting)
    app.operation("/computes", isolate=True)(isolated.computing)
    app.operation("/endless", isolate=True, timeout="1s", cancel_grace="0.1s")(isolated.endless)


async def test_an_isolated_function_runs_in_a_process_of_its_own(live: Live) -> None:
    done = await (await live(isolate)).run("/computes", 12)
    assert done["result"]["square"] == 144
    assert done["result"]["pid"] != os.getpid()


@pytest.mark.parametrize("code", [0, 1, 137])
async def test_an_isolated_function_that_exits_fails_its_operation_and_nothing_else(live: Live, code: int) -> None:
    done = await (await live(isolate)).run("/exits", code)
    assert (done["status"], done["error"]["type"]) == ("FAILED", "/problems/operation-failed")
    assert f"exit code {code}" in done["error"]["detail"]


async def test_an_isolated_function_over_its_time_is_killed(live: Live) -> None:
    done = await (await live(isolate)).run("/endless")
    assert done["error"]["type"] == "/problems/operation-timed-out"


async def test_a_million_reports_are_no_burden(live: Live) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/busy")
        def busy(attempt: Attempt) -> None:
            for number in range(100_000):
                attempt.progress(number, 100_000, "counting")

    api = await live(register)
    done: Document = await api.run("/busy")
    assert done["status"] == "COMPLETED"
    events = await api.app.node.store.events(done["operationId"], 0, 1000)
    assert len(events) < 40


async def test_more_operations_than_slots_wait_for_their_turn(live: Live, gates: Gates) -> None:
    api = await live(lambda app: None, slots=2)
    ids = [(await api.submit("/slows"))["operationId"] for _ in range(5)]

    async def states() -> list[str]:
        return sorted([(await api.status(id))["status"] for id in ids])

    await eventually(states, lambda found: found == ["PENDING"] * 3 + ["PROCESSING"] * 2)
    gates.go.open()
    for id in ids:
        assert (await api.ended(id))["status"] == "COMPLETED"


async def test_concurrency_limits_one_type_over_all_workers(make_app: MakeApp, start: Start, gates: Gates) -> None:
    apps = [make_app(), make_app()]
    at_once, most = 0, 0

    async def narrow() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        for _ in range(20):
            await asyncio.sleep(0)
        at_once -= 1

    for app in apps:
        app.operation("/narrow", concurrency=2)(narrow)
    one, other = [await start(app) for app in apps]
    ids = [(await api.submit("/narrow"))["operationId"] for api in (one, other) * 15]
    for id in ids:
        assert (await one.ended(id))["status"] == "COMPLETED"
    assert 1 <= most <= 2


def _entered(attempt: Attempt, *names: Any) -> None:
    """Phases that begin and are never left."""
    for name in names:
        attempt.phase(name).__enter__()


REPORTS: dict[str, Callable[[Attempt], object]] = {
    "progress of words": lambda attempt: attempt.progress("half", "whole"),  # type: ignore[arg-type]
    "progress of a large integer": lambda attempt: attempt.progress(10**400, 10**401),
    "a percentage of nonsense": lambda attempt: attempt.progress(percentage="half"),  # type: ignore[arg-type]
    "progress with an odd message": lambda attempt: attempt.progress(1, 2, Silent()),  # type: ignore[arg-type]
    "progress with a lone surrogate": lambda attempt: attempt.progress(1, 2, "\ud800\0"),
    "a warning of nonsense": lambda attempt: attempt.warn("X", "x", Silent()),  # type: ignore[arg-type]
    "a warning with a lone surrogate": lambda attempt: attempt.warn("\ud800", "\0"),
    "a warning of a large integer": lambda attempt: attempt.warn("X", "x", 10**400),
    "a log line of nonsense": lambda attempt: attempt.log(Silent(), level=Silent()),  # type: ignore[arg-type]
    "a log line with fields of nonsense": lambda attempt: attempt.log("x", a=Silent(), b=float("nan"), c=10**400),
    "a partial result of nonsense": lambda attempt: attempt.partial(Silent()),
    "a checkpoint of nonsense": lambda attempt: attempt.checkpoint(float("nan")),
    "a phase of nonsense": lambda attempt: _entered(attempt, Silent()),
    "a phase with a lone surrogate": lambda attempt: _entered(attempt, "\ud800"),
    "phases that never end": lambda attempt: _entered(attempt, *map(str, range(100))),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
async def test_reports_of_nonsense_do_not_keep_an_operation_from_its_end(
    live: Live, gates: Gates, report: Callable[[Attempt], object]
) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/odd")
        async def odd(attempt: Attempt) -> None:
            report(attempt)

    api = await live(register)
    done = await api.run("/odd")
    assert done["attempt"] == 1
    assert (await api.get(f"/jobs/job-{done['operationId'][3:]}/logs")).status_code == 200


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
async def test_reports_of_nonsense_on_the_way_are_no_harm_either(
    live: Live, gates: Gates, report: Callable[[Attempt], object]
) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/odd")
        async def odd(attempt: Attempt) -> None:
            report(attempt)
            await gates.at(0)

    api = await live(register)
    id = (await api.submit("/odd"))["operationId"]
    await eventually(lambda: api.status(id), lambda found: found["status"] != "PENDING")
    for _ in range(3):
        await api.get(f"/operations/{id}")
    gates.steps[0][1].open()
    assert (await api.ended(id))["attempt"] == 1
