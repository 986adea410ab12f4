"""Whatever a user's function does, its operation ends as it should and the app lives on (contract, sections 2 to 4)."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from accepted import Accepted, Attempt, Failure
from tests.http import isolated
from tests.http.api import Api, Document, eventually
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

Register = Callable[[Accepted], None]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Tracebacks stay out of the reports of these tests, which cannot carry every text there is."""
    caplog.set_level(logging.CRITICAL, logger="accepted.engine")


@pytest.fixture
async def live(make_app: MakeApp, start: Start) -> AsyncIterator[Callable[[Register], Any]]:
    """Starts an app with one more operation; at the end it still has to work."""
    started: list[Api] = []

    async def begin(register: Register, **settings: Any) -> Api:
        app = make_app(**settings)
        register(app)
        started.append(await start(app))
        return started[0]

    yield begin
    assert (await started[0].run("/noops"))["status"] == "COMPLETED"
    assert (await started[0].get("/health")).status_code == 200


def cycle() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


def pit(depth: int) -> list[Any]:
    """Lists within lists."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


class Silent:
    """A value that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class SilentError(Exception):
    """An exception that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


INVALID: dict[str, Callable[[], Any]] = {
    "NaN": lambda: float("nan"),
    "NaN inside": lambda: {"a": [1, float("nan")]},
    "Infinity": lambda: {"a": float("inf")},
    "-Infinity": lambda: [float("-inf")],
    "a cycle": cycle,
    "100,000 lists": lambda: pit(100_000),
    "bytes": lambda: b"x",
    "a set of objects": lambda: {object()},
    "an object": object,
    "an object without a text": Silent,
    "an object without a text inside": lambda: {"a": [Silent()]},
    "a function": lambda: print,
    "a generator": lambda: (number for number in range(3)),
    "an integer of 70 bits": lambda: 2**70,
    "a lone surrogate": lambda: "\ud800",
    "a lone surrogate in a name": lambda: {"\ud800": 1},
    "a name that is a tuple": lambda: {(1, 2): 3},
    "a complex number": lambda: 1j,
    "an exception": lambda: ValueError("returned"),
}


@pytest.mark.parametrize("kind", ["coroutine", "function"])
@pytest.mark.parametrize("value", INVALID.values(), ids=INVALID.keys())
async def test_what_json_cannot_hold_fails_with_invalid_result(live: Any, kind: str, value: Callable[[], Any]) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/coroutine")
        async def coroutine() -> Any:
            return value()

        @app.operation("/function")
        def function() -> Any:
            return value()

    done = await (await live(register)).run(f"/{kind}")
    assert (done["status"], done["error"]["type"]) == ("FAILED", "/problems/invalid-result")
    assert done["error"]["retryable"] is False
    assert "Traceback" not in str(done)


async def test_a_set_is_a_list_or_an_invalid_result(live: Any) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/sets")
        async def returned() -> Any:
            return {1}

    done = await (await live(register)).run("/sets")
    assert done.get("result", {}).get("value") == [1] or done["error"]["type"] == "/problems/invalid-result"


async def test_a_string_of_10_mib_is_a_result(live: Any) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/large")
        async def large() -> str:
            return "\xfc" * (5 << 20)

    api = await live(register)
    done = await api.run("/large")
    assert done["result"] == {"url": f"/operations/{done['operationId']}/result"}
    assert len((await api.get(done["result"]["url"])).content) == (10 << 20) + 2


async def test_a_value_over_the_limit_fails_with_result_too_large(live: Any) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/large")
        async def large(size: int) -> str:
            return "x" * (size - 2)

    api = await live(register, result_limit="100KiB")
    assert (await api.run("/large", 100 * 1024))["status"] == "COMPLETED"
    done = await api.run("/large", 100 * 1024 + 1)
    assert (done["status"], done["error"]["type"]) == ("FAILED", "/problems/result-too-large")


class Rude(BaseException):
    """No Exception at all."""


RAISED: dict[str, tuple[Callable[[], BaseException], str]] = {
    "ValueError": (lambda: ValueError("no such thing"), "ValueError: no such thing"),
    "no message": (KeyError, "KeyError"),
    "SystemExit": (lambda: SystemExit(3), "SystemExit: 3"),
    "KeyboardInterrupt": (KeyboardInterrupt, "KeyboardInterrupt"),
    "GeneratorExit": (GeneratorExit, "GeneratorExit"),
    "CancelledError": (asyncio.CancelledError, "CancelledError"),
    "TimeoutError": (TimeoutError, "TimeoutError"),
    "BaseException": (lambda: Rude("!"), "Rude: !"),
    "a group": (lambda: ExceptionGroup("several", [ValueError("x")]), "ExceptionGroup: several (1 sub-exception)"),
    "no text": (SilentError, "SilentError"),
    "MemoryError": (MemoryError, "MemoryError"),
    "RecursionError": (lambda: RecursionError("too deep"), "RecursionError: too deep"),
    "a lone surrogate": (lambda: ValueError("a\ud800b"), "ValueError: a"),
    "control characters": (lambda: ValueError("a\r\nb\x1b[31m\0c"), "ValueError: a"),
}


@pytest.mark.parametrize("kind", ["coroutine", "function"])
@pytest.mark.parametrize(("error", "detail"), RAISED.values(), ids=RAISED.keys())
async def test_whatever_is_raised_fails_the_operation_with_its_class_and_message(
    live: Any, kind: str, error: Callable[[], BaseException], detail: str
) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/coroutine")
        async def coroutine() -> None:
            raise error()

        @app.operation("/function")
        def function() -> None:
            raise error()

    done = await (await live(register)).run(f"/{kind}")
    assert (done["status"], done["error"]["type"]) == ("FAILED", "/problems/operation-failed")
    assert done["error"]["title"] == "Operation Failed"
    assert done["error"]["detail"].startswith(detail)
    assert done["error"]["detail"].isprintable()
    assert "Traceback" not in str(done)
    assert ".py" not in str(done)


async def test_a_long_message_is_cut_at_500_characters(live: Any) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/wordy")
        async def wordy() -> None:
            raise ValueError("x" * 100_000)

    assert len((await (await live(register)).run("/wordy"))["error"]["detail"]) == 500


async def test_a_failure_with_members_that_json_cannot_hold_fails_all_the_same(live: Any) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/odd")
        async def odd() -> None:
            raise Failure("Odd \ud800", detail="a\0b", shape=Silent())

    done = await (await live(register)).run("/odd")
    assert (done["status"], done["error"]["title"][:3]) == ("FAILED", "Odd")


async def test_members_of_a_failure_never_hide_the_standard_ones(live: Any) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/bold")
        async def bold() -> None:
            raise Failure("Bold", instance="mine", retryAfter="mine", colour="red")

    done = await (await live(register)).run("/bold")
    assert done["error"]["instance"] == f"/operations/{done['operationId']}"
    assert done["error"]["colour"] == "red"


async def test_while_a_coroutine_never_yields_http_answers_within_a_second(live: Any, gates: Gates) -> None:
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


async def test_while_a_coroutine_computes_without_end_http_answers_within_a_second(live: Any, gates: Gates) -> None:
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


async def test_a_coroutine_that_never_yields_is_cancelled_after_its_grace(live: Any, gates: Gates) -> None:
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


async def test_an_isolated_function_runs_in_a_process_of_its_own(live: Any) -> None:
    done = await (await live(isolate)).run("/computes", 12)
    assert done["result"]["square"] == 144
    assert done["result"]["pid"] != os.getpid()


@pytest.mark.parametrize("code", [0, 1, 137])
async def test_an_isolated_function_that_exits_fails_its_operation_and_nothing_else(live: Any, code: int) -> None:
    done = await (await live(isolate)).run("/exits", code)
    assert (done["status"], done["error"]["type"]) == ("FAILED", "/problems/operation-failed")
    assert f"exit code {code}" in done["error"]["detail"]


async def test_an_isolated_function_over_its_time_is_killed(live: Any) -> None:
    done = await (await live(isolate)).run("/endless")
    assert done["error"]["type"] == "/problems/operation-timed-out"


async def test_a_million_reports_are_no_burden(live: Any) -> None:
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


async def test_more_operations_than_slots_wait_for_their_turn(live: Any, gates: Gates) -> None:
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
