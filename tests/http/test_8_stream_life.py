"""Contract, section 8: how an event stream is kept open, how it ends, and readers that do not read."""

import asyncio
import json

import pytest

from accepted.http.pulse import BEAT, SEND_TIMEOUT
from accepted.http.telling import PART
from accepted.store.protocol import StoreUnavailable
from tests.clock import MovableClock
from tests.engine.author import before
from tests.http.api import Api, eventually, problem
from tests.http.asgi import Exchange
from tests.http.streaming import Reader, ids, names, nothing_followed, open_streams, second, writing

UPDATE = "status-update"


def stream(id: str, query: str = "") -> str:
    return f"/operations/{id}/stream{query}"


# --- keeping it open


class Flow:
    """What uvicorn says of a connection: whether it can take bytes now."""

    def __init__(self, *, paused: bool) -> None:
        self.write_paused = paused


class Flowing(Reader):
    flow = Flow(paused=False)


class Paused(Reader):
    flow = Flow(paused=True)


@pytest.mark.parametrize("kind", [Reader, Flowing, Paused])
async def test_a_quiet_stream_gets_a_comment_every_15_seconds(
    idle: Api, clock: MovableClock, kind: type[Reader]
) -> None:
    """Once each, by the short way or by waking its task."""
    writer = await writing(idle)
    reader = kind(idle.app, stream(writer.id))
    await reader.until(1)
    for beats in range(1, 4):
        for _ in range(BEAT):
            await second(clock)
        await reader.sees(lambda beats=beats: len(reader.parser.comments) == beats)  # type: ignore[misc]
    assert names(reader.events) == [UPDATE]
    await reader.leave()


async def test_it_says_when_to_come_back_and_not_to_all_the_same(idle: Api) -> None:
    writer = await writing(idle)
    readers = [Reader(idle.app, stream(writer.id)) for _ in range(30)]
    waits = set()
    for reader in readers:
        await reader.until(1)
        assert reader.body.startswith(b"retry: ")
        assert reader.parser.retry is not None
        waits.add(reader.parser.retry)
        await reader.leave()
    assert len(waits) > 10
    assert all(1000 <= wait <= 3000 for wait in waits)


async def test_the_end_of_the_server_is_clean_and_resumable(idle: Api) -> None:
    """D6."""
    writer = await writing(idle)
    reader = Reader(idle.app, stream(writer.id))
    await reader.until(1)
    first = reader.parser.retry
    idle.app.drain()
    assert ids(await reader.ended()) == ["2"]
    assert reader.complete
    assert "the server is about to stop" in reader.parser.comments
    assert reader.body.count(b"retry: ") == 2
    assert first is not None
    assert nothing_followed(idle)


async def test_who_comes_while_the_server_stops_is_told_to_come_again(idle: Api) -> None:
    """A refusal would end an EventSource for good (WHATWG HTML, section 9.2.3)."""
    writer = await writing(idle)
    idle.app.drain()
    for last_id in ("", "1"):
        late = Reader(idle.app, stream(writer.id), last_id=last_id or None)
        assert await late.ended() == []
        assert (late.status, late.parser.comments) == (200, ["the server is about to stop"])
        assert late.parser.retry is not None
    problem(await idle.get(stream(f"op-{'0' * 26}")), 404, "operation-not-found")
    assert nothing_followed(idle)


async def test_a_client_that_goes_leaves_nothing_behind(idle: Api) -> None:
    writer = await writing(idle)
    readers = [Reader(idle.app, stream(writer.id, "?logs=true")) for _ in range(20)]
    for reader in readers:
        await reader.until(1)
    assert open_streams(idle) == 20
    await asyncio.gather(*(reader.leave() for reader in readers))
    assert open_streams(idle) == 0
    assert nothing_followed(idle)


async def _tasks() -> int:
    """Also those of the store, which come and go by themselves."""
    return len(asyncio.all_tasks())


async def test_a_thousand_streams_come_and_go_and_nothing_is_left(idle: Api, clock: MovableClock) -> None:
    writer = await writing(idle)
    tasks = len(asyncio.all_tasks())
    for _ in range(50):
        readers = [Reader(idle.app, stream(writer.id)) for _ in range(20)]
        await asyncio.gather(*(reader.until(1) for reader in readers))
        await asyncio.gather(*(reader.leave() for reader in readers))
    await second(clock)
    await second(clock)
    assert nothing_followed(idle)
    await eventually(_tasks, lambda number: number <= tasks)
    pulse = idle.app.face.streams._pulse
    assert (pulse.sending, [len(bucket) for bucket in pulse._beating], pulse._open) == ({}, [0] * BEAT, 0)


async def test_a_database_that_cannot_be_read_ends_it_early_and_resumably(idle: Api) -> None:
    writer = await writing(idle)
    await writer.advance(3)

    async def failing() -> None:
        raise StoreUnavailable("the disk")

    before(idle.app.node.store, "events", failing)
    reader = Reader(idle.app, stream(writer.id), last_id="1")
    assert await reader.ended() == []
    assert (reader.status, reader.complete) == (200, True)
    del idle.app.node.store.__dict__["events"]
    await writer.complete()
    assert ids(await Reader(idle.app, stream(writer.id), last_id="1").ended()) == ["2", "3", "4", "5", "6"]


# --- readers that do not read (E7)


async def test_a_reader_that_does_not_read_is_cut_and_delays_nobody(idle: Api, clock: MovableClock) -> None:
    writer = await writing(idle)
    stuck, healthy = Reader(idle.app, stream(writer.id)), Reader(idle.app, stream(writer.id))
    await stuck.until(1)
    stuck.stop_reading()
    for number in range(2, 5):
        await healthy.until(number - 1)
        await writer.advance()
    for _ in range(int(SEND_TIMEOUT) - 1):
        await second(clock)
    assert not stuck.task.done()
    await eventually(lambda: _after_a_second(clock, stuck), bool)
    assert (len(stuck.events), stuck.complete) == (1, False)
    await writer.complete()
    assert ids(await healthy.ended()) == ["2", "3", "4", "5", "6"]
    assert (open_streams(idle), nothing_followed(idle)) == (0, True)


async def _after_a_second(clock: MovableClock, reader: Reader) -> bool:
    await second(clock)
    return reader.task.done()


async def test_a_reader_that_comes_back_to_life_in_time_has_missed_nothing(idle: Api, clock: MovableClock) -> None:
    writer = await writing(idle)
    reader = Reader(idle.app, stream(writer.id))
    await reader.until(1)
    reader.stop_reading()
    await writer.advance(600)
    for _ in range(5):
        await second(clock)
    reader.read_on()
    await writer.complete()
    assert ids(await reader.ended()) == [str(number) for number in range(2, 604)]


async def test_what_waits_for_a_reader_is_sent_in_parts_of_bounded_size(idle: Api) -> None:
    writer = await writing(idle)
    await writer.advance(lines=["x" * 8000] * 200)
    reader = Reader(idle.app, stream(writer.id, "?logs=true"))
    await reader.until(201)
    assert max(map(len, reader.parts)) < PART + 10_000
    await reader.leave()


async def test_events_that_wait_together_are_sent_together(idle: Api) -> None:
    writer = await writing(idle)
    await writer.advance(100)
    await writer.complete()
    exchange = await Exchange("GET", stream(writer.id, "?after=0")).through(idle.app)
    assert len(exchange.parts) < 5
    assert json.loads(exchange.parts[0].split(b"data: ")[1].split(b"\n")[0])["status"] == "PENDING"
