"""A follower's place: what comes next, from the channel or the store, and a reset where history is gone (E2 to E7)."""

import asyncio

import pytest

from accepted.contract.event import Event
from accepted.contract.operation import Operation
from accepted.contract.policy import EVENTS_KEPT, EVENTS_SLACK
from accepted.engine.channel import KEPT
from accepted.engine.follower import Follower, Position
from accepted.engine.node import Node
from accepted.service import Service
from accepted.store.protocol import StoreUnavailable
from tests.clock import MovableClock
from tests.engine.author import Author, after, author, before, events, spelled, told, told_to_the_end
from tests.engine.gate import PATIENCE, Gate
from tests.engine.stage import OWNER, Stage, store_of

LONG = EVENTS_KEPT + EVENTS_SLACK


@pytest.fixture
async def node(stage: Stage) -> Node:
    """A node whose followers are tested."""

    @stage.operation()
    def idle() -> None:
        """Nobody runs it."""

    return await stage.node(working=False)


@pytest.fixture
async def writer(node: Node) -> Author:
    """An operation that goes as the test says; its last event is number 2."""
    return await author(node)


async def joined(node: Node, follower: Follower, writer: Author, after: str = "") -> None:
    """Follow from the present state on, or after a position."""
    event, _, line = after.partition("-")
    position = Position(int(event), int(line or 0)) if after else None
    await Service(node).join(follower, writer.id, OWNER, position)


async def follow(node: Node, writer: Author, after: str = "", *, logs: bool = False) -> list[str]:
    """All that is told of an operation that has ended, or ends meanwhile."""
    with Service(node).follower(logs=logs) as follower:
        await joined(node, follower, writer, after)
        return await told_to_the_end(follower)


# --- where it begins


async def test_a_fresh_one_begins_with_the_present_state(node: Node, writer: Author) -> None:
    await writer.advance(5)
    with Service(node).follower() as follower:
        await joined(node, follower, writer)
        assert await told(follower, 1) == ["event 7"]
    await writer.complete()
    assert await follow(node, writer) == ["end 8"]


async def test_from_every_position_it_goes_on_with_the_next(node: Node, writer: Author) -> None:
    """E2, E4: events k+1 to n, whatever k is, whether the operation has ended or not."""
    await writer.advance(5)
    for k in range(8):
        with Service(node).follower() as follower:
            await joined(node, follower, writer, str(k))
            assert await told(follower, 7 - k) == events(k + 1, 7)
    await writer.complete()
    for k in range(8):
        assert await follow(node, writer, str(k)) == [*events(k + 1, 7), "end 8"]
    assert await follow(node, writer, "8") == []


async def test_who_knows_more_than_there_is_gets_a_reset(node: Node, writer: Author) -> None:
    with Service(node).follower() as follower:
        await joined(node, follower, writer, "9")
        await writer.advance()
        assert await told(follower, 2) == ["reset 2", "event 3"]
    await writer.complete()
    assert await follow(node, writer, "9") == ["reset 3", "end 4"]


# --- behind the channel


async def test_who_has_fallen_behind_the_channel_reads_from_the_store(node: Node, writer: Author) -> None:
    reads: list[int] = []

    async def noted() -> None:
        reads.append(1)

    before(store_of(node), "events", noted)
    with Service(node).follower() as slow, Service(node).follower() as quick:
        await joined(node, slow, writer)
        await joined(node, quick, writer)
        await told(slow, 1)
        for _ in range(3):
            await writer.advance_at_once(KEPT)
            await told(quick, KEPT)
        assert reads == [], "who keeps up needs no store"
        await writer.complete()
        assert await told_to_the_end(slow) == [*events(3, 2 + 3 * KEPT), f"end {3 + 3 * KEPT}"]
        assert reads


async def test_of_many_operations_none_waits_for_another_to_be_told(node: Node) -> None:
    """What one call gives is bounded, and each operation has its turn."""
    writers = [await author(node) for _ in range(4)]
    with Service(node).follower() as follower:
        for writer in writers:
            await joined(node, follower, writer)
        await told(follower, 4)
        for writer in writers:
            await writer.advance_at_once(KEPT)
        turns: list[set[str]] = []
        async with asyncio.timeout(PATIENCE):
            while len(turns) < 4:
                batch = await follower.news()
                assert len(batch) < 2 * KEPT
                turns.append({news.operation_id for news in batch})
        assert set.union(*turns) == {writer.id for writer in writers}


# --- compaction


async def test_where_history_is_gone_it_says_so_and_goes_on(node: Node, writer: Author) -> None:
    """E5."""
    await writer.advance_at_once(LONG)
    with Service(node).follower() as follower:
        await joined(node, follower, writer, "1")
        assert await told(follower, 1) == [f"reset {LONG + 2}"]
        await writer.complete()
        assert await told_to_the_end(follower) == [f"end {LONG + 3}"]
    assert await follow(node, writer, "1") == [f"reset {LONG + 2}", f"end {LONG + 3}"]
    assert await follow(node, writer, str(EVENTS_SLACK + 1)) == [
        *events(EVENTS_SLACK + 2, LONG + 2),
        f"end {LONG + 3}",
    ]


async def test_history_may_go_under_a_reader_that_is_slow(node: Node, writer: Author) -> None:
    with Service(node).follower() as follower:
        await joined(node, follower, writer)
        assert await told(follower, 1) == ["event 2"]
        await writer.advance_at_once(LONG)
        assert await told(follower, 1) == [f"reset {LONG + 2}"]
        await writer.complete()
        assert await told_to_the_end(follower) == [f"end {LONG + 3}"]


# --- what may happen meanwhile


async def test_what_expires_under_a_follower_ends_it(node: Node, writer: Author, clock: MovableClock) -> None:
    with Service(node).follower() as follower:
        await joined(node, follower, writer)
        await told(follower, 1)
        await writer.advance_at_once(2 * KEPT)
        await writer.complete()
        clock.advance(days=2)
        await node.sweeper.sweep()
        assert (await told_to_the_end(follower), follower.over) == ([], True)
    assert node.relay._channels == {}


@pytest.mark.parametrize("read", ["events", "operation"])
async def test_it_may_expire_between_two_reads(node: Node, writer: Author, clock: MovableClock, read: str) -> None:
    await writer.advance_at_once(LONG)
    await writer.complete()

    async def expired() -> None:
        clock.advance(days=2)
        await node.sweeper.sweep()

    with Service(node).follower() as follower:
        await joined(node, follower, writer, "1")
        after(store_of(node), read, expired)
        found = await told_to_the_end(follower)
        assert follower.over
    assert found in ([], [f"reset {LONG + 2}"])


async def test_a_store_that_cannot_be_read_is_said_to_who_needs_it(node: Node, writer: Author) -> None:
    async def failing() -> None:
        raise StoreUnavailable("the disk")

    await writer.advance(5)
    with Service(node).follower() as follower:
        await joined(node, follower, writer, "1")
        before(store_of(node), "events", failing)
        with pytest.raises(StoreUnavailable):
            await follower.news()
    assert node.relay._channels == {}


async def test_who_follows_anew_while_it_is_read_gets_only_what_was_asked_for_last(node: Node, writer: Author) -> None:
    """A client may subscribe again, from another position, while we read for the first one."""
    await writer.advance(3)
    await writer.complete()
    begun, held = Gate(), Gate()

    async def slowly() -> None:
        begun.open()
        await held.passed()

    with Service(node).follower(lasting=True) as follower:
        await joined(node, follower, writer, "1")
        after(store_of(node), "events", slowly)
        telling = asyncio.create_task(told(follower, 4))
        await begun.passed()
        follower.drop(writer.id)
        await joined(node, follower, writer, "2")
        held.open()
        assert await telling == ["event 3", "event 4", "event 5", "end 6"]
        assert follower.following == 0


async def test_what_is_joined_while_it_waits_is_told_at_once(node: Node, writer: Author) -> None:
    with Service(node).follower(lasting=True) as follower:
        waiting = asyncio.create_task(told(follower, 1))
        await asyncio.wait({waiting}, timeout=0)
        await joined(node, follower, writer)
        assert await waiting == ["event 2"]


async def test_a_nudge_wakes_it_with_nothing(node: Node, writer: Author) -> None:
    with Service(node).follower() as follower:
        await joined(node, follower, writer)
        await told(follower, 1)
        waiting = asyncio.create_task(follower.news())
        await asyncio.wait({waiting}, timeout=0)
        follower.nudge()
        async with asyncio.timeout(PATIENCE):
            assert await waiting == []
        await writer.advance()
        assert await told(follower, 1) == ["event 3"]


async def test_the_end_of_the_server_lets_all_go(node: Node, writer: Author) -> None:
    """D6."""
    with Service(node).follower() as follower, Service(node).follower(lasting=True) as lasting:
        await joined(node, follower, writer)
        waiting = [asyncio.create_task(told_to_the_end(each)) for each in (follower, lasting)]
        await asyncio.wait(waiting, timeout=0)
        node.drain()
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.gather(*waiting) == [["event 2"], []]
        assert (follower.over, follower.interrupted, lasting.interrupted) == (True, True, True)
    with Service(node).follower() as late:
        await joined(node, late, writer, "1")
        assert late.over


async def test_who_has_all_is_not_interrupted(node: Node, writer: Author) -> None:
    await writer.complete()
    with Service(node).follower() as follower:
        await joined(node, follower, writer)
        await told_to_the_end(follower)
        node.drain()
        assert (follower.over, follower.interrupted) == (True, False)


# --- read and encoded once (E7)


async def test_many_followers_are_told_the_same_objects_written_once(node: Node, writer: Author) -> None:
    written: list[int] = []

    def write(event: Event, end: Operation | None, base: str) -> bytes:
        written.append(event.sequence)
        return str(event.sequence).encode()

    followers = [Service(node).follower() for _ in range(50)]
    for follower in followers:
        follower.__enter__()
        await joined(node, follower, writer)
        await told(follower, 1)
    await writer.advance(5)
    await writer.complete()
    batches = [await follower.news() for follower in followers]
    for batch in batches:
        assert [spelled(news) for news in batch] == [*events(3, 7), "end 8"]
        assert [news.told for news in batch] == [news.told for news in batches[0]]
        assert b"".join(news.told.written(write, "/api") for news in batch if news.told) == b"345678"
    assert written == [3, 4, 5, 6, 7, 8]
    for follower in followers:
        follower.__exit__()


async def test_in_process_events_are_the_same(node: Node, writer: Author) -> None:
    """E3."""
    await writer.advance(3)
    await writer.complete()
    for k in range(6):
        found = [event.sequence async for event in Service(node).follow_events(writer.id, OWNER, k)]
        assert found == list(range(k + 1, 7))
