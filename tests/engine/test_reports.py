"""What a function reports while it runs: cheap, newest wins, the last is never lost (guarantees P1 to P3)."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest

from accepted import Attempt, Cancelled
from accepted.contract.operation import Status
from accepted.contract.policy import Backoff
from accepted.contract.transition import Advance, Renew, Rescue, Resign, Transition
from accepted.engine.attempt import WARNING_LIMIT
from accepted.engine.node import Node
from accepted.store.protocol import StoreUnavailable
from tests.clock import MovableClock
from tests.engine import isolated
from tests.engine.gate import PATIENCE, Gate, Gates
from tests.engine.stage import Stage, ended, store_of, submit, until

WRITES_A_SECOND = 10  # guarantee P3
COST = 4e-6  # seconds of one call on a busy, slow machine; it measures at a tenth of that


# --- progress


@pytest.mark.parametrize("where", ["thread", "coroutine"])
async def test_a_million_calls_cost_little_and_few_writes(stage: Stage, where: str) -> None:
    million = 1_000_000

    def count(attempt: Attempt) -> float:
        began = time.perf_counter()
        for number in range(million):
            attempt.progress(number, million)
        return time.perf_counter() - began

    @stage.operation()
    def thread(attempt: Attempt) -> float:
        return count(attempt)

    @stage.operation()
    async def coroutine(attempt: Attempt) -> float:
        return count(attempt)

    node = await stage.node()
    seconds = await (await submit(node, where)).result(30)
    assert seconds / million < COST
    assert len(store_of(node).all(Advance)) <= WRITES_A_SECOND * seconds + 2


async def test_a_child_that_reports_a_million_times_writes_as_rarely(stage: Stage) -> None:
    stage.operation(isolate=True)(isolated.counting_fast)
    node = await stage.node()
    seconds = await (await submit(node, "counting-fast", 1_000_000)).result(30)
    assert len(store_of(node).all(Advance)) <= WRITES_A_SECOND * seconds + 3


@pytest.mark.parametrize("where", ["coroutine", "thread", "counting"])
async def test_what_was_said_last_before_the_end_is_stored(stage: Stage, where: str) -> None:
    @stage.operation()
    async def coroutine(attempt: Attempt, total: int) -> None:
        isolated.counting(attempt, total)

    @stage.operation()
    def thread(attempt: Attempt, total: int) -> None:
        isolated.counting(attempt, total)

    stage.operation(isolate=True)(isolated.counting)
    operation = await ended(await stage.node(), where, 2_000)
    assert operation.status is Status.FAILED
    assert operation.progress is not None
    assert (operation.progress.current, operation.progress.total) == (2_000, 2_000)
    assert (operation.progress.percentage, operation.progress.message) == (99, "counting")


async def test_progress_is_seen_while_the_function_goes_on(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    async def slow(attempt: Attempt) -> None:
        attempt.progress(1, 4, "one")
        await gates.go.passed()

    node = await stage.node()
    handle = await submit(node, "slow")
    operation = await until(node, handle.id, lambda each: each.progress is not None)
    assert operation.progress is not None
    assert (operation.progress.percentage, operation.progress.message) == (25, "one")
    assert operation.status is Status.PROCESSING


async def test_progress_never_falls_at_any_read(stage: Stage) -> None:
    @stage.operation()
    async def jumpy(attempt: Attempt) -> None:
        for number in (1, 9, 3, 7, 2, 8):
            attempt.progress(number, 10)
            attempt.log(f"at {number}")
            await attempt.checkpoint(number)  # so that each of them is written

    node = await stage.node()
    handle = await submit(node, "jumpy")
    shares = [event.progress.percentage async for event in handle.events() if event.progress is not None]
    assert [each or 0 for each in shares] == sorted(each or 0 for each in shares)
    assert shares[-1] == 100


class Odd:
    """What nobody should report."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "said",
    [
        {"current": True, "total": 2},
        {"current": Decimal(1), "total": Decimal(2)},
        {"current": "1", "total": "2"},
        {"current": 10**30},
        {"current": 1, "total": 2, "message": Odd()},
        {"percentage": Decimal(50)},
        {"current": float("nan"), "total": float("inf")},
        {"current": [1]},
    ],
    ids=["bool", "decimal", "text", "huge", "unspeakable", "decimal share", "infinite", "list"],
)
async def test_a_report_that_makes_no_sense_harms_nothing(stage: Stage, said: dict[str, Any]) -> None:
    """It may not even make the record unreadable: then the worker that holds it could not renew its lease."""

    @stage.operation()
    async def odd(attempt: Attempt) -> str:
        attempt.progress(**said)
        await attempt.checkpoint(1)
        attempt.progress(**said)
        return "done"

    node = await stage.node()
    assert await (await submit(node, "odd")).result(PATIENCE) == "done"


async def test_a_warning_counts_records_in_whole_numbers(stage: Stage) -> None:
    @stage.operation()
    async def counted(attempt: Attempt) -> None:
        attempt.warn("A", "one", 3.0)  # type: ignore[arg-type]
        attempt.warn("B", "two", Decimal(2))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="many"):
            attempt.warn("C", "three", "many")  # type: ignore[arg-type]

    operation = await ended(await stage.node(), "counted")
    assert [each.affected_records for each in operation.warnings] == [3, 2]


async def test_track_reports_for_its_caller(stage: Stage) -> None:
    class Pages:
        """Asynchronous, with a length."""

        def __len__(self) -> int:
            return 3

        def __aiter__(self) -> Any:
            return self.each()

        async def each(self) -> Any:
            for number in range(3):
                yield number

    @stage.operation()
    async def tracked(attempt: Attempt) -> list[int]:
        found = list(attempt.track([1, 2], message="rows"))
        return found + [page async for page in attempt.track(Pages())]

    node = await stage.node()
    assert await (await submit(node, "tracked")).result(PATIENCE) == [1, 2, 0, 1, 2]


async def test_phases_are_announced_begun_and_completed(stage: Stage, gates: Gates) -> None:
    @stage.operation(phases=["A", "B"])
    async def phased(attempt: Attempt) -> None:
        with attempt.phase("A"):
            attempt.progress(1, 2)
        async with attempt.phase("B"):
            attempt.progress(1, 2)
            await gates.held()

    node = await stage.node()
    handle = await submit(node, "phased")
    await gates.started.passed()
    running = await until(node, handle.id, lambda each: each.progress is not None and each.progress.percentage == 75)
    assert running.progress is not None
    assert [(phase.name, phase.status) for phase in running.progress.phases] == [
        ("A", "COMPLETED"),
        ("B", "IN_PROGRESS"),
    ]
    gates.go.open()
    done = (await handle.wait(PATIENCE)).progress
    assert done is not None
    assert done.percentage == 100


# --- after the end


async def test_reports_after_the_end_are_ignored(stage: Stage) -> None:
    kept: list[Attempt] = []

    @stage.operation()
    async def leaves(attempt: Attempt) -> str:
        kept.append(attempt)
        return "done"

    node = await stage.node()
    operation = await ended(node, "leaves")
    (attempt,) = kept

    def report() -> None:
        attempt.progress(1, 2)
        attempt.log("late")
        attempt.warn("LATE", "late")
        attempt.partial({"late": True})

    report()
    await asyncio.to_thread(report)
    await ended(node, "leaves")
    assert [each for each in store_of(node).all(Advance) if each.operation_id == operation.id] == []
    assert await node.store.operation(operation.id) == operation
    assert await node.store.lines(operation.id, 0, 10) == []


async def test_a_checkpoint_after_the_end_is_refused(stage: Stage) -> None:
    kept: list[Attempt] = []

    @stage.operation()
    async def leaves(attempt: Attempt) -> None:
        kept.append(attempt)

    await ended(await stage.node(), "leaves")
    with pytest.raises(Cancelled):
        await asyncio.wait_for(kept[0].checkpoint(1), PATIENCE)


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


async def test_what_was_reported_while_the_store_was_away_is_not_lost(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    async def reporting(attempt: Attempt) -> None:
        attempt.warn("ODD", "a row")
        attempt.log("a line")
        await gates.held()

    node = await stage.node()
    refused = Gate()

    async def before(batch: Sequence[Transition]) -> None:
        if not refused.is_open and any(isinstance(each, Advance) for each in batch):
            refused.open()
            raise StoreUnavailable("for a moment")

    store_of(node).before = before
    handle = await submit(node, "reporting")
    await refused.passed()
    gates.go.open()
    operation = await handle.wait(PATIENCE)
    assert operation.status is Status.COMPLETED_WITH_ERRORS
    assert [each.code for each in operation.warnings] == ["ODD"]
    assert [each.message for each in await node.store.lines(handle.id, 0, 10)] == ["a line"]


async def test_a_coroutine_cancelled_in_a_checkpoint_leaves_no_noise(
    stage: Stage, gates: Gates, caplog: pytest.LogCaptureFixture
) -> None:
    @stage.operation()
    async def interrupted(attempt: Attempt) -> None:
        await attempt.checkpoint(1)

    node = await stage.node()
    writing = Gate()

    async def before(batch: Sequence[Transition]) -> None:
        if any(isinstance(each, Advance) for each in batch):
            writing.open()
            await gates.go.passed()

    store_of(node).before = before
    handle = await submit(node, "interrupted")
    await writing.passed()
    cancelling = asyncio.create_task(handle.cancel())
    gates.go.open()
    assert (await asyncio.wait_for(cancelling, PATIENCE)).status is Status.CANCELLED
    assert [record for record in caplog.records if record.name == "asyncio"] == []


# --- log lines and warnings


@pytest.mark.parametrize("where", ["coroutine", "thread", "logging-lines"])
async def test_records_of_logging_made_inside_are_lines_of_its_log(stage: Stage, where: str) -> None:
    @stage.operation()
    async def coroutine(lines: int) -> None:
        isolated.logging_lines(lines)

    @stage.operation()
    def thread(lines: int) -> None:
        isolated.logging_lines(lines)

    stage.operation(isolate=True)(isolated.logging_lines)
    node = await stage.node()
    logging.getLogger("somebody.else").warning("outside")
    operation = await ended(node, where, 3)
    lines = await node.store.lines(operation.id, 0, 100)
    assert [(line.line, line.message) for line in lines] == [(1, "line 0"), (2, "line 1"), (3, "line 2")]
    assert {line.level for line in lines} == {"WARNING"}


async def test_two_nodes_in_one_process_write_a_line_once(stage: Stage) -> None:
    @stage.operation()
    async def once() -> None:
        isolated.logging_lines(1)

    nodes = [await stage.node(), await stage.node()]
    operation = await ended(nodes[0], "once")
    assert len(await nodes[0].store.lines(operation.id, 0, 10)) == 1


async def test_lines_have_levels_fields_and_the_number_of_the_attempt(stage: Stage) -> None:
    @stage.operation(attempts=2, backoff=Backoff(0.0, 0.0))
    def wordy(attempt: Attempt) -> None:
        attempt.log("read\0", "debug", rows=3, odd=Odd, nan=float("nan"))
        if attempt.number == 1:
            raise ConnectionError

    node = await stage.node()
    operation = await ended(node, "wordy")
    lines = await node.store.lines(operation.id, 0, 100)
    assert [(line.line, line.attempt, line.level) for line in lines] == [(1, 1, "DEBUG"), (2, 2, "DEBUG")]
    assert lines[0].message == "read\N{REPLACEMENT CHARACTER}"
    assert lines[0].fields["rows"] == 3
    assert (lines[0].fields["nan"], lines[0].fields["odd"][:6]) == ("nan", "<class")


@pytest.mark.parametrize("where", ["thread", "logging-lines"])
async def test_a_log_is_full_at_its_limit(stage: Stage, where: str) -> None:
    @stage.operation()
    def thread(lines: int) -> None:
        isolated.logging_lines(lines)

    stage.operation(isolate=True)(isolated.logging_lines)
    node = await stage.node(log_limit=5)
    operation = await ended(node, where, 20)
    lines = await node.store.lines(operation.id, 0, 100)
    assert [line.message for line in lines[:4]] == [f"line {number}" for number in range(4)]
    assert "full" in lines[4].message
    assert len(lines) == operation.lines == 5


class Chatty:
    """A value that logs when it is looked at."""

    def __repr__(self) -> str:
        logging.getLogger("chatty").warning("looked at")
        return "chatty"


async def test_a_value_that_logs_on_its_part_stops_nothing(stage: Stage) -> None:
    @stage.operation()
    def nested(attempt: Attempt) -> None:
        attempt.log("outer", value=Chatty())

    node = await stage.node()
    operation = await ended(node, "nested")
    assert sorted(line.message for line in await node.store.lines(operation.id, 0, 9)) == ["looked at", "outer"]


@pytest.mark.parametrize("where", ["thread", "warning"])
async def test_warnings_end_it_with_errors_and_are_kept_up_to_a_limit(stage: Stage, where: str) -> None:
    @stage.operation()
    def thread(attempt: Attempt, number: int) -> None:
        isolated.warning(attempt, number)

    stage.operation(isolate=True)(isolated.warning)
    operation = await ended(await stage.node(), where, WARNING_LIMIT + 50)
    assert operation.status is Status.COMPLETED_WITH_ERRORS
    assert len(operation.warnings) == WARNING_LIMIT + 1
    assert operation.warnings[-1].code == "MORE_WARNINGS"


async def test_the_next_attempt_starts_without_the_warnings_of_the_last(stage: Stage) -> None:
    @stage.operation(attempts=2, backoff=Backoff(0.0, 0.0))
    async def better(attempt: Attempt) -> None:
        if attempt.number == 1:
            attempt.warn("ODD", "once")
            raise ConnectionError

    operation = await ended(await stage.node(), "better")
    assert (operation.status, operation.warnings) == (Status.COMPLETED, ())


async def test_reports_from_many_threads_at_once_are_all_kept(stage: Stage) -> None:
    def each(attempt: Attempt, name: int) -> None:
        for number in range(50):
            attempt.log(f"{name}-{number}")
            attempt.progress(number, 50)

    @stage.operation()
    def crowd(attempt: Attempt) -> None:
        threads = [threading.Thread(target=each, args=(attempt, name)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    node = await stage.node()
    operation = await ended(node, "crowd")
    assert operation.lines == 400
    messages = {line.message for line in await node.store.lines(operation.id, 0, 500)}
    assert messages == set(names())


def names() -> Iterator[str]:
    return (f"{name}-{number}" for name in range(8) for number in range(50))
