"""How an event stream is told, whatever is on it: from its head to its end, or until its reader is gone or cut.

A stream is one coroutine that waits for news and writes all that has come in one go; a second one only notices that the
client has gone. Everything that is shared, reading, encoding, heartbeats, is done once for all streams elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from ..store.protocol import StoreUnavailable
from .call import SAFE, Call
from .pulse import STILL_HERE, Listener, Pulse, Stream

log = logging.getLogger("accepted.http")

PART = 32 * 1024  # bytes that are sent at once; the server keeps up to 64 KiB more before it has us wait
_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events back until its buffer is full
    *SAFE,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Source(Listener, Protocol[T_co]):
    """Where the news of a stream come from."""

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""

    @property
    def interrupted(self) -> bool:
        """Whether the server stops while there was more to come."""

    async def news(self) -> Sequence[T_co]:
        """What is new, as soon as anything is; empty when woken for nothing."""


async def tell(
    call: Call,
    pulse: Pulse,
    follower: Source[T],
    written: Callable[[T], bytes],
    shorten: Callable[[Stream], None] | None = None,
) -> None:
    """Answer with an event stream of what `follower` is told, as `written` writes it: b"" for what is not told here.

    `shorten` may give the follower a short way to the stream. Whoever knows all there is gets 204, which ends an
    EventSource (guarantee E6).
    """
    if follower.over and not follower.interrupted:
        await call.empty(204)
        return
    pulse.check(call.caller)
    call.started = True  # also while the server stops: an EventSource that is refused would never come back
    await call.send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, *call.pace]})
    if call.scope["method"] == "HEAD":
        await call.send({"type": "http.response.body", "body": b""})
        return
    with pulse.stream("sse", follower, call, beats=True) as stream:
        if shorten is not None:
            shorten(stream)
        await _tell(call, stream, follower, written)
    if stream.dropped:
        await call.disconnected()  # before that, a server takes a body without its end for our mistake


async def _tell(call: Call, stream: Stream, follower: Source[T], written: Callable[[T], bytes]) -> None:
    gone = asyncio.create_task(call.disconnected())
    gone.add_done_callback(lambda _: follower.nudge())
    try:
        first = _retry()
        while not (follower.over or gone.done()):
            batch = await follower.news()
            for body in _parts(batch, written) if batch else (STILL_HERE["body"],):
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


def _parts(batch: Sequence[T], written: Callable[[T], bytes]) -> Iterator[bytes]:
    """All of it in as few parts as can be; a reader that does not take one costs no more than that (guarantee E7)."""
    part, size = [], 0
    for news in batch:
        part.append(written(news))
        size += len(part[-1])
        if size >= PART:
            yield b"".join(part)
            part, size = [], 0
    if size:
        yield b"".join(part)


def _retry() -> bytes:
    """When to come back after a cut: not all at once."""
    return b"retry: %d\n\n" % random.randint(1000, 3000)
