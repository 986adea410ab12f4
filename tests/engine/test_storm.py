"""Bad days in small: nodes on one file come and go while work goes on; none lost, none twice, none stuck."""

import asyncio
import random
import threading
from collections import Counter

import pytest

from accepted import Attempt
from accepted.contract.operation import TERMINAL, Operation, Status
from accepted.engine.node import Node
from accepted.handle import Handle
from tests.engine.stage import Stage, submit

OPERATIONS = 200
NODES = 3
DEADLINE = 45.0


class Witness:
    """Sees from outside who runs what; may be told from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()
        self.overlaps: list[str] = []
        self.ends: Counter[str] = Counter()

    def enter(self, id: str) -> None:
        with self._lock:
            self._inside[id] += 1
            if self._inside[id] > 1:
                self.overlaps.append(id)

    def leave(self, id: str) -> None:
        with self._lock:
            self._inside[id] -= 1
            self.ends["all"] += 1


def register(stage: Stage, witness: Witness) -> None:
    @stage.operation()
    async def stepwise(attempt: Attempt, steps: int) -> int:
        witness.enter(attempt.operation_id)
        try:
            for number in range(attempt.resume or 0, steps):
                attempt.progress(number, steps)
                await attempt.checkpoint(number + 1)
        finally:
            witness.leave(attempt.operation_id)
        return steps

    @stage.operation()
    def threaded(attempt: Attempt, steps: int) -> int:
        witness.enter(attempt.operation_id)
        try:
            for number in range(attempt.resume or 0, steps):
                attempt.progress(number, steps)
                attempt.checkpoint(number + 1)
        finally:
            witness.leave(attempt.operation_id)
        return steps

    @stage.operation(concurrency=2)
    async def limited(attempt: Attempt, steps: int) -> int:
        witness.enter(attempt.operation_id)
        try:
            await attempt.checkpoint(steps)
        finally:
            witness.leave(attempt.operation_id)
        return steps


async def come_and_go(stage: Stage, nodes: list[Node], web: Node, chance: random.Random, changes: list[str]) -> None:
    """Stop a node and start another, again and again; one of them always runs."""
    changed = asyncio.Event()
    web.feed.follow_hints(lambda _: changed.set())
    while True:
        done = await completed(web)
        if len(nodes) > 1 and (len(nodes) == NODES or chance.random() < 0.5):
            await stage.stop(nodes.pop(chance.randrange(len(nodes))))
            changes.append("stopped")
        else:
            nodes.append(await worker(stage))
            changes.append("started")
        while await completed(web) < done + 3:
            changed.clear()
            await changed.wait()


async def completed(web: Node) -> int:
    return sum(number for (_, status), number in (await web.store.tally()).items() if status is Status.COMPLETED)


async def worker(stage: Stage) -> Node:
    return await stage.node(slots=4, drain_timeout=0.1, scan_interval=0.5)


async def outcome(handle: Handle) -> Operation:
    return await handle.wait(DEADLINE)


@pytest.mark.parametrize("seed", [20170101])
async def test_nodes_that_come_and_go_lose_nothing(stage: Stage, seed: int) -> None:
    chance, witness = random.Random(seed), Witness()
    register(stage, witness)
    web = await stage.node(working=False, scan_interval=0.5)
    nodes = [await worker(stage) for _ in range(NODES)]
    changes: list[str] = []
    chaos = asyncio.create_task(come_and_go(stage, nodes, web, chance, changes))
    names = ["stepwise"] * 5 + ["threaded"] * 3 + ["limited"] * 2
    steps = [chance.randrange(1, 60) for _ in range(OPERATIONS)]
    handles = [await submit(web, chance.choice(names), number) for number in steps]
    operations = await asyncio.gather(*[outcome(handle) for handle in handles])
    chaos.cancel()
    await asyncio.wait({chaos})

    assert changes.count("stopped") >= 5
    assert max(operation.attempt for operation in operations) > 1  # some were handed back on the way
    assert {operation.status for operation in operations} == {Status.COMPLETED}
    results = [bytes(operation.result.value) for operation in operations if operation.result is not None]
    assert results == [str(number).encode() for number in steps]
    assert witness.overlaps == []
    assert {(operation.crashes, operation.failures) for operation in operations} == {(0, 0)}
    for operation in operations:
        events = await web.store.events(operation.id, 0, 10_000)
        assert [event.sequence for event in events] == list(range(1, operation.sequence + 1))
        assert [event.status in TERMINAL for event in events].index(True) == len(events) - 1
    tally = await web.store.tally()
    assert {status for _, status in tally} == {Status.COMPLETED}
    assert sum(tally.values()) == OPERATIONS
