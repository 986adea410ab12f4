"""The feed: whoever watches before reading misses nothing, and lost hints cost time but no news."""

import asyncio

from accepted.contract.operation import Status
from accepted.contract.transition import Cancel
from accepted.engine.feed import Feed
from accepted.service import Service
from accepted.store.protocol import Hint
from tests.clock import MovableClock
from tests.engine.gate import PATIENCE, Gates
from tests.engine.stage import OWNER, Stage, store_of, submit, until


def idle() -> None:
    """An operation that nobody runs here."""


def hint(id: str) -> Hint:
    return Hint(id, "idle", Status.PENDING)


async def test_news_between_watching_and_reading_are_not_missed(stage: Stage) -> None:
    stage.operation()(idle)
    node = await stage.node(working=False)
    handle = await submit(node, "idle")
    with node.feed.watch(handle.id) as watch:
        await node.committer.commit(Cancel(handle.id))  # falls between
        async with asyncio.timeout(PATIENCE):
            await watch.changed.wait()
    assert await handle.status() is Status.CANCELLED


async def test_waiting_for_the_end_sees_what_another_node_has_done(stage: Stage) -> None:
    stage.operation()(idle)
    here, there = await stage.node(working=False), await stage.node(working=False)
    handle = await submit(here, "idle")
    waiting = asyncio.create_task(handle.wait(PATIENCE))
    await there.committer.commit(Cancel(handle.id))
    assert (await waiting).status is Status.CANCELLED


class Still(MovableClock):
    """Nobody who sleeps on it wakes: nothing is found by looking again."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.get_running_loop().create_future()


async def test_news_that_come_while_one_reads_are_not_missed(stage: Stage, gates: Gates) -> None:
    stage.operation()(idle)
    store = stage.store(clock=Still())
    node = await stage.node(working=False, store=store, clock=Still())
    handle = await submit(node, "idle")
    read = store.operation

    async def slowly(id: str, owner: str | None = None) -> object:
        found = await read(id, owner)
        await gates.held()
        return found

    store.__dict__["operation"] = slowly
    waiting = asyncio.create_task(handle.wait(PATIENCE))
    await gates.started.passed()
    await node.committer.commit(Cancel(handle.id))
    gates.go.open()
    assert (await asyncio.wait_for(waiting, PATIENCE / 2)).status is Status.CANCELLED


async def test_without_any_hint_news_of_another_node_come_with_the_next_look(stage: Stage) -> None:
    stage.operation()(idle)
    here, there = await stage.node(working=False, notify=False), await stage.node(working=False, notify=False)
    handle = await submit(here, "idle")
    waiting = asyncio.create_task(handle.wait(PATIENCE))
    await there.committer.commit(Cancel(handle.id))
    stage_clock = stage.clock
    assert isinstance(stage_clock, MovableClock)
    stage_clock.advance(1)
    assert (await waiting).status is Status.CANCELLED


def passed_on(feed: Feed, hints: list[Hint] | None) -> None:
    feed._pass_on(hints)


async def test_a_hint_wakes_those_who_watch_that_operation_and_none_wakes_all(stage: Stage) -> None:
    feed = Feed((await stage.node(working=False)).store)
    with feed.watch("op-a") as first, feed.watch("op-a") as second, feed.watch("op-b") as other:
        passed_on(feed, [hint("op-a"), hint("op-x")])
        assert (first.changed.is_set(), second.changed.is_set(), other.changed.is_set()) == (True, True, False)
        passed_on(feed, None)
        assert other.changed.is_set()


async def test_whoever_stops_watching_leaves_nothing_behind(stage: Stage) -> None:
    feed = Feed((await stage.node(working=False)).store)
    with feed.watch("op-a"), feed.watch("op-a"):
        pass
    assert feed._watches == {}


async def test_followers_hear_of_own_commits_and_of_those_of_others(stage: Stage) -> None:
    stage.operation()(idle)
    here, there = await stage.node(working=False), await stage.node(working=False)
    heard: list[Hint] = []
    come = asyncio.Event()

    def on_hints(hints: object) -> None:
        if isinstance(hints, list):
            heard.extend(hints)
            come.set()

    here.feed.follow_hints(on_hints)
    own = await submit(here, "idle")
    other = await submit(there, "idle")
    async with asyncio.timeout(PATIENCE):
        while other.id not in [each.operation_id for each in heard]:
            come.clear()
            await come.wait()
    assert own.id in [each.operation_id for each in heard]


async def test_end_lets_everybody_go(stage: Stage, gates: Gates) -> None:
    stage.operation()(idle)
    node = await stage.node(working=False)
    service = Service(node)
    handle = await submit(node, "idle")
    operation = await handle.operation()
    store = store_of(node)
    waits = [
        asyncio.create_task(service.wait(operation, OWNER, 3600, "end")),
        asyncio.create_task(service.wait(operation, OWNER, 3600, "change")),
    ]
    events = asyncio.create_task(events_of(service, handle.id))
    await until(node, handle.id, lambda each: each.status is Status.PENDING)
    node.drain()
    async with asyncio.timeout(PATIENCE):
        assert [each.status for each in await asyncio.gather(*waits)] == [Status.PENDING, Status.PENDING]
        assert await events == [1]
    assert await store.operation(handle.id) == operation
    assert await service.wait(operation, OWNER, 3600, "end") == operation  # nobody begins to wait any more


async def events_of(service: Service, id: str) -> list[int]:
    return [event.sequence async for event in service.follow_events(id, OWNER, 0)]
