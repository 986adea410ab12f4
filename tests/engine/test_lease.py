"""The lease: whoever loses it stops and writes no more; whoever dies is rescued, not for ever (guarantees L)."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from accepted import Attempt, Failure
from accepted.contract.operation import Operation, Status
from accepted.contract.problem import StaleAttempt
from accepted.contract.transition import Advance, Cancel, Claim, Complete, Release, Renew, Rescue, Transition
from accepted.engine.node import Node
from accepted.store.protocol import StoreUnavailable
from tests.clock import MovableClock
from tests.engine.gate import PATIENCE, Gate, Gates
from tests.engine.stage import Stage, registered_worker, store_of, submit, until

LEASE = 30.0


def die(node: Node) -> None:
    """What kill -9 does: nothing of this node's worker is heard any more, and its row stays."""

    async def silent(_batch: Sequence[Transition]) -> None:
        await asyncio.get_running_loop().create_future()

    store_of(node).before = silent
    for task in [*node._tasks, node._committing]:
        task.cancel()


async def rescue(node: Node) -> int:
    """What the sweeper of a node does next."""
    count: int = await node.committer.commit(Rescue(node.settings.max_crashes))
    return count


def refusing(*kinds: type[Transition]) -> Any:
    """A store that cannot take these kinds now."""

    async def before(batch: Sequence[Transition]) -> None:
        if any(isinstance(each, kinds) for each in batch):
            raise StoreUnavailable("gone")

    return before


async def test_a_frozen_worker_is_rescued_and_cannot_write_afterwards(stage: Stage, clock: MovableClock) -> None:
    """The clock of the file goes on while the worker stands still."""
    first, second = Gates(), Gates()
    stopped = Gate()

    @stage.operation()
    async def frozen(attempt: Attempt) -> str:
        gates = first if attempt.number == 1 else second
        try:
            await gates.held()
        except asyncio.CancelledError:
            stopped.open()
            raise
        return f"attempt {attempt.number}"

    here = await stage.node(lease_ttl=LEASE, scan_interval=3600)
    handle = await submit(here, "frozen")
    await first.started.passed()
    there = await stage.node(lease_ttl=LEASE, scan_interval=3600)
    await registered_worker(there)
    clock.advance(LEASE + 1)
    await there.committer.commit(Renew(there.worker.id if there.worker else "", 30_000, True))
    assert await rescue(there) == 1
    await stopped.passed()  # the news that it was taken away stop it at once
    await second.started.passed()
    first.go.open()
    second.go.open()
    operation = await handle.wait(PATIENCE)
    assert operation.result is not None
    assert bytes(operation.result.value) == b'"attempt 2"'
    assert (operation.attempt, operation.crashes) == (2, 1)
    assert not [each for each in store_of(here).all(Complete) if each.attempt == 1]


async def test_writes_of_an_expired_lease_are_refused_though_nobody_has_taken_over(
    stage: Stage, clock: MovableClock
) -> None:
    @stage.operation()
    def late() -> None: ...

    web = await stage.node(working=False, scan_interval=3600)
    handle = await submit(web, "late")
    await web.committer.commit(Renew("w", 1_000, True))
    claimed = await web.committer.commit(Claim("w", ("late",), 1))
    assert [each.id for each in claimed.operations] == [handle.id]
    clock.advance(1.001)
    with pytest.raises(StaleAttempt):
        await web.committer.commit(Advance(operation_id=handle.id, worker="w", attempt=1))


async def test_user_code_is_stopped_before_the_lease_is_over_when_it_cannot_be_renewed(
    stage: Stage, clock: MovableClock
) -> None:
    stopped = Gate()
    gates = Gates()

    @stage.operation()
    async def holding() -> None:
        try:
            await gates.held()
        finally:
            stopped.open()

    node = await stage.node(lease_ttl=0.6, scan_interval=0.1)
    handle = await submit(node, "holding")
    await gates.started.passed()
    lease = (await submitted_worker(node))[1]
    store_of(node).before = refusing(Renew)
    await stopped.passed()
    assert clock.now().tick < lease + 600, "another might have begun already"
    assert store_of(node).all(Complete) == []
    store_of(node).before = None
    gates.started = Gate()
    gates.go.open()
    assert (await handle.wait(PATIENCE)).attempt >= 2  # it began anew under another id


async def submitted_worker(node: Node) -> tuple[str, int]:
    """(id of the worker, the tick of now): its last renewal was not later."""
    assert node.worker is not None
    return node.worker.id, (await node.store.now()).tick


async def test_a_claim_that_is_told_of_the_loss_stops_what_runs_at_once(stage: Stage, clock: MovableClock) -> None:
    """After a freeze the claim may be answered before the renewal; the user's code must not go on until that."""
    stopped, gates = Gate(), Gates()

    @stage.operation()
    async def holding(attempt: Attempt) -> int:
        if attempt.number == 1:
            try:
                await gates.held()
            finally:
                stopped.open()
        return attempt.number

    node = await stage.node(lease_ttl=3600, scan_interval=36_000)
    handle = await submit(node, "holding")
    await gates.started.passed()
    before = node.worker.id if node.worker else ""
    clock.advance(3601)
    other = await submit(node, "holding")  # wakes the claim
    await stopped.passed()
    gates.go.open()
    assert await rescue(node) == 1
    assert await handle.result(PATIENCE) == 2
    assert await other.result(PATIENCE) == 1
    assert node.worker is not None
    assert node.worker.id != before


async def test_what_is_held_but_not_run_is_released_with_the_next_renewal(stage: Stage) -> None:
    """The answer to a claim was lost on its way."""

    @stage.operation()
    async def lost(attempt: Attempt) -> int:
        return attempt.number

    web = await stage.node(working=False)
    handle = await submit(web, "lost")
    worker = await stage.node(lease_ttl=1.5)
    first = Gate()

    async def forget(batch: Sequence[Transition]) -> None:
        if not first.is_open and any(isinstance(each, Claim) for each in batch):
            first.open()
            await store_of(worker)._store.commit(batch)
            raise StoreUnavailable("the answer was lost")

    store_of(worker).before = forget
    operation = await handle.wait(PATIENCE)
    assert operation.result is not None
    if operation.attempt == 2:
        assert [each.attempt for each in store_of(worker).all(Release)] == [1]
    assert (operation.crashes, operation.failures) == (0, 0)


async def test_a_cancel_without_any_hint_is_told_within_a_heartbeat(stage: Stage) -> None:
    gates = Gates()

    @stage.operation(cancel_grace=60.0)
    async def endless(attempt: Attempt) -> None:
        await gates.held()

    web = await stage.node(working=False, notify=False)
    worker = await stage.node(notify=False, lease_ttl=1.5)
    handle = await submit(web, "endless")
    await gates.started.passed()
    await web.committer.commit(Cancel(handle.id, "enough"))
    told = len(store_of(worker).all(Renew))
    operation = await seen_by(worker, handle.id)
    assert (operation.status, operation.work_stopped, operation.reason) == (Status.CANCELLED, True, "enough")
    assert len(store_of(worker).all(Renew)) <= told + 2


async def seen_by(worker: Node, id: str) -> Operation:
    return await until(worker, id, lambda each: each.terminal)


async def test_a_cancel_in_the_commit_of_the_claim_is_told_too(stage: Stage) -> None:
    gates = Gates()

    @stage.operation(cancel_grace=60.0)
    async def unlucky() -> None:
        await gates.held()

    web = await stage.node(working=False)
    worker = await stage.node(lease_ttl=3600)
    await registered_worker(worker)
    release = await hold(worker)
    handle = await submit(web, "unlucky")
    while not any(isinstance(each, Claim) for each, *_ in worker.committer._waiting):  # noqa: ASYNC110
        await asyncio.sleep(0)  # until its hint has come and the claim stands in the queue
    cancelled = worker.committer.commit(Cancel(handle.id, "at once"))
    release.open()
    await cancelled
    shared = next(batch for batch in store_of(worker).batches if any(isinstance(each, Cancel) for each in batch))
    assert any(isinstance(each, Claim) for each in shared)
    operation = await until(worker, handle.id, lambda each: each.terminal)
    assert (operation.status, operation.work_stopped) == (Status.CANCELLED, True)
    assert not gates.started.is_open  # it was never begun


async def hold(node: Node) -> Gate:
    """Keep a commit of this node under way, so that what comes shares the next one."""
    begun, release = Gate(), Gate()

    async def before(_batch: Sequence[Transition]) -> None:
        store_of(node).before = None
        begun.open()
        await release.passed()

    store_of(node).before = before
    node.committer.commit(Renew("nobody", 1, True))
    await begun.passed()
    return release


async def test_a_dead_worker_is_rescued_by_another_node_after_its_lease(stage: Stage, clock: MovableClock) -> None:
    gates = Gates()

    @stage.operation()
    async def survivor(attempt: Attempt) -> int:
        if attempt.number == 1:
            await gates.held()
        return attempt.number

    doomed = await stage.node(lease_ttl=LEASE)
    handle = await submit(doomed, "survivor")
    await gates.started.passed()
    die(doomed)
    other = await stage.node(lease_ttl=LEASE, scan_interval=0.5)
    await registered_worker(other)
    assert await rescue(other) == 0  # not before the lease is over
    assert (await until(other, handle.id, lambda _: True)).status is Status.PROCESSING
    clock.advance(LEASE)
    operation = await until(other, handle.id, lambda each: each.terminal)
    assert operation.status is Status.COMPLETED
    assert (operation.attempt, operation.crashes) == (2, 1)
    gates.go.open()
    stage._started.remove(doomed)
    await doomed.store.close()
    if doomed.worker is not None:
        await doomed.worker._user_loop.stop()


async def test_after_so_many_deaths_under_it_an_operation_is_failed(stage: Stage, clock: MovableClock) -> None:
    @stage.operation()
    def deadly() -> None: ...

    web = await stage.node(working=False, scan_interval=3600)
    handle = await submit(web, "deadly")
    for attempt in (1, 2, 3):
        await web.committer.commit(Renew(f"w{attempt}", 1_000, True))
        claimed = await web.committer.commit(Claim(f"w{attempt}", ("deadly",), 1))
        assert [each.attempt for each in claimed.operations] == [attempt]
        clock.advance(1.001)
        assert await rescue(web) == 1
    operation = await handle.operation()
    assert operation.status is Status.FAILED
    assert operation.error is not None
    assert (operation.error.slug, operation.error.retryable) == ("worker-lost", False)
    with pytest.raises(Failure):
        await handle.result(PATIENCE)
    assert await rescue(web) == 0


async def test_the_successor_of_a_dead_worker_takes_over_before_the_lease_is_over(stage: Stage) -> None:
    @stage.operation()
    async def inherited(attempt: Attempt) -> int:
        return attempt.number

    web = await stage.node(working=False, scan_interval=3600)
    handle = await submit(web, "inherited")
    await web.committer.commit(Renew("dead", 3_600_000, True))
    await web.committer.commit(Claim("dead", ("inherited",), 1))
    store = stage.store()
    worker = await successor(stage, store)
    assert await handle.result(PATIENCE) == 2
    assert worker.worker is not None
    assert worker.worker.id == "heir"


async def successor(stage: Stage, store: Any) -> Node:
    from accepted.settings import load

    node = Node(store, stage.registry, load({"drain_timeout": 1.0}, {}), working=True, clock=stage.clock)
    assert node.worker is not None
    node.worker.succeed("heir", "dead")
    await node.start()
    stage._started.append(node)
    return node
