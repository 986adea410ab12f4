"""How one attempt ends by itself: each clause of `conclude`, and what is tried again when."""

import asyncio
from typing import Any

import pytest

from accepted import Attempt, Failure
from accepted.contract.operation import Operation, Status
from accepted.contract.policy import Backoff
from accepted.contract.transition import Fail
from accepted.engine.registry import Registered, Registry
from accepted.engine.runner import describe
from tests.clock import MovableClock
from tests.engine.gate import PATIENCE
from tests.engine.stage import Stage, ended, store_of, submit, until


def problem_of(operation: Operation) -> tuple[str, str, bool | None]:
    """(slug, detail, retryable) of what it FAILED with."""
    assert operation.status is Status.FAILED
    assert operation.error is not None
    return operation.error.slug, operation.error.detail, operation.error.retryable


# --- results and failures


async def test_a_value_completes_it(stage: Stage) -> None:
    @stage.operation()
    async def answer() -> dict[str, int]:
        return {"answer": 42}

    operation = await ended(await stage.node(), "answer")
    assert operation.status is Status.COMPLETED
    assert operation.result is not None
    assert bytes(operation.result.value) == b'{"answer":42}'
    assert (operation.attempt, operation.crashes, operation.worker) == (1, 0, None)


async def test_a_failure_on_purpose_is_kept_whole(stage: Stage) -> None:
    @stage.operation()
    def fails() -> None:
        raise Failure("Too Hot", detail="39", type="too-hot", status=503, retryable=True, retry_after=7, degrees=39)

    operation = await ended(await stage.node(), "fails")
    assert problem_of(operation) == ("too-hot", "39", True)
    assert operation.error is not None
    assert (operation.error.title, operation.error.status) == ("Too Hot", 503)
    assert (operation.error.retry_after, operation.error.members) == (7, {"degrees": 39})


class Unspeakable(Exception):
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")


ERRORS: dict[str, tuple[BaseException, str]] = {
    "value": (ValueError("bad\x1b[31m\nrow"), "ValueError: bad [31m row"),
    "silent": (KeyError(), "KeyError"),
    "unspeakable": (Unspeakable(), "Unspeakable: (its message cannot be shown)"),
    "long": (ValueError("x" * 9_000), "ValueError: " + "x" * 488),
    "exit": (SystemExit(3), "SystemExit: 3"),
    "interrupt": (KeyboardInterrupt(), "KeyboardInterrupt"),
    "own cancel": (asyncio.CancelledError(), "CancelledError"),
}


@pytest.mark.parametrize("kind", list(ERRORS))
@pytest.mark.parametrize("where", ["coroutine", "thread"])
async def test_any_other_exception_is_named_without_a_traceback(stage: Stage, where: str, kind: str) -> None:
    error, detail = ERRORS[kind]

    @stage.operation()
    async def coroutine() -> None:
        raise error

    @stage.operation()
    def thread() -> str:
        raise error

    @stage.operation()
    async def fine() -> None: ...

    node = await stage.node()
    operation = await ended(node, where)
    assert problem_of(operation) == ("operation-failed", detail, False)
    assert (await ended(node, "fine")).status is Status.COMPLETED  # and nobody else is hurt


def test_a_message_that_is_no_text_is_described_all_the_same() -> None:
    assert describe(ValueError("\ud800\0")) == "ValueError: ?\N{REPLACEMENT CHARACTER}"


async def test_an_exception_is_retryable_where_the_policy_has_attempts(stage: Stage) -> None:
    @stage.operation(attempts=2, backoff=Backoff(0.0, 0.0))
    async def twice() -> None:
        raise ValueError("again")

    operation = await ended(await stage.node(), "twice")
    assert problem_of(operation) == ("operation-failed", "ValueError: again", True)
    assert (operation.attempt, operation.failures) == (2, 2)


async def test_a_failure_that_is_not_retryable_is_not_tried_again(stage: Stage) -> None:
    @stage.operation(attempts=5, backoff=Backoff(0.0, 0.0))
    async def once() -> None:
        raise Failure("Never")

    assert (await ended(await stage.node(), "once")).attempt == 1


async def test_a_result_that_json_cannot_hold(stage: Stage) -> None:
    @stage.operation()
    async def invalid() -> float:
        return float("nan")

    assert problem_of(await ended(await stage.node(), "invalid"))[0] == "invalid-result"


async def test_a_result_over_the_limit(stage: Stage) -> None:
    @stage.operation()
    def large() -> str:
        return "x" * 2_000

    assert problem_of(await ended(await stage.node(result_limit=1_000), "large"))[0] == "result-too-large"


async def test_an_input_that_no_longer_fits(stage: Stage) -> None:
    """It was accepted by another version of the function."""

    def changed(row: int) -> int:
        return row

    def now(row: dict[str, int]) -> int:
        return row["row"]

    before, after = Registry(), Registry()
    before.add(Registered("/changed", changed))
    after.add(Registered("/changed", now, name="changed"))
    web = await stage.node(working=False, registry=before)
    await stage.node(registry=after)
    operation = await (await submit(web, "changed", 7)).wait(PATIENCE)
    assert problem_of(operation)[0] == "invalid-input"
    assert operation.error is not None
    assert operation.error.members["errors"][0]["pointer"] == ""


@pytest.mark.parametrize("retry_after", [float("nan"), float("inf"), -1, "soon", 1e300])
async def test_a_failure_with_an_impossible_date_ends_the_operation(stage: Stage, retry_after: Any) -> None:
    @stage.operation(attempts=2)
    async def impossible() -> None:
        raise Failure("Later", retryable=True, retry_after=retry_after)

    operation = await ended(await stage.node(), "impossible")
    assert operation.status is Status.FAILED


class Homemade(Failure):
    """A subclass that forgets what it is made of."""

    def __init__(self) -> None:
        self.args = ("homemade",)


async def test_a_failure_that_is_no_proper_one_ends_the_operation(stage: Stage) -> None:
    @stage.operation()
    async def strange() -> None:
        raise Homemade

    assert problem_of(await ended(await stage.node(), "strange"))[0] == "operation-failed"


# --- retries


async def test_a_retry_waits_as_long_as_its_backoff_says(stage: Stage, clock: MovableClock) -> None:
    @stage.operation(attempts=3, backoff=Backoff(100.0, 400.0))
    async def flaky(attempt: Attempt) -> int:
        if attempt.number < 3:
            raise ConnectionError(attempt.number)
        return attempt.number

    node = await stage.node()
    handle = await submit(node, "flaky")
    for failures, ceiling in ((1, 100_000), (2, 200_000)):
        waiting = await until(node, handle.id, lambda each, n=failures: each.failures == n)  # type: ignore[misc]
        assert (waiting.status, waiting.crashes, waiting.attempt_at) == (Status.PENDING, 0, None)
        assert 0 <= waiting.due_at - waiting.updated_at <= ceiling
        clock.advance(ceiling / 1000)
    assert await handle.result(PATIENCE) == 3
    delays = [each.delay for each in store_of(node).all(Fail)]
    assert len(delays) == 2


async def test_a_retry_waits_at_least_as_long_as_the_failure_asks(stage: Stage) -> None:
    @stage.operation(attempts=2)
    async def throttled() -> None:
        raise Failure("Slow down", retryable=True, retry_after=300)

    node = await stage.node()
    handle = await submit(node, "throttled")
    waiting = await until(node, handle.id, lambda each: each.failures == 1)
    assert 300_000 <= waiting.due_at - waiting.updated_at <= 301_000
