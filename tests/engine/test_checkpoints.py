"""Checkpoints: durable before they return, found by the next attempt, refused to whoever has lost the operation."""

import asyncio
from collections.abc import Sequence

import pytest

from accepted import Attempt, Cancelled
from accepted.contract.policy import Backoff
from accepted.contract.transition import Advance, Renew, Rescue, Resign, Transition
from accepted.engine.node import Node
from accepted.engine.runner import Reason
from accepted.store.protocol import StoreUnavailable
from tests.clock import MovableClock
from tests.engine import isolated
from tests.engine.gate import PATIENCE, Gate, Gates
from tests.engine.stage import Stage, store_of, submit, until

# --- checkpoints


@pytest.mark.parametrize(
    ("where", "value"), [("coroutine", 40), ("thread", 39), ("resuming", 41), ("resuming-coroutine", 42)]
)
async def test_a_checkpoint_is_found_by_the_next_attempt(stage: Stage, where: str, value: int) -> None:
    at_once = {"attempts": 2, "backoff": Backoff(0.0, 0.0)}

    @stage.operation(**at_once)
    async def coroutine(attempt: Attempt) -> object:
        if attempt.resume is None:
            await attempt.checkpoint({"at": 40})
            raise ConnectionError
        return attempt.resume

    @stage.operation(**at_once)
    def thread(attempt: Attempt) -> object:
        if attempt.resume is None:
            attempt.checkpoint({"at": 39})
            raise ConnectionError
        return attempt.resume

    stage.operation(isolate=True, **at_once)(isolated.resuming)
    stage.operation(isolate=True, **at_once)(isolated.resuming_coroutine)
    handle = await submit(await stage.node(), where)
    assert await handle.result(PATIENCE) == {"at": value}


@pytest.mark.parametrize("where", ["coroutine", "thread"])
async def test_a_checkpoint_is_durable_before_it_returns(stage: Stage, gates: Gates, where: str) -> None:
    """Another node finds it after the worker died right behind it."""

    @stage.operation()
    async def coroutine(attempt: Attempt) -> object:
        if attempt.number == 1:
            await attempt.checkpoint([1])
            await gates.held()
        return attempt.resume

    @stage.operation()
    def thread(attempt: Attempt) -> object:
        if attempt.number == 1:
            attempt.checkpoint([1])
            gates.hold()
        return attempt.resume

    clock = stage.clock
    assert isinstance(clock, MovableClock)
    doomed = await stage.node(lease_ttl=30, scan_interval=36_000)
    handle = await submit(doomed, where)
    await gates.started.passed()
    await silenced(doomed)
    clock.advance(31)
    other = await stage.node(lease_ttl=30, scan_interval=36_000)
    await other.committer.commit(Rescue(3))
    operation = await until(other, handle.id, lambda each: each.terminal)
    assert operation.result is not None
    assert bytes(operation.result.value) == b"[1]"
    store_of(doomed).before = None


async def silenced(node: Node) -> None:
    """From now on this node cannot write."""

    async def before(_batch: Sequence[Transition]) -> None:
        raise StoreUnavailable("gone")

    store_of(node).before = before


@pytest.mark.parametrize("where", ["coroutine", "thread"])
async def test_a_checkpoint_of_somebody_who_lost_the_operation_raises_cancelled(
    stage: Stage, gates: Gates, where: str
) -> None:
    raised: list[BaseException] = []
    told = Gate()

    def note(error: BaseException) -> None:
        raised.append(error)
        told.open()

    @stage.operation(cancel_grace=PATIENCE)
    async def coroutine(attempt: Attempt) -> None:
        await gates.held()
        try:
            await attempt.checkpoint(1)
        except BaseException as error:
            note(error)
            raise

    @stage.operation(cancel_grace=PATIENCE)
    def thread(attempt: Attempt) -> None:
        gates.hold()
        try:
            attempt.checkpoint(1)
        except BaseException as error:
            note(error)
            raise

    node = await stage.node(lease_ttl=3600, scan_interval=36_000)
    handle = await submit(node, where)
    await gates.started.passed()
    worker = node.worker
    assert worker is not None
    runs = list(worker._runs.values())
    other = await stage.node(working=False, scan_interval=36_000)
    worker._runs.clear()  # it hears no hints, as if they were lost
    await other.committer.commit(Resign(worker.id))
    await other.committer.commit(Rescue(3))
    gates.go.open()
    await told.passed()
    assert isinstance(raised[0], (Cancelled, asyncio.CancelledError))
    assert runs[0].operation.id == handle.id
    await other.committer.commit(Renew(worker.id, 3_600_000, True))


async def test_a_checkpoint_waits_for_a_store_that_comes_back(stage: Stage) -> None:
    @stage.operation()
    async def patient(attempt: Attempt) -> str:
        await attempt.checkpoint(1)
        return "done"

    node = await stage.node()
    failed = 0

    async def before(batch: Sequence[Transition]) -> None:
        nonlocal failed
        if failed < 2 and any(isinstance(each, Advance) for each in batch):
            failed += 1
            raise StoreUnavailable("for a moment")

    store_of(node).before = before
    assert await (await submit(node, "patient")).result(PATIENCE) == "done"
    assert failed == 2


async def test_a_coroutine_stopped_in_a_checkpoint_leaves_no_noise(
    stage: Stage, gates: Gates, caplog: pytest.LogCaptureFixture
) -> None:
    @stage.operation()
    async def interrupted(attempt: Attempt) -> int:
        await attempt.checkpoint(1)
        return attempt.number

    node = await stage.node()
    writing = Gate()

    async def before(batch: Sequence[Transition]) -> None:
        if any(isinstance(each, Advance) for each in batch):
            writing.open()
            await gates.go.passed()

    store_of(node).before = before
    handle = await submit(node, "interrupted")
    await writing.passed()
    assert node.worker is not None
    (run,) = node.worker._runs.values()
    run.stop(Reason.HANDED_BACK)
    await asyncio.wait({run._ended}, timeout=PATIENCE)  # before its checkpoint is written
    gates.go.open()
    assert await handle.result(PATIENCE) == 2
    assert [record for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize("what", ["checkpoint", "partial"])
async def test_what_is_kept_on_the_way_is_no_larger_than_a_result(stage: Stage, what: str) -> None:
    @stage.operation()
    async def keeps(attempt: Attempt) -> str:
        try:
            await (
                attempt.checkpoint("x" * 2000)
                if what == "checkpoint"
                else asyncio.to_thread(attempt.partial, "x" * 2000)
            )
        except ValueError as error:
            return str(error)
        return "kept"

    handle = await submit(await stage.node(result_limit=1000), "keeps")
    assert "result_limit" in await handle.result(PATIENCE)


async def test_an_operation_that_is_registered_after_the_start_runs_too(stage: Stage) -> None:
    node = await stage.node()

    @stage.operation()
    async def late() -> str:
        return "here"

    assert await (await submit(node, "late")).result(PATIENCE) == "here"
