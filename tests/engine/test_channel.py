"""A channel: the last events of one operation, kept once for all who follow (guarantee E7)."""

import asyncio

import pytest

from accepted.contract.event import Event
from accepted.contract.operation import LogLine, Operation, Status
from accepted.engine.channel import KEPT, Channel, Told, Waiter
from tests.contract.given import completed, processing
from tests.engine.gate import PATIENCE

DONE = completed()


def event(sequence: int, status: Status = Status.PROCESSING) -> Event:
    return Event(DONE.id, sequence, 0, status, 1)


def line(number: int) -> LogLine:
    return LogLine(number, 0, "INFO", f"line {number}", 1)


def channel(sequence: int = 2, told: int = 0, *, lines: int = -1) -> Channel:
    """One that has begun at an event, and has been told so many more."""
    found = Channel(DONE.id)
    found.sequence, found.line = sequence, lines
    for number in range(sequence + 1, sequence + told + 1):
        assert found.tell(event(number), None)
    return found


def numbers(found: Channel, after: int) -> list[int] | None:
    told = found.since(after)
    return None if told is None else [each.event.sequence for each in told]


def test_it_begins_with_the_operation_as_it_was_read() -> None:
    found = Channel(DONE.id)
    assert not found.begun
    found.begin(processing())
    assert (found.begun, found.sequence, found.ended) == (True, 2, False)
    found.begin(DONE)
    assert found.sequence == 2, "what is missing is told, not skipped"
    ended = Channel(DONE.id)
    ended.begin(DONE)
    assert ended.ended


def test_it_takes_events_in_order_and_each_once() -> None:
    found = channel(2)
    assert found.tell(event(3), None)
    assert not found.tell(event(5), None), "4 is missing"
    assert found.tell(event(3), None), "that is known"
    assert found.tell(event(4), None)
    assert numbers(found, 2) == [3, 4]


@pytest.mark.parametrize(
    ("after", "expected"), [(2, [3, 4, 5]), (4, [5]), (5, []), (9, []), (1, None), (0, None)], ids=str
)
def test_a_reader_gets_what_it_has_not_seen_or_is_sent_to_the_store(after: int, expected: list[int] | None) -> None:
    assert numbers(channel(2, 3), after) == expected


def test_it_keeps_only_so_many() -> None:
    found = channel(2, 3 * KEPT)
    assert numbers(found, found.sequence - KEPT) == list(range(3 + 2 * KEPT, 3 + 3 * KEPT))
    assert numbers(found, found.sequence - KEPT - 1) is None


def test_after_a_jump_readers_from_before_go_to_the_store() -> None:
    found = channel(2, 3)
    found.jump(event(500), None)
    assert found.tell(event(501), None)
    assert numbers(found, 499) == [500, 501]
    assert numbers(found, 5) is None


def test_it_knows_the_end() -> None:
    found = channel(2)
    assert found.tell(event(3, Status.COMPLETED), DONE)
    assert found.ended
    (last,) = found.since(2) or ()
    assert last.end is DONE


def test_lines_are_kept_only_while_somebody_follows_the_log() -> None:
    found = channel(2, lines=3)
    found.logs = 1
    found.tell_lines([line(2), line(3), line(4), line(5)])
    assert [each.line for each in found.lines_since(3) or ()] == [4, 5]
    assert found.lines_since(2) is None
    found.forget_lines()
    found.line = 20  # somebody follows it again, later
    assert found.lines_since(18) is None, "what was told then is not what comes before 20"
    found.tell_lines([line(21)])
    assert [each.line for each in found.lines_since(20) or ()] == [21]


def test_it_waits_for_lines_where_somebody_wants_them() -> None:
    assert channel(2).begun
    for line, begun in ((-1, False), (0, True)):
        found = channel(2, lines=line)
        found.logs = 1
        assert found.begun is begun


# --- encoded once


def test_an_event_is_written_once_for_all_readers() -> None:
    written: list[tuple[int, str]] = []

    def write(event: Event, end: Operation | None, base: str) -> bytes:
        written.append((event.sequence, base))
        return b"%d%s" % (event.sequence, base.encode())

    told = Told(event(7), None)
    first = told.written(write, "")
    assert all(told.written(write, "") is first for _ in range(1000))
    assert all(told.written(write, f"/tenants/{number}") is first for number in range(1000)), "only an end has links"
    assert written == [(7, "")]
    end = Told(event(8, Status.COMPLETED), DONE)
    assert [end.written(write, base) for base in ("", "/a", "", "/a")] == [b"8", b"8/a", b"8", b"8/a"]
    assert written[1:] == [(8, ""), (8, "/a")]


def test_each_way_of_writing_is_its_own() -> None:
    told = Told(event(7), None)
    assert told.written(lambda *_: b"one", "") == b"one"
    assert told.written(lambda *_: b"two", "") == b"two"


# --- being woken


async def test_whoever_waits_is_woken_once_for_all_that_has_come() -> None:
    waiter = Waiter()
    for _ in range(5):
        waiter.wake()
    async with asyncio.timeout(PATIENCE):
        await waiter.wait()
    waiting = asyncio.create_task(waiter.wait())
    await asyncio.wait({waiting}, timeout=0)
    assert not waiting.done()
    waiter.wake()
    waiter.wake()
    async with asyncio.timeout(PATIENCE):
        await waiting


async def test_news_between_two_waits_are_not_lost_when_the_first_is_cancelled() -> None:
    waiter = Waiter()
    waiting = asyncio.create_task(waiter.wait())
    await asyncio.wait({waiting}, timeout=0)
    waiter.wake()
    waiting.cancel()
    await asyncio.wait({waiting})
    async with asyncio.timeout(PATIENCE):
        await waiter.wait()


async def test_a_channel_wakes_all_who_wait() -> None:
    found, waiters = channel(2), [Waiter() for _ in range(3)]
    found.waiters |= set(waiters)
    waiting = [asyncio.create_task(waiter.wait()) for waiter in waiters]
    await asyncio.wait(waiting, timeout=0)
    found.wake()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*waiting)
