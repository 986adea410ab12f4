"""The end of a node: short work ends, long work is handed back and charged nothing, all in time (guarantee D6)."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from accepted import Attempt
from accepted.contract.operation import Operation, Status
from accepted.contract.problem import Overloaded
from accepted.contract.transition import Cancel, Claim, Forget, Release, Renew, Resign, Transition
from accepted.engine.node import Node
from accepted.service import Service
from accepted.store.protocol import StoreUnavailable
from tests.engine import isolated
from tests.engine.gate import PATIENCE, Gate, Gates
from tests.engine.stage import OWNER, Stage, registered_worker, store_of, submit, until


async def read(node: Node, id: str) -> Operation:
    found = await node.store.operation(id)
    assert isinstance(found, Operation)
    return found


def charged(operation: Operation) -> tuple[int, int]:
    return operation.crashes, operation.failures


async def test_what_is_short_ends_and_what_is_long_is_handed_back(stage: Stage, gates: Gates) -> None:
    long = Gates()

    @stage.operation()
    async def brief() -> str:
        await gates.held()
        return "done"

    @stage.operation()
    async def lengthy(attempt: Attempt) -> None:
        attempt.progress(1, 2, "half")
        await long.held()

    web, node = await stage.node(working=False), await stage.node(drain_timeout=1.0)
    short, slow = await submit(node, "brief"), await submit(node, "lengthy")
    await gates.started.passed()
    await long.started.passed()
    began = time.monotonic()
    stopping = asyncio.create_task(stage.stop(node))
    gates.go.open()
    await stopping
    assert time.monotonic() - began < 1.0 + 1.0  # the second is for closing files on a busy machine
    assert (await read(web, short.id)).status is Status.COMPLETED
    handed_back = await read(web, slow.id)
    assert (handed_back.status, handed_back.attempt, handed_back.worker) == (Status.PENDING, 1, None)
    assert charged(handed_back) == (0, 0)
    assert await web.store.workers() == []


async def test_a_thread_sees_that_it_should_stop_and_is_handed_back(stage: Stage) -> None:
    started = Gate()

    @stage.operation()
    def reporting(attempt: Attempt) -> None:
        while True:
            started.open()
            attempt.progress(1)  # raises once the node drains

    web, node = await stage.node(working=False), await stage.node(drain_timeout=0.5)
    handle = await submit(node, "reporting")
    await started.passed()
    await stage.stop(node)
    operation = await read(web, handle.id)
    assert (operation.status, charged(operation)) == (Status.PENDING, (0, 0))


async def test_a_function_that_does_not_listen_is_handed_back_in_time(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    def deaf() -> None:
        gates.hold()

    @stage.operation()
    async def stubborn() -> None:
        try:
            await stuck.held()
        except asyncio.CancelledError:
            await gates.go.passed()

    stuck = Gates()
    web, node = await stage.node(working=False), await stage.node(drain_timeout=0.5)
    handles = [await submit(node, "deaf"), await submit(node, "stubborn")]
    await gates.started.passed()
    await stuck.started.passed()
    began = time.monotonic()
    stopping = asyncio.create_task(stage.stop(node))
    done, _ = await asyncio.wait({stopping}, timeout=PATIENCE)
    assert done
    assert time.monotonic() - began < 0.5 + 1.0 + 1.0  # the functions' loop is given a second
    for handle in handles:
        operation = await read(web, handle.id)
        assert (operation.status, charged(operation)) == (Status.PENDING, (0, 0))


async def test_a_child_process_is_ended_and_handed_back(stage: Stage) -> None:
    stage.operation(isolate=True)(isolated.endless)
    web, node = await stage.node(working=False), await stage.node(drain_timeout=2.0)
    handle = await submit(node, "endless")
    async for event in handle.events():
        if event.progress is not None and event.progress.current:
            break
    await stage.stop(node)
    operation = await read(web, handle.id)
    assert (operation.status, charged(operation)) == (Status.PENDING, (0, 0))


async def test_a_claim_under_way_when_the_end_begins_is_handed_back(stage: Stage) -> None:
    started = Gate()

    @stage.operation()
    async def unlucky() -> None:
        started.open()
        await Gate().passed()

    web = await stage.node(working=False)
    node = await stage.node(drain_timeout=2.0)
    await registered_worker(node)
    claiming, go_on = Gate(), Gate()

    async def before(batch: Sequence[Transition]) -> None:
        if any(isinstance(each, Claim) for each in batch):
            claiming.open()
            await go_on.passed()

    store_of(node).before = before
    handle = await submit(web, "unlucky")
    await claiming.passed()
    stopping = asyncio.create_task(stage.stop(node))
    await asyncio.sleep(0)
    go_on.open()
    await stopping
    operation = await read(web, handle.id)
    assert (operation.status, operation.worker, charged(operation)) == (Status.PENDING, None, (0, 0))


async def test_nothing_new_is_begun_once_the_end_has_begun(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    async def waiting() -> None:
        await gates.held()

    web, node = await stage.node(working=False), await stage.node(drain_timeout=1.0)
    first = await submit(web, "waiting")
    await gates.started.passed()
    await node.committer.commit(Forget())  # now no claim is on its way
    claims = len(store_of(node).all(Claim))
    stopping = asyncio.create_task(stage.stop(node))
    await asyncio.sleep(0)
    second = await submit(web, "waiting")
    gates.go.open()
    await stopping
    assert (await read(web, first.id)).status is Status.COMPLETED
    begun = len(store_of(node).all(Claim)) - claims
    assert begun <= 1  # one that had been wanted just before
    assert (await read(web, second.id)).attempt <= begun


async def test_another_node_goes_on_with_what_was_handed_back(stage: Stage) -> None:
    first = Gates()

    @stage.operation()
    async def moved(attempt: Attempt) -> int:
        if attempt.number == 1:
            await attempt.checkpoint({"done": 7})
            await first.held()
        return int(attempt.resume["done"])

    here = await stage.node(drain_timeout=0.2)
    handle = await submit(here, "moved")
    await first.started.passed()
    there = await stage.node()
    await stage.stop(here)
    operation = await read(there, handle.id)
    assert (await there.store.operation(handle.id)) is not None
    assert operation.id == handle.id
    ended = await until(there, handle.id, lambda each: each.terminal)
    assert ended.result is not None
    assert (bytes(ended.result.value), ended.attempt, charged(ended)) == (b"7", 2, (0, 0))


async def test_a_cancelled_function_that_is_handed_back_is_cancelled(stage: Stage) -> None:
    gates = Gates()

    @stage.operation(cancel_grace=60.0)
    def deaf(attempt: Attempt) -> None:
        gates.hold()
        attempt.progress(1)

    web, node = await stage.node(working=False), await stage.node(drain_timeout=1.0)
    handle = await submit(web, "deaf")
    await gates.started.passed()
    await web.committer.commit(Cancel(handle.id, "no more"))
    stopping = asyncio.create_task(stage.stop(node))
    gates.go.open()
    await stopping
    operation = await read(web, handle.id)
    assert (operation.status, operation.work_stopped, operation.reason) == (Status.CANCELLED, True, "no more")


async def test_a_submit_to_a_draining_node_is_refused(stage: Stage) -> None:
    @stage.operation()
    async def late() -> None: ...

    node = await stage.node()
    node.drain()
    with pytest.raises(Overloaded):
        await submit(node, "late")
    assert await node.store.tally() == {}


async def test_a_node_whose_store_is_gone_ends_all_the_same(stage: Stage) -> None:
    gates = Gates()

    @stage.operation()
    async def running() -> None:
        await gates.held()

    node = await stage.node(drain_timeout=0.5)
    await submit(node, "running")
    await gates.started.passed()

    async def gone(_batch: Sequence[Transition]) -> None:
        raise StoreUnavailable("gone")

    store_of(node).before = gone
    await asyncio.wait_for(stage.stop(node), PATIENCE)
    assert [task for task in asyncio.all_tasks() if "Run.run" in repr(task) and not task.cancelling()] == []


async def test_it_resigns_last(stage: Stage) -> None:
    gates = Gates()

    @stage.operation()
    async def running() -> None:
        await gates.held()

    node = await stage.node(drain_timeout=0.3)
    await submit(node, "running")
    await gates.started.passed()
    store = store_of(node)
    await stage.stop(node)
    order = [type(each) for batch in store.batches for each in batch if isinstance(each, (Release, Resign))]
    assert order == [Release, Resign]


async def test_the_lease_holds_while_it_drains(stage: Stage) -> None:
    """Else another node would begin what still runs here."""
    gates = Gates()

    @stage.operation()
    async def running() -> str:
        await gates.held()
        return "in time"

    node = await stage.node(drain_timeout=PATIENCE, lease_ttl=1.5)
    handle = await submit(node, "running")
    await gates.started.passed()
    store = store_of(node)
    renewals = len(store.all(Renew))
    stopping = asyncio.create_task(stage.stop(node))
    await store.seen(Renew, renewals + 4)  # for longer than one lease
    gates.go.open()
    await stopping
    web = await stage.node(working=False)
    operation = await read(web, handle.id)
    assert (operation.status, operation.attempt) == (Status.COMPLETED, 1)


async def test_a_cancel_that_comes_during_the_end_gets_an_answer(stage: Stage) -> None:
    gates = Gates()

    @stage.operation(cancel_grace=0.2)
    def deaf() -> None:
        gates.hold()

    node = await stage.node(drain_timeout=1.0)
    handle = await submit(node, "deaf")
    await gates.started.passed()
    cancelling = asyncio.create_task(Service(node).cancel(handle.id, OWNER, None))
    stopping = asyncio.create_task(stage.stop(node))
    (answer,) = await asyncio.wait_for(asyncio.gather(cancelling, return_exceptions=True), PATIENCE)
    assert isinstance(answer, Overloaded) or (isinstance(answer, Operation) and answer.status is Status.CANCELLED)
    await stopping
    gates.go.open()
