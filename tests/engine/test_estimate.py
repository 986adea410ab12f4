"""Estimates are honest: from the type's own history and the present progress, or not at all (contract, section 3)."""

import asyncio

import pytest

from accepted.contract.operation import Operation, Result
from accepted.contract.progress import Progress
from accepted.contract.transition import Advance, Claim, Complete, Renew, Report
from accepted.contract.wire import Advice
from accepted.engine.estimate import Estimator
from accepted.engine.node import Node
from accepted.handle import Handle
from tests.clock import MovableClock
from tests.engine.stage import Stage, store_of, submit

SLACK = 0.25  # seconds: the clock goes on while the test runs


@pytest.fixture
async def node(stage: Stage) -> Node:
    """A node whose operations the test claims and completes itself."""

    @stage.operation()
    def measured() -> None: ...

    @stage.operation()
    def other() -> None: ...

    node = await stage.node(working=False, scan_interval=10**8)
    await node.committer.commit(Renew("w", 10**10, True))
    return node


async def claimed(node: Node) -> Operation:
    (operation,) = (await node.committer.commit(Claim("w", ("measured",), 1))).operations
    assert isinstance(operation, Operation)
    return operation


async def ran(node: Node, clock: MovableClock, *seconds: float) -> None:
    """Runs of so many seconds each."""
    for each in seconds:
        await submit(node, "measured")
        operation = await claimed(node)
        clock.advance(each)
        end = Complete(operation_id=operation.id, worker="w", attempt=1, result=Result())
        await node.committer.commit(end)


async def advised(node: Node, id: str) -> tuple[float | None, Advice]:
    """(seconds until the end, the whole advice), with nothing remembered from before."""
    operation = await node.store.operation(id)
    assert isinstance(operation, Operation)
    now = await node.store.now()
    advice = await Estimator(node.store, 1.0).advice(operation, now)
    return (None if advice.estimated is None else (advice.estimated - now.wall) / 1000), advice


async def later(node: Node, clock: MovableClock) -> Handle:
    """Submit, in a millisecond of its own: within one, any order is right."""
    clock.advance(0.002)
    return await submit(node, "measured")


def near(seconds: float) -> object:
    return pytest.approx(seconds, abs=SLACK)


async def test_without_history_and_progress_nothing_is_promised(node: Node) -> None:
    handle = await submit(node, "measured")
    assert (await advised(node, handle.id))[0] is None
    await claimed(node)
    assert (await advised(node, handle.id))[0] is None


async def test_two_runs_are_no_history(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 10, 10)
    assert (await advised(node, (await submit(node, "measured")).id))[0] is None


async def test_the_history_of_another_type_does_not_count(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 10, 10, 10)
    assert (await advised(node, (await submit(node, "other")).id))[0] is None


async def test_an_operation_that_waits_is_promised_the_median(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 10, 60, 20)
    handle = await submit(node, "measured")
    seconds, advice = await advised(node, handle.id)
    assert seconds == near(20)
    assert advice.queue_position == 1


async def test_a_queue_is_waited_for(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 10, 20, 60)
    handles = [await later(node, clock) for _ in range(4)]
    found = [await advised(node, handle.id) for handle in handles]
    assert [advice.queue_position for _, advice in found] == [1, 2, 3, 4]
    assert [seconds for seconds, _ in found] == [near(20), near(40), near(60), near(80)]


async def test_what_runs_side_by_side_shortens_the_queue(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 20, 20, 20)
    for _ in range(2):
        await submit(node, "measured")
        await claimed(node)
    handles = [await later(node, clock) for _ in range(4)]
    found = [(await advised(node, handle.id))[0] for handle in handles]
    assert found == [near(20), near(20), near(40), near(40)]


async def test_a_run_is_promised_what_is_left_of_the_median(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 20, 20, 20)
    handle = await submit(node, "measured")
    await claimed(node)
    clock.advance(5)
    assert (await advised(node, handle.id))[0] == near(15)


async def test_its_own_pace_counts_the_more_the_further_it_is(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 20, 20, 20)
    handle = await submit(node, "measured")
    operation = await claimed(node)
    clock.advance(5)
    report = Report(progress=Progress(percentage=50))
    await node.committer.commit(Advance(operation_id=operation.id, worker="w", attempt=1, report=report))
    assert (await advised(node, handle.id))[0] == near(0.5 * 5 + 0.5 * 15)


async def test_its_own_pace_is_a_basis_without_history(node: Node, clock: MovableClock) -> None:
    handle = await submit(node, "measured")
    operation = await claimed(node)
    clock.advance(30)
    report = Report(progress=Progress(percentage=25))
    await node.committer.commit(Advance(operation_id=operation.id, worker="w", attempt=1, report=report))
    assert (await advised(node, handle.id))[0] == near(90)


async def test_a_run_that_outlasts_history_promises_nothing(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 20, 20, 20)
    handle = await submit(node, "measured")
    await claimed(node)
    clock.advance(21)
    assert (await advised(node, handle.id))[0] is None


async def test_what_has_ended_needs_no_advice(node: Node, clock: MovableClock) -> None:
    handle = await submit(node, "measured")
    await handle.cancel()
    assert (await advised(node, handle.id))[1] == Advice()


class Counting:
    """The store, with its reads noted."""

    def __init__(self, store: object) -> None:
        self.reads: list[str] = []
        self._store = store

    def __getattr__(self, name: str) -> object:
        self.reads.append(name)
        return getattr(self._store, name)


async def test_many_polls_read_the_history_and_the_queue_once(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 20, 20, 20)
    handle = await submit(node, "measured")
    operation = await handle.operation()
    store = Counting(store_of(node))
    estimator = Estimator(store, 1.0)  # type: ignore[arg-type]
    now = await node.store.now()
    for _ in range(100):
        await estimator.advice(operation, now)
    assert len(store.reads) <= 6


async def test_polls_at_the_same_time_read_it_once_for_all(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 20, 20, 20)
    handle = await submit(node, "measured")
    operation = await handle.operation()
    store = Counting(store_of(node))
    estimator = Estimator(store, 1.0)  # type: ignore[arg-type]
    now = await node.store.now()
    advices = await asyncio.gather(*(estimator.advice(operation, now) for _ in range(100)))
    assert sorted(store.reads) == ["durations", "queue", "tally"]
    assert {advice.queue_position for advice in advices} == {1}


async def test_an_answer_outlives_who_asked_for_it_first(node: Node, clock: MovableClock) -> None:
    await ran(node, clock, 20, 20, 20)
    estimator = Estimator(node.store, 1.0)
    first, second = (asyncio.create_task(estimator.usual("measured")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == pytest.approx(20, abs=SLACK)
