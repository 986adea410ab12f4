"""The worker claims when there is room: never over its slots, never over a type's limit, never what another runs."""

import asyncio
import threading
from collections import Counter

from accepted import Attempt
from accepted.contract.operation import Operation, Status, operation_id
from accepted.contract.transition import Accept, Claim
from accepted.engine.model import to_json
from accepted.service import Service
from tests.clock import MovableClock
from tests.engine.gate import PATIENCE, Gate, Gates
from tests.engine.stage import Stage, registered_worker, store_of, submit, until


class Crowd:
    """Counts how many functions are inside at once, over all threads, loops and nodes of a test."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.entered: Counter[str] = Counter()
        self.gates: dict[int, Gate] = {}

    def gate(self, number: int) -> Gate:
        """Opens when so many have entered in all."""
        with self._lock:
            gate = self.gates.setdefault(number, Gate())
            if self.entered["all"] >= number:
                gate.open()
        return gate

    def enter(self, key: str) -> None:
        with self._lock:
            for each in (key, "all"):
                self.inside[each] += 1
                self.entered[each] += 1
                self.most[each] = max(self.most[each], self.inside[each])
            if (gate := self.gates.get(self.entered["all"])) is not None:
                gate.open()

    def leave(self, key: str) -> None:
        with self._lock:
            for each in (key, "all"):
                self.inside[each] -= 1


async def test_it_claims_what_is_there_and_what_comes(stage: Stage) -> None:
    @stage.operation()
    def square(number: int) -> int:
        return number * number

    web = await stage.node(working=False)
    before = await submit(web, "square", 3)
    await stage.node()
    after = await submit(web, "square", 4)
    assert await before.result(PATIENCE) == 9
    assert await after.result(PATIENCE) == 16


async def test_never_more_than_its_slots_at_once(stage: Stage, gates: Gates) -> None:
    crowd = Crowd()

    @stage.operation()
    async def threesome(attempt: Attempt) -> None:
        crowd.enter("threesome")
        await gates.go.passed()
        crowd.leave("threesome")

    node = await stage.node(slots=3)
    handles = [await submit(node, "threesome") for _ in range(10)]
    await crowd.gate(3).passed()
    store = store_of(node)
    claims = len(store.all(Claim))
    extra = await submit(node, "threesome")  # its hint wakes the worker, which has no room
    assert await extra.status() is Status.PENDING
    assert len(store.all(Claim)) == claims
    gates.go.open()
    for handle in [*handles, extra]:
        await handle.wait(PATIENCE)
    assert crowd.most["all"] == 3
    assert all(claim.room <= 3 for claim in store.all(Claim))


async def test_room_is_made_before_the_end_is_committed(stage: Stage) -> None:
    """So that the next claim rides in the commit that ends the one before."""

    @stage.operation()
    async def quick() -> None:
        return None

    web = await stage.node(working=False)
    handles = [await submit(web, "quick") for _ in range(12)]
    worker = await stage.node(slots=1)
    for handle in handles:
        await handle.wait(PATIENCE)
    batches = [{type(each).__name__ for each in batch} for batch in store_of(worker).batches]
    assert sum({"Complete", "Claim"} <= batch for batch in batches) >= 10


async def test_a_type_limited_over_two_nodes_on_one_file(stage: Stage, gates: Gates) -> None:
    crowd = Crowd()

    @stage.operation(concurrency=2)
    async def limited() -> None:
        crowd.enter("limited")
        await gates.go.passed()
        crowd.leave("limited")

    @stage.operation()
    async def free() -> None:
        crowd.enter("free")
        await gates.go.passed()
        crowd.leave("free")

    nodes = [await stage.node(), await stage.node()]
    handles = [await submit(nodes[n % 2], "limited") for n in range(8)]
    handles += [await submit(nodes[n % 2], "free") for n in range(4)]
    await crowd.gate(6).passed()  # two of one, all four of the other
    assert crowd.inside["limited"] == 2
    assert crowd.inside["free"] == 4
    gates.go.open()
    for handle in handles:
        assert (await handle.wait(PATIENCE)).attempt == 1
    assert crowd.most["limited"] == 2


async def test_a_key_limited_over_two_nodes_on_one_file(stage: Stage, gates: Gates) -> None:
    crowd = Crowd()

    @stage.operation(concurrency_key=lambda customer: customer, concurrency_per_key=2)
    async def keyed(customer: str) -> None:
        crowd.enter(customer)
        await gates.go.passed()
        crowd.leave(customer)

    nodes = [await stage.node(), await stage.node()]
    handles = [await submit(nodes[n % 2], "keyed", customer) for n, customer in enumerate("aaaaaaaabbc")]
    await crowd.gate(5).passed()  # two of each, but one of the last
    assert dict(crowd.inside) == {"a": 2, "b": 2, "c": 1, "all": 5}
    gates.go.open()
    for handle in handles:
        assert (await handle.wait(PATIENCE)).attempt == 1
    assert [crowd.most[customer] for customer in "abc"] == [2, 2, 1]


async def test_owners_take_turns_and_the_urgent_go_first(stage: Stage) -> None:
    order: list[str] = []

    @stage.operation(priority=lambda name: 9 if name.startswith("urgent") else 0)
    async def noted(name: str) -> None:
        order.append(name)

    web = await stage.node(working=False)
    registered = web.registry.named("noted")
    assert registered is not None
    names = [f"flood {n}" for n in range(30)] + ["urgent flood"]
    for owner, name in [*(("flood", name) for name in names), ("ann", "ann 1"), ("ann", "ann 2")]:
        last = await Service(web).submit(registered, to_json(name), owner=owner)
    await stage.node(slots=1)
    await until(web, last.operation.id, lambda operation: operation.terminal)
    assert order[:3] == ["ann 1", "urgent flood", "ann 2"]


async def test_two_nodes_never_run_one_operation_at_once(stage: Stage) -> None:
    crowd = Crowd()

    @stage.operation()
    async def alone(attempt: Attempt) -> int:
        crowd.enter(attempt.operation_id)
        await asyncio.sleep(0)
        crowd.leave(attempt.operation_id)
        return attempt.number

    nodes = [await stage.node() for _ in range(3)]
    handles = [await submit(nodes[n % 3], "alone") for n in range(120)]
    for handle in handles:
        assert await handle.result(PATIENCE) == 1
    assert {crowd.most[handle.id] for handle in handles} == {1}
    assert {crowd.entered[handle.id] for handle in handles} == {1}


async def test_a_late_hint_about_an_earlier_state_stops_nothing(stage: Stage, gates: Gates) -> None:
    """Another process's hint of its submit may arrive after we have claimed: a hint is never the data."""

    @stage.operation()
    async def patient(attempt: Attempt) -> int:
        await gates.held()
        return attempt.number

    web = await stage.node(working=False)
    worker = await stage.node()
    hints = list[object]()
    web.feed.follow_hints(lambda heard: hints.extend(heard or ()))
    handle = await submit(web, "patient")
    await gates.started.passed()
    late = [hint for hint in hints if getattr(hint, "operation_id", "") == handle.id][:1]
    worker.feed._pass_on(late)  # type: ignore[arg-type]
    gates.go.open()
    assert await handle.result(PATIENCE) == 1


async def test_a_delayed_operation_costs_one_timer_however_often_the_worker_looks(stage: Stage) -> None:
    @stage.operation()
    async def later() -> None:
        return None

    node = await stage.node()
    await registered_worker(node)
    worker, loop = node.worker, asyncio.get_running_loop()
    assert worker is not None
    before = len(loop._scheduled)  # type: ignore[attr-defined]
    for n in range(200):
        worker._look_at(3_600_000 + n, 0)
    assert len([handle for handle in loop._scheduled if not handle.cancelled()]) <= before + 2  # type: ignore[attr-defined]


async def test_it_claims_only_types_that_it_knows(stage: Stage, clock: MovableClock) -> None:
    @stage.operation()
    async def known() -> str:
        return "done"

    worker = await stage.node()
    web = await stage.node(working=False)
    other = operation_id(0, 1)
    await web.committer.commit(Accept(other, "unknown", "", b"null", retention=1, cancel_grace=1))
    assert await (await submit(web, "known")).result(PATIENCE) == "done"
    found = await web.store.operation(other)
    assert isinstance(found, Operation)
    assert found.status is Status.PENDING
    assert all(claim.types == ("known",) for claim in store_of(worker).all(Claim))


async def test_operations_start_in_the_order_of_their_submission(stage: Stage) -> None:
    order: list[int] = []

    @stage.operation()
    async def ordered(number: int) -> None:
        order.append(number)

    web = await stage.node(working=False)
    handles = [await submit(web, "ordered", n) for n in range(20)]
    await stage.node(slots=1)
    for handle in handles:
        await handle.wait(PATIENCE)
    dates = [(await until(web, handle.id, lambda each: each.terminal)).created_at for handle in handles]
    assert [dates[n] for n in order] == sorted(dates)  # within one millisecond any order is right
