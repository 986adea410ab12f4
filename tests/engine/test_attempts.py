"""How one attempt ends: each clause of `conclude`, in a coroutine, a thread and a child process where they differ."""

import asyncio
import threading
from typing import Any

import pytest

from accepted import Attempt, Failure
from accepted.contract.operation import NO_JSON, Operation, Status
from accepted.contract.policy import Backoff
from accepted.contract.transition import Complete, Fail
from accepted.engine.registry import Registered, Registry
from accepted.engine.runner import describe
from accepted.service import Service
from tests.clock import MovableClock
from tests.engine import isolated
from tests.engine.gate import PATIENCE, Gate, Gates
from tests.engine.stage import OWNER, Stage, ended, store_of, submit, until


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


# --- timeouts


async def test_a_coroutine_that_takes_too_long(stage: Stage) -> None:
    cleaned = Gate()

    @stage.operation(timeout=0.05)
    async def slow() -> None:
        try:
            await Gate().passed()
        finally:
            cleaned.open()

    slug, detail, retryable = problem_of(await ended(await stage.node(), "slow"))
    assert (slug, retryable) == ("operation-timed-out", True)
    assert "0.05 s" in detail
    assert cleaned.is_open


async def test_a_thread_that_takes_too_long_is_stopped_by_its_next_report(stage: Stage) -> None:
    @stage.operation(timeout=0.05, cancel_grace=PATIENCE)
    def slow(attempt: Attempt) -> None:
        while True:
            attempt.progress(1)

    assert problem_of(await ended(await stage.node(), "slow"))[0] == "operation-timed-out"


async def test_a_child_process_that_takes_too_long_is_ended(stage: Stage) -> None:
    stage.operation(isolate=True, timeout=1.0, cancel_grace=PATIENCE)(isolated.endless)
    operation = await ended(await stage.node(), "endless")
    assert problem_of(operation)[0] == "operation-timed-out"
    assert operation.progress is not None
    assert operation.progress.message == "never ends"


@pytest.mark.parametrize("where", ["coroutine", "thread"])
async def test_a_function_that_ignores_its_timeout_is_waited_for_no_longer(
    stage: Stage, gates: Gates, where: str
) -> None:
    @stage.operation(timeout=0.05, cancel_grace=0.05)
    async def coroutine() -> None:
        try:
            await Gate().passed()
        except asyncio.CancelledError:
            await gates.go.passed()

    @stage.operation(timeout=0.05, cancel_grace=0.05)
    def thread() -> None:
        gates.go.wait()

    node = await stage.node()
    operation = await ended(node, where)
    assert problem_of(operation)[0] == "operation-timed-out"
    gates.go.open()
    assert (await operation_of(node, operation.id)) == operation


async def operation_of(node: Any, id: str) -> Operation:
    found = await node.store.operation(id)
    assert isinstance(found, Operation)
    return found


async def test_a_value_returned_within_the_grace_counts(stage: Stage) -> None:
    @stage.operation(timeout=0.05, cancel_grace=PATIENCE)
    async def nearly() -> str:
        try:
            await Gate().passed()
        except asyncio.CancelledError:
            return "just in time"
        return "never"

    operation = await ended(await stage.node(), "nearly")
    assert operation.status is Status.COMPLETED


# --- cancels


async def cancelled(stage: Stage, name: str, started: Gate) -> Operation:
    """Submit, and cancel it once it runs."""
    node = await stage.node()
    handle = await submit(node, name)
    await started.passed()
    return await Service(node).cancel(handle.id, OWNER, "no more")


async def test_a_coroutine_is_stopped_and_may_leave_something(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    async def partly(attempt: Attempt) -> None:
        try:
            await gates.held()
        finally:
            attempt.partial({"rows": 3})

    operation = await cancelled(stage, "partly", gates.started)
    assert (operation.status, operation.work_stopped, operation.reason) == (Status.CANCELLED, True, "no more")
    assert bytes(operation.partial) == b'{"rows":3}'


async def test_a_value_returned_after_the_cancel_is_its_partial_result(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    async def returns() -> list[int]:
        try:
            await gates.held()
        except asyncio.CancelledError:
            return [1, 2]
        return []

    operation = await cancelled(stage, "returns", gates.started)
    assert (operation.status, bytes(operation.partial)) == (Status.CANCELLED, b"[1,2]")


async def test_an_error_after_the_cancel_is_still_a_stop(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    async def stumbles() -> None:
        try:
            await gates.held()
        finally:
            raise ValueError("while cleaning up")

    operation = await cancelled(stage, "stumbles", gates.started)
    assert (operation.status, operation.work_stopped, operation.error) == (Status.CANCELLED, True, None)


async def test_a_thread_is_stopped_by_its_next_report(stage: Stage) -> None:
    started = Gate()
    seen: list[bool] = []

    @stage.operation(cancel_grace=PATIENCE)
    def thread(attempt: Attempt) -> None:
        try:
            while True:
                started.open()
                attempt.progress(1)
        finally:
            seen.append(attempt.cancelled)

    operation = await cancelled(stage, "thread", started)
    assert (operation.work_stopped, seen) == (True, [True])


@pytest.mark.parametrize("where", ["coroutine", "thread"])
async def test_a_function_that_ignores_the_cancel_is_fenced_off_after_the_grace(
    stage: Stage, gates: Gates, where: str
) -> None:
    @stage.operation(cancel_grace=0.05)
    async def coroutine() -> str:
        try:
            await gates.held()
        except asyncio.CancelledError:
            await gates.go.passed()
        return "too late"

    @stage.operation(cancel_grace=0.05)
    def thread() -> str:
        gates.hold()
        return "too late"

    operation = await cancelled(stage, where, gates.started)
    assert (operation.status, operation.work_stopped) == (Status.CANCELLED, False)
    assert operation.partial == NO_JSON
    gates.go.open()
    node = stage._started[0]
    again = await Service(node).cancel(operation.id, OWNER, "another")
    assert again == operation
    assert not store_of(node).all(Complete)


async def test_a_slot_is_free_again_once_its_function_was_given_up(stage: Stage, gates: Gates) -> None:
    @stage.operation(cancel_grace=0.05)
    def deaf() -> None:
        gates.hold()

    @stage.operation()
    def next_one() -> str:
        return threading.current_thread().name

    node = await stage.node(slots=1)
    handle = await submit(node, "deaf")
    await gates.started.passed()
    behind = await submit(node, "next-one")
    await Service(node).cancel(handle.id, OWNER, None)
    assert behind.id in str(await behind.result(PATIENCE))


async def test_a_pending_operation_that_is_cancelled_never_runs(stage: Stage) -> None:
    ran: list[int] = []

    @stage.operation()
    async def never() -> None:
        ran.append(1)

    web = await stage.node(working=False)
    handle = await submit(web, "never")
    assert (await handle.cancel("no")).work_stopped is True
    node = await stage.node()
    await ended(node, "never")
    assert len(ran) == 1


async def test_a_cancel_right_at_the_start_still_counts_as_stopped(stage: Stage) -> None:
    """Before the coroutine's first step: it never began, so it has stopped."""

    @stage.operation(cancel_grace=PATIENCE)
    async def begun() -> None:
        await Gate().passed()

    node = await stage.node()
    service = Service(node)
    for _ in range(30):
        handle = await submit(node, "begun")
        operation = await asyncio.wait_for(service.cancel(handle.id, OWNER, None), PATIENCE / 2)
        assert (operation.status, operation.work_stopped) == (Status.CANCELLED, True)
