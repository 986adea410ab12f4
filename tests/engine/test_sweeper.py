"""The sweeper: small bites, safe beside others, careful with dates it should not believe (guarantees L8, T3)."""

import asyncio

import pytest

from accepted.contract.ledger import Tombstone
from accepted.contract.operation import Operation, Status
from accepted.contract.problem import OperationExpired, OperationNotFound
from accepted.contract.transition import Accept, Cancel, Claim, Expire, Forget, Renew, Rescue
from accepted.engine.node import Node
from accepted.engine.sweeper import BITE, Sweeper
from accepted.service import Service
from tests.clock import MovableClock
from tests.engine.gate import PATIENCE
from tests.engine.stage import OWNER, Stage, store_of

LONG = 10 * 365 * 86_400.0  # no round by itself during a test


def idle() -> None: ...


async def cancelled(node: Node, number: int, retention: int = 1_000) -> list[str]:
    """Operations that ended at once and are kept for `retention` milliseconds."""
    ids = [f"op-{n:026d}" for n in range(number)]
    accepts = [Accept(id, "idle", OWNER, b"null", retention, 2_000) for id in ids]
    await asyncio.gather(*[node.committer.commit(each) for each in accepts])
    await asyncio.gather(*[node.committer.commit(Cancel(id)) for id in ids])
    return ids


async def swept(node: Node, sweeper: Sweeper) -> None:
    """One round, with what came before it forgotten."""
    store_of(node).batches.clear()
    await sweeper.sweep()


@pytest.fixture
async def node(stage: Stage) -> Node:
    """A node whose own sweeper has done its first round and sleeps."""
    stage.operation()(idle)
    node = await stage.node(working=False, scan_interval=LONG)
    await store_of(node).seen(Forget, 1)
    return node


async def test_it_bites_until_nothing_is_left(node: Node, clock: MovableClock) -> None:
    ids = await cancelled(node, 2 * BITE + 50)
    clock.advance(2)
    await swept(node, node.sweeper)
    expires = store_of(node).all(Expire)
    assert [each.limit for each in expires] == [BITE, BITE, BITE]
    found = [await node.store.operation(id) for id in ids]
    assert all(isinstance(each, Tombstone) for each in found)


async def test_nothing_expires_before_its_time(node: Node, clock: MovableClock) -> None:
    (id,) = await cancelled(node, 1, retention=10_000)
    clock.advance(9)
    await swept(node, node.sweeper)
    assert isinstance(await node.store.operation(id), Operation)
    clock.advance(2)
    with pytest.raises(OperationExpired):  # on time, though the sweeper has not come by
        await Service(node).get(id, OWNER)
    await swept(node, node.sweeper)
    with pytest.raises(OperationExpired):
        await Service(node).get(id, OWNER)
    clock.advance(days=31)
    await swept(node, node.sweeper)
    with pytest.raises(OperationNotFound):
        await Service(node).get(id, OWNER)


@pytest.mark.parametrize("jump", [2 * 86_400, -2 * 86_400])
async def test_a_wall_clock_that_jumps_pauses_expiry_for_an_hour(
    node: Node, clock: MovableClock, jump: float, caplog: pytest.LogCaptureFixture
) -> None:
    (id,) = await cancelled(node, 1)
    clock.jump(jump)
    if jump > 0:
        assert (await Service(node).get(id, OWNER)).status is Status.CANCELLED  # no early 410, not even until the look
    await swept(node, node.sweeper)
    assert store_of(node).all(Expire) == []
    assert store_of(node).all(Forget) == []
    assert len(store_of(node).all(Rescue)) == 1  # leases know nothing of dates
    assert "the wall clock jumped" in caplog.text
    assert (await Service(node).get(id, OWNER)).status is Status.CANCELLED
    clock.advance(3_599)
    await swept(node, node.sweeper)
    assert store_of(node).all(Expire) == []
    clock.advance(2)
    await swept(node, node.sweeper)
    assert len(store_of(node).all(Expire)) == 1


async def test_a_clock_that_is_corrected_a_little_pauses_nothing(node: Node, clock: MovableClock) -> None:
    clock.jump(59)
    await swept(node, node.sweeper)
    assert len(store_of(node).all(Expire)) == 1


async def test_orphans_are_taken_back_in_bites(node: Node, clock: MovableClock) -> None:
    number = BITE + 20
    accepts = [Accept(f"op-{n:026d}", "idle", OWNER, b"null", 1_000, 2_000) for n in range(number)]
    await asyncio.gather(*[node.committer.commit(each) for each in accepts])
    await node.committer.commit(Renew("w", 1_000, True))
    claimed = await node.committer.commit(Claim("w", ("idle",), number))
    assert len(claimed.operations) == number
    clock.advance(2)
    await swept(node, node.sweeper)
    assert len(store_of(node).all(Rescue)) == 2
    assert await node.store.tally() == {("idle", Status.PENDING): number}


async def test_a_cancel_whose_caller_has_gone_is_settled(node: Node, clock: MovableClock) -> None:
    id = "op-" + "0" * 26
    await node.committer.commit(Accept(id, "idle", OWNER, b"null", 1_000_000, 2_000))
    await node.committer.commit(Renew("w", 3_600_000, True))
    await node.committer.commit(Claim("w", ("idle",), 1))
    await node.committer.commit(Cancel(id, "gone"))
    await swept(node, node.sweeper)
    assert (await Service(node).get(id, OWNER)).status is Status.PROCESSING
    clock.advance(2)
    await swept(node, node.sweeper)
    operation = await Service(node).get(id, OWNER)
    assert (operation.status, operation.work_stopped) == (Status.CANCELLED, False)


async def test_many_sweepers_at_once_do_no_harm(stage: Stage, node: Node, clock: MovableClock) -> None:
    others = [await stage.node(working=False, scan_interval=LONG) for _ in range(2)]
    ids = await cancelled(node, 150)
    clock.advance(2)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*[each.sweeper.sweep() for each in (node, *others)])
    assert await node.store.tally() == {}
    assert all([isinstance(await node.store.operation(id), Tombstone) for id in ids])


async def test_it_comes_by_itself(stage: Stage, clock: MovableClock) -> None:
    stage.operation()(idle)
    node = await stage.node(working=False, scan_interval=60)
    store = store_of(node)
    for rounds in (1, 2, 3):
        async with asyncio.timeout(PATIENCE):
            while len(store.all(Forget)) < rounds:
                clock.advance(20)  # others sleep on this clock too, so nobody can tell when it is its turn
                await asyncio.sleep(0.005)
