"""The one timer behind all streams of a process: heartbeats, and an end for readers that do not read.

No stream has a timer or a task group of its own: ten thousand idle ones cost one look a second, and one short write
each every 15 seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import Message, Send

from ..engine.follower import Follower
from ..engine.metrics import Metrics
from ..store.clock import Clock

BEAT = 15  # seconds between the comments that keep a quiet stream open (contract, section 8)
SEND_TIMEOUT = 10.0  # seconds that one message may wait for its reader (guarantee E7)


class Stream:
    """One open stream: whom it follows for, and the task that sends on it."""

    __slots__ = ("_pulse", "_send", "cut", "follower", "task")

    def __init__(self, pulse: Pulse, follower: Follower, send: Send) -> None:
        self._pulse = pulse
        self._send = send
        self.follower = follower
        self.task: asyncio.Task[Any] | None = asyncio.current_task()
        self.cut = False

    async def send(self, message: Message) -> None:
        """Send, for as long as the reader takes; one that takes too long is cut off."""
        self._pulse.sending[self] = self._pulse.now
        try:
            await self._send(message)
        finally:
            self._pulse.sending.pop(self, None)


class Pulse:
    """All open streams, and the timer they share while there are any."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._beating: list[set[Stream]] = [set() for _ in range(BEAT)]
        self._turn = 0
        self._open = 0
        self._timer: asyncio.Task[None] | None = None
        self.now = 0.0
        self.sending: dict[Stream, float] = {}

    @contextmanager
    def stream(self, kind: str, follower: Follower, send: Send, *, beats: bool) -> Iterator[Stream]:
        """A stream of the running task, counted as `kind`. Its follower is nudged at each beat, if it `beats`.

        What is raised inside because its reader was cut off ends here.
        """
        stream = Stream(self, follower, send)
        bucket = self._beating[self._turn - 1] if beats else set()  # whose turn has just been: it comes in BEAT seconds
        bucket.add(stream)
        gauge = self._metrics.streams.labels(kind)
        gauge.inc()
        self._begin()
        try:
            yield stream
        except asyncio.CancelledError:
            if not stream.cut:
                raise
            if stream.task is not None:
                stream.task.uncancel()
            _abort(send)
        finally:
            bucket.discard(stream)
            gauge.dec()
            self._open -= 1

    def _begin(self) -> None:
        self._open += 1
        if self._timer is None or self._timer.done():
            self.now = self._clock.monotonic()
            self._timer = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._open:
            await self._clock.sleep(1.0)
            self.now = self._clock.monotonic()
            for stream in list(self._beating[self._turn]):
                stream.follower.nudge()
            self._turn = (self._turn + 1) % BEAT
            for stream, since in list(self.sending.items()):
                if self.now - since > SEND_TIMEOUT and not stream.cut and stream.task is not None:
                    stream.cut = True
                    stream.task.cancel()


def _abort(send: Send) -> None:
    """Drop the connection with what is still to be sent on it, where the server lets us reach it (uvicorn does); else
    it is closed once that is sent or the peer's system gives up.
    """
    abort = getattr(getattr(getattr(send, "__self__", None), "transport", None), "abort", None)
    if abort is not None:
        abort()
