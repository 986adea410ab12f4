"""Whatever a function returns or raises, its operation ends as it should and the app lives on: contract, 2 to 4."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from accepted import Accepted, Failure
from tests.http.conftest import Live
from tests.http.hostile import Rude, Silent, SilentError, cycle, pit


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Tracebacks stay out of the reports of these tests, which cannot carry every text there is."""
    caplog.set_level(logging.CRITICAL, logger="accepted.engine")


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
    "a lone surrogate": lambda: "\ud800",
    "a lone surrogate in a name": lambda: {"\ud800": 1},
    "a name that is a tuple": lambda: {(1, 2): 3},
    "a complex number": lambda: 1j,
    "an exception": lambda: ValueError("returned"),
}


@pytest.mark.parametrize("kind", ["coroutine", "function"])
@pytest.mark.parametrize("value", INVALID.values(), ids=INVALID.keys())
async def test_what_json_cannot_hold_fails_with_invalid_result(live: Live, kind: str, value: Callable[[], Any]) -> None:
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


async def test_a_set_is_a_list_or_an_invalid_result(live: Live) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/sets")
        async def returned() -> Any:
            return {1}

    done = await (await live(register)).run("/sets")
    assert done.get("result", {}).get("value") == [1] or done["error"]["type"] == "/problems/invalid-result"


async def test_a_string_of_10_mib_is_a_result(live: Live) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/large")
        async def large() -> str:
            return "\xfc" * (5 << 20)

    api = await live(register)
    done = await api.run("/large")
    assert done["result"] == {"url": f"/operations/{done['operationId']}/result"}
    assert len((await api.get(done["result"]["url"])).content) == (10 << 20) + 2


async def test_a_value_over_the_limit_fails_with_result_too_large(live: Live) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/large")
        async def large(size: int) -> str:
            return "x" * (size - 2)

    api = await live(register, result_limit="100KiB")
    assert (await api.run("/large", 100 * 1024))["status"] == "COMPLETED"
    done = await api.run("/large", 100 * 1024 + 1)
    assert (done["status"], done["error"]["type"]) == ("FAILED", "/problems/result-too-large")


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
    live: Live, kind: str, error: Callable[[], BaseException], detail: str
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


async def test_a_long_message_is_cut_at_500_characters(live: Live) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/wordy")
        async def wordy() -> None:
            raise ValueError("x" * 100_000)

    assert len((await (await live(register)).run("/wordy"))["error"]["detail"]) == 500


async def test_a_failure_with_members_that_json_cannot_hold_fails_all_the_same(live: Live) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/odd")
        async def odd() -> None:
            raise Failure("Odd \ud800", type="odd", detail="a\0b", retryable=True, shape=Silent())

    done = await (await live(register)).run("/odd")
    assert (done["status"], done["error"]["title"][:3]) == ("FAILED", "Odd")
    assert (done["error"]["type"], done["error"]["retryable"]) == ("/problems/odd", True)


async def test_a_failure_without_any_text_fails_all_the_same(live: Live) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/odd")
        async def odd() -> None:
            raise Failure(Silent())  # type: ignore[arg-type]

    done = await (await live(register)).run("/odd")
    assert (done["status"], done["error"]["type"]) == ("FAILED", "/problems/operation-failed")


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -5, 1e300, 10**400, "soon"])
async def test_a_failure_with_a_retry_after_of_nonsense_fails_all_the_same(live: Live, seconds: Any) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/odd")
        async def odd() -> None:
            raise Failure("Odd", retryable=True, retry_after=seconds)

    done = await (await live(register)).run("/odd")
    assert done["status"] == "FAILED"


async def test_members_of_a_failure_never_hide_the_standard_ones(live: Live) -> None:
    def register(app: Accepted) -> None:
        @app.operation("/bold")
        async def bold() -> None:
            raise Failure("Bold", instance="mine", retryAfter="mine", colour="red")

    done = await (await live(register)).run("/bold")
    assert done["error"]["instance"] == f"/operations/{done['operationId']}"
    assert done["error"]["colour"] == "red"
