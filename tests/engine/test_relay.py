"""The relay: news of this process and of others come to the channels, whatever comes in between (guarantees E4, E8)."""

import asyncio

import pytest

from accepted.contract.operation import Status
from accepted.engine.channel import Channel
from accepted.engine.follower import Follower
from accepted.engine.node import Node
from accepted.engine.relay import PAUSE
from accepted.service import Service
from accepted.store.protocol import Hint, StoreUnavailable
from tests.clock import MovableClock
from tests.engine.author import Author, author, before, events, told, told_to_the_end
from tests.engine.gate import PATIENCE, Gate
from tests.engine.stage import OWNER, Stage, store_of


@pytest.fixture
async def here(stage: Stage) -> Node:
    """A node whose followers are tested."""

    @stage.operation()
    def idle() -> None:
        """Nobody runs it."""

    return await stage.node(working=False)


@pytest.fixture
async def there(stage: Stage, here: Node) -> Node:
    """Another process on the same file."""
    return await stage.node(working=False)


async def joined(node: Node, follower: Follower, writer: Author) -> Channel:
    """Follow from the present state on."""
    await Service(node).join(follower, writer.id, OWNER, None)
    return node.relay._channels[writer.id]


# --- between join, read and begin


@pytest.mark.parametrize("foreign", [False, True], ids=["own commits", "another's commits"])
async def test_nothing_falls_between_join_and_begin(here: Node, there: Node, foreign: bool) -> None:
    writer = await author(here)
    where = there if foreign else here
    with Service(here).follower() as follower:
        channel = follower.join(writer.id)
        await writer.advance(2, on=where)
        operation = await Service(here).get(writer.id, OWNER)
        await writer.advance(2, on=where)
        follower.begin(channel, operation, None)
        await writer.advance(2, on=where)
        await writer.complete(on=where)
        assert await told_to_the_end(follower) == ["event 4", *events(5, 8), "end 9"]


@pytest.mark.parametrize("foreign", [False, True], ids=["own commits", "another's commits"])
async def test_the_end_between_read_and_begin_is_told(here: Node, there: Node, foreign: bool) -> None:
    writer = await author(here)
    with Service(here).follower() as follower:
        channel = follower.join(writer.id)
        operation = await Service(here).get(writer.id, OWNER)
        await writer.complete(on=there if foreign else here)
        follower.begin(channel, operation, None)
        assert await told_to_the_end(follower) == ["event 2", "end 3"]


async def test_who_joins_later_neither_misses_nor_repeats(here: Node) -> None:
    writer = await author(here)
    service = Service(here)
    with service.follower() as first, service.follower() as second:
        await joined(here, first, writer)
        await writer.advance(3)
        await joined(here, second, writer)
        await writer.advance(2)
        await writer.complete()
        assert await told_to_the_end(second) == ["event 5", "event 6", "event 7", "end 8"]
        assert await told_to_the_end(first) == ["event 2", *events(3, 7), "end 8"]


# --- own commits and hints


async def test_own_commits_are_told_without_reading_the_store(here: Node) -> None:
    """But for the look that a store may have once a second, whoever has committed."""
    began = asyncio.get_running_loop().time()
    writer = await author(here)
    reads: list[str] = []

    async def noted() -> None:
        reads.append("read")

    with Service(here).follower() as follower:
        await joined(here, follower, writer)
        for name in ("news", "events"):
            before(store_of(here), name, noted)
        await writer.advance(100)
        assert await told(follower, 101) == events(2, 102)
        await writer.complete()
        assert await told_to_the_end(follower) == ["end 103"]
    assert len(reads) <= asyncio.get_running_loop().time() - began + 1


async def test_commits_of_two_processes_in_turn_are_told_in_order(here: Node, there: Node) -> None:
    writer = await author(here)
    with Service(here).follower() as follower:
        await joined(here, follower, writer)
        for _ in range(20):
            await writer.advance(on=there)
            await writer.advance(on=here)
        await writer.complete(on=there)
        assert await told_to_the_end(follower) == [*events(2, 42), "end 43"]


async def test_a_hint_about_what_is_known_is_not_followed_up(here: Node) -> None:
    writer = await author(here)
    with Service(here).follower() as follower:
        channel = await joined(here, follower, writer)
        await writer.advance(3)
        assert await told(follower, 4) == events(2, 5)
        here.relay._stale.clear()
        here.relay._on_hints([Hint(writer.id, "idle", Status.PROCESSING, sequence=5)])
        assert here.relay._stale == set()
        here.relay._on_hints([Hint(writer.id, "idle", Status.PROCESSING, sequence=6)])
        assert here.relay._stale == {channel}


async def test_a_lost_hint_is_found_within_a_second(stage: Stage, here: Node, clock: MovableClock) -> None:
    """E8, with all hints off."""
    deaf = await stage.node(working=False, notify=False)
    writer = await author(here)
    with Service(deaf).follower() as follower:
        await joined(deaf, follower, writer)
        assert await told(follower, 1) == ["event 2"]
        for number in range(3, 8):
            await writer.advance()
            clock.advance(1)
            assert await told(follower, 1) == [f"event {number}"]
        await writer.complete()
        clock.advance(1)
        assert await told_to_the_end(follower) == ["end 8"]


async def test_more_news_than_one_look_takes(here: Node, there: Node) -> None:
    writers = [await author(here) for _ in range(3)]
    with Service(here).follower() as follower:
        for writer in writers:
            await joined(here, follower, writer)
        await told(follower, 3)
        held = Gate()
        before(store_of(here), "news", held.passed)
        for writer in writers:
            writer.node = there
            await writer.advance_at_once(400)
            await writer.complete()
        held.open()
        assert len(await told_to_the_end(follower)) == 3 * 401


# --- a store that cannot be read


async def test_a_store_that_cannot_be_read_is_tried_again(here: Node, there: Node, clock: MovableClock) -> None:
    writer = await author(here)
    failures = asyncio.Queue[StoreUnavailable]()

    async def failing() -> None:
        if not failures.empty():
            raise failures.get_nowait()

    before(store_of(here), "news", failing)
    with Service(here).follower() as follower:
        await joined(here, follower, writer)
        assert await told(follower, 1) == ["event 2"]
        for _ in range(3):
            failures.put_nowait(StoreUnavailable("a lock"))
        await writer.advance(2, on=there)
        async with asyncio.timeout(PATIENCE):
            while not failures.empty():
                clock.advance(PAUSE)
                await asyncio.sleep(0)
        clock.advance(PAUSE)
        assert await told(follower, 2) == events(3, 4)
    assert not here.failed.is_set()


# --- nothing is left behind


async def test_the_last_to_leave_takes_the_channel_away(here: Node) -> None:
    writer = await author(here)
    service = Service(here)
    with service.follower() as one, service.follower(logs=True) as two:
        channel = await joined(here, one, writer)
        assert await joined(here, two, writer) is channel
        assert (len(channel.waiters), channel.logs, len(here.relay.followers)) == (2, 1, 2)
        two.drop(writer.id)
        assert (channel.waiters, channel.logs, channel.line) == ({one}, 0, -1)
    assert (here.relay._channels, here.relay.followers, here.relay._stale) == ({}, set(), set())


async def test_a_thousand_come_and_go_and_nothing_is_left(here: Node) -> None:
    writer = await author(here)
    tasks = asyncio.all_tasks()
    for number in range(1000):
        with Service(here).follower(logs=number % 2 == 0) as follower:
            await joined(here, follower, writer)
            if number % 10 == 0:
                await writer.advance()
            await follower.news()
    assert (here.relay._channels, here.relay.followers, here.relay._stale) == ({}, set(), set())
    assert asyncio.all_tasks() <= tasks | {asyncio.current_task()}


async def test_a_join_that_is_cancelled_while_it_reads_leaves_nothing(here: Node) -> None:
    writer = await author(here)
    begun, held = Gate(), Gate()

    async def slowly() -> None:
        begun.open()
        await held.passed()

    before(store_of(here), "operation", slowly)
    with Service(here).follower(logs=True) as follower:
        joining = asyncio.create_task(Service(here).join(follower, writer.id, OWNER, None))
        await begun.passed()
        joining.cancel()
        await asyncio.wait({joining})
        assert joining.cancelled()
        assert here.relay._channels == {}
    held.open()


async def test_who_waits_for_another_to_begin_is_not_forgotten_when_that_one_gives_up(stage: Stage) -> None:
    """Somebody joins for the log and fails; meanwhile an event has come that nobody would look for again."""

    class Still(MovableClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.get_running_loop().create_future()

    @stage.operation()
    def idle() -> None: ...

    here = await stage.node(working=False, store=stage.store(clock=Still()), clock=Still())
    writer = await author(here)
    with Service(here).follower() as follower, Service(here).follower(logs=True) as other:
        await joined(here, follower, writer)
        assert await told(follower, 1) == ["event 2"]
        channel = other.join(writer.id)
        await writer.advance()
        other.leave(channel)
        assert await told(follower, 1) == ["event 3"]


async def test_while_one_joins_for_the_log_no_event_overtakes_its_lines(here: Node, there: Node) -> None:
    writer = await author(here)
    begun, held = Gate(), Gate()
    service = Service(here)

    async def slowly() -> None:
        begun.open()
        await held.passed()

    with service.follower() as follower, service.follower(logs=True) as reader:
        await joined(here, follower, writer)
        assert await told(follower, 1) == ["event 2"]
        await writer.advance(lines=["one"])
        assert await told(follower, 1) == ["event 3"]
        operation = await service.get(writer.id, OWNER)
        before(store_of(here), "operation", slowly)
        await writer.complete(lines=["two", "three"], on=there)
        await begun.passed()  # the relay has read the end, and now reads what it returned
        channel = reader.join(writer.id)
        held.open()
        reader.begin(channel, operation, None)
        assert await told_to_the_end(reader) == ["event 3", "line 3-1", "line 3-2", "line 3-3", "end 4-3"]
        assert await told_to_the_end(follower) == ["end 4"]
