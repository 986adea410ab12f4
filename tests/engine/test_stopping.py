"""How a function is stopped: by its timeout, by a cancel; and what becomes of one that does not listen."""

import asyncio
import threading
from typing import Any

import pytest

from accepted import Attempt
from accepted.contract.operation import NO_JSON, Operation, Status
from accepted.contract.transition import Complete
from accepted.service import Service
from tests.engine import isolated
from tests.engine.gate import PATIENCE, Gate, Gates
from tests.engine.stage import OWNER, Stage, ended, store_of, submit


def problem_of(operation: Operation) -> tuple[str, str, bool | None]:
    """(slug, detail, retryable) of what it FAILED with."""
    assert operation.status is Status.FAILED
    assert operation.error is not None
    return operation.error.slug, operation.error.detail, operation.error.retryable


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


@pytest.mark.parametrize("first", ["timeout", "drain"])
async def test_a_cancel_that_comes_second_is_not_said_to_have_stopped_what_still_runs(
    stage: Stage, gates: Gates, first: str
) -> None:
    """The timeout, or the end of the node, has asked before; the function listens to nobody."""

    @stage.operation(timeout=0.1 if first == "timeout" else None, cancel_grace=0.6)
    def deaf() -> None:
        gates.hold()

    web = await stage.node(working=False)
    node = await stage.node(drain_timeout=1.0, lease_ttl=3600)
    handle = await submit(web, "deaf")
    await gates.started.passed()
    assert node.worker is not None
    (run,) = node.worker._runs.values()
    stopping = None if first == "timeout" else asyncio.create_task(stage.stop(node))
    while run.reason is None:  # noqa: ASYNC110
        await asyncio.sleep(0)
    operation = await Service(web).cancel(handle.id, OWNER, None)
    assert (operation.status, operation.work_stopped) == (Status.CANCELLED, False)
    gates.go.open()
    if stopping is not None:
        await stopping
