"""What a function reports while it runs: cheap, newest wins, the last is never lost (guarantees P1 to P3)."""

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest

from accepted import Attempt, Cancelled
from accepted.contract.operation import Status
from accepted.contract.transition import Advance
from tests.engine import isolated
from tests.engine.gate import PATIENCE, Gates
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


async def test_texts_that_stand_in_every_document_have_a_limit(stage: Stage) -> None:
    @stage.operation()
    async def chatty(attempt: Attempt) -> None:
        async with attempt.phase("P" * 5000):
            attempt.progress(1, 2, "m" * 5000)
        attempt.warn("C" * 5000, "w" * 5000)

    handle = await submit(await stage.node(), "chatty")
    operation = await handle.wait(PATIENCE)
    assert operation.progress is not None
    assert [len(phase.name) for phase in operation.progress.phases] == [1000]
    assert [(len(warning.code), len(warning.message)) for warning in operation.warnings] == [(1000, 1000)]
    assert len(operation.progress.message or "") == 1000
