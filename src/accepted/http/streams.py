"""Event streams: contract, section 8, over `text/event-stream`.

A stream is one coroutine that waits for news and writes all that has come in one go; a second one only notices that the
client has gone. Everything that is shared, reading, encoding, heartbeats, is done once for all streams elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator, Sequence

from ..contract import frame
from ..contract.operation import is_operation_id
from ..contract.problem import InvalidParameter, OperationNotFound
from ..engine.channel import Told
from ..engine.follower import Follower, News, Position
from ..service import Service
from ..store.protocol import StoreUnavailable
from .bookmark import LOST, Bookmark
from .call import NOSNIFF, Call
from .pulse import Pulse, Stream

log = logging.getLogger("accepted.http")

OPERATIONS_LIMIT = 100
PART = 32 * 1024  # bytes that are sent at once; the server keeps up to 64 KiB more before it has us wait
_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events back until its buffer is full
    NOSNIFF,
)
_STILL_HERE = b": still here\n\n"


class Streams:
    """The endpoints that end in `/stream`."""

    def __init__(self, service: Service, pulse: Pulse) -> None:
        self._service = service
        self._pulse = pulse

    async def operation(self, call: Call, id: str) -> None:
        """`GET /operations/{id}/stream`."""
        await self._follow(call, (id,), many=False)

    async def operations(self, call: Call) -> None:
        """`GET /operations/stream?ids=a,b,c`."""
        await self._follow(call, _ids(call), many=True)

    async def _follow(self, call: Call, ids: tuple[str, ...], *, many: bool) -> None:
        logs = call.flag("logs", False)
        bookmark = Bookmark(ids, many=many, logs=logs)
        positions = _resumed(call, bookmark, ids)
        with self._service.follower(logs=logs) as follower:
            for id in ids:
                await self._service.join(follower, id, call.owner, positions.get(id))
            if follower.over and not follower.interrupted:
                await call.empty(204)  # it knows all there is: this ends an EventSource (guarantee E6)
                return
            call.started = True  # also while the server stops: an EventSource that is refused would never come back
            await call.send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
            if call.scope["method"] == "HEAD":
                await call.send({"type": "http.response.body", "body": b""})
                return
            with self._pulse.stream("sse", follower, call, beats=True) as stream:
                if not (many or logs):
                    follower.offer = _Offer(stream, call.base)
                await self._tell(call, stream, follower, bookmark)
            if stream.dropped:
                await call.disconnected()  # before that, a server takes a body without its end for our mistake

    async def _tell(self, call: Call, stream: Stream, follower: Follower, bookmark: Bookmark) -> None:
        gone = asyncio.create_task(call.disconnected())
        gone.add_done_callback(lambda _: follower.nudge())
        try:
            first = _retry()
            while not (follower.over or gone.done()):
                batch = await follower.news()
                for body in _written(batch, bookmark, call.base) if batch else (_STILL_HERE,):
                    if gone.done():
                        return
                    await stream.send({"type": "http.response.body", "body": first + body, "more_body": True})
                    first = b""
        except StoreUnavailable:
            log.warning("a stream ends early, for the database cannot be read; its reader will resume")
        finally:
            gone.cancel()
        last = b": the server is about to stop\n" + _retry() if follower.interrupted else b""
        await stream.send({"type": "http.response.body", "body": last})


class _Offer:
    """The short way of an event to a stream that waits: written once for all, and sent where it is."""

    __slots__ = ("_base", "_stream")

    def __init__(self, stream: Stream, base: str) -> None:
        self._stream = stream
        self._base = base

    def __call__(self, told: Sequence[Told]) -> bool:
        parts = [each.written(frame.sse_numbered, self._base) for each in told]
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._stream.offer({"type": "http.response.body", "body": body, "more_body": True})


def _written(batch: list[News], bookmark: Bookmark, base: str) -> Iterator[bytes]:
    """All of it in as few parts as can be; a reader that does not take one costs no more than that (guarantee E7)."""
    part, size = [], 0
    for news in batch:
        part.append(bookmark.after(news) + _frame(news, base))
        size += len(part[-1])
        if size >= PART:
            yield b"".join(part)
            part, size = [], 0
    if part:
        yield b"".join(part)


def _frame(news: News, base: str) -> bytes:
    if news.told is None:
        assert news.line is not None
        return frame.sse_line(news.operation_id, news.line)
    return news.told.written(frame.sse_reset if news.reset else frame.sse_event, base)


def _retry() -> bytes:
    """When to come back after a cut: not all at once."""
    return b"retry: %d\n\n" % random.randint(1000, 3000)


def _ids(call: Call) -> tuple[str, ...]:
    """`ids`, each once. Raises `InvalidParameter`, or `OperationNotFound` for what is no id."""
    values = [value for name, value in call.query() if name == "ids"]
    ids = tuple(dict.fromkeys(id for value in values for id in value.split(",") if id))
    if not 1 <= len(ids) <= OPERATIONS_LIMIT:
        detail = f"has to name 1 to {OPERATIONS_LIMIT} operations, as ids=a,b,c"
        raise InvalidParameter(f"ids: {detail}.", errors=[{"parameter": "ids", "detail": detail}])
    if not all(map(is_operation_id, ids)):
        raise OperationNotFound
    return ids


def _resumed(call: Call, bookmark: Bookmark, ids: tuple[str, ...]) -> dict[str, Position | None]:
    """Where the reader stands in each operation: `Last-Event-ID` wins over `?after=`; nothing where it is new.

    An id that is none of ours gets a reset, because an EventSource that is refused would never come back. `after` was
    written by a person. Raises `InvalidParameter` for it.
    """
    if b"last-event-id" in call.headers:
        text = call.header(b"last-event-id").strip()
        return bookmark.read(text) or dict.fromkeys(ids, LOST)
    after = dict(call.query()).get("after")
    if after is None:
        return {}
    if (found := bookmark.read(after)) is None:
        detail = "has to be an id as this stream gives it"
        raise InvalidParameter(f"after: {detail}.", errors=[{"parameter": "after", "detail": detail}])
    return found
