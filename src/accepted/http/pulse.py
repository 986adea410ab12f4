"""The one timer behind all streams of a process: heartbeats, and an end for readers that do not read, or may not any
longer.

No stream has a timer or a task group of its own: ten thousand idle ones cost one look a second, and one short write
each every 15 seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, Self, cast

from starlette.types import Message, Receive

from ..contract.caller import ANYBODY, Caller
from ..contract.problem import Overloaded
from ..contract.traffic import QuotaExceeded
from ..engine.metrics import Metrics
from ..settings import Settings
from ..store.clock import Clock
from .call import Call

BEAT = 15  # seconds between the comments that keep a quiet stream open (contract, section 8)
STILL_HERE: Message = {"type": "http.response.body", "body": b": still here\n\n", "more_body": True}
SEND_TIMEOUT = 10.0  # seconds that one message may wait for its reader (guarantee E7)


class Listener(Protocol):
    """Whom a stream waits for: a follower of operations, or who watches them all."""

    @property
    def waiting(self) -> bool:
        """Whether it waits at this moment, and for nothing that has come yet."""

    def nudge(self) -> None:
        """Wait no longer."""


class Stream:
    """One open stream of the running task, as a context manager: whom it follows for, and how it sends.

    What is raised inside because its reader was cut off ends here.
    """

    __slots__ = (
        "_bucket", "_flow", "_kind", "_pulse", "_receive", "_send", "caller", "cut", "dropped", "follower", "task",
    )  # fmt: skip

    def __init__(self, pulse: Pulse, kind: str, follower: Listener, call: Call, bucket: set[Stream]) -> None:
        self._pulse = pulse
        self._kind = kind
        self._bucket = bucket
        self._receive = call.receive
        self._send = call.send
        self._flow = getattr(getattr(call.send, "__self__", None), "flow", None)
        self.follower = follower
        self.caller = call.caller
        self.task: asyncio.Task[Any] | None = asyncio.current_task()
        self.cut = False
        self.dropped = False
        """Whether it was cut together with its connection, of which the server is about to take notice."""

    def __enter__(self) -> Self:
        self._bucket.add(self)
        self._pulse.opened(self._kind, self.caller.owner)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        self._bucket.discard(self)
        self._pulse.closed(self._kind, self.caller.owner)
        if not (self.cut and isinstance(error, asyncio.CancelledError)):
            return False
        if self.task is not None:
            self.task.uncancel()
        self.dropped = _abort(self._receive)
        return True

    async def send(self, message: Message) -> None:
        """Send, for as long as the reader takes; one that takes too long is cut off."""
        self._pulse.sending[self] = self._pulse.now
        try:
            await self._send(message)
        finally:
            self._pulse.sending.pop(self, None)

    def offer(self, message: Message) -> bool:
        """Send at once, without waiting, where the server says that it can take bytes now (uvicorn does); else False.

        Waking the task of each stream would cost as much as writing to it does.
        """
        if self._flow is None or self._flow.write_paused:
            return False
        sending = cast(Coroutine[Any, Any, None], self._send(message))
        try:
            sending.send(None)
        except StopIteration:
            return True
        sending.close()  # it waits after all, and has written nothing yet
        return False


class Pulse:
    """All open streams, and the timer they share while there are any."""

    def __init__(self, clock: Clock, metrics: Metrics, settings: Settings, holds: Callable[[Caller], bool]) -> None:
        self._clock = clock
        self._most, self._most_of_one = settings.stream_limit, settings.streams_per_owner
        self._by_owner: Counter[str] = Counter()
        self._metrics = metrics
        self._holds = holds
        self._beating: list[set[Stream]] = [set() for _ in range(BEAT)]
        self._silent: set[Stream] = set()
        self._turn = 0
        self._open = 0
        self._timer: asyncio.Task[None] | None = None
        self.now = 0.0
        self.sending: dict[Stream, float] = {}

    def stream(self, kind: str, follower: Listener, call: Call, *, beats: bool) -> Stream:
        """A stream of the running task, counted as `kind`. Its follower is nudged at each beat, if it `beats`."""
        # The turn that has just been comes round in BEAT seconds.
        return Stream(self, kind, follower, call, self._beating[self._turn - 1] if beats else self._silent)

    def check(self, caller: Caller) -> None:
        """Raises `Overloaded` or `QuotaExceeded` where one more would be too many, in all or of this owner."""
        if self._open >= self._most:
            raise Overloaded("There are too many streams.", retry_after=5)
        if caller is not ANYBODY and self._by_owner[caller.owner] >= self._most_of_one:
            raise QuotaExceeded(f"An owner has at most {self._most_of_one} streams open at once.", retry_after=5)

    def opened(self, kind: str, owner: str) -> None:
        """One more is open."""
        self._metrics.streams.labels(kind).inc()
        self._open += 1
        self._by_owner[owner] += 1
        if self._timer is None or self._timer.done():
            self.now = self._clock.monotonic()
            self._timer = asyncio.get_running_loop().create_task(self._run())

    def closed(self, kind: str, owner: str) -> None:
        """One less is open."""
        self._metrics.streams.labels(kind).dec()
        self._open -= 1
        self._by_owner[owner] -= 1
        if not self._by_owner[owner]:
            del self._by_owner[owner]

    async def _run(self) -> None:
        while self._open:
            await self._clock.sleep(1.0)
            self.now = self._clock.monotonic()
            for stream in list(self._beating[self._turn]):
                if not (stream.follower.waiting and stream.offer(STILL_HERE)):
                    stream.follower.nudge()
            self._turn = (self._turn + 1) % BEAT
            for stream, since in list(self.sending.items()):
                if self.now - since > SEND_TIMEOUT:
                    _cut(stream)
            for stream in self._strangers():
                _cut(stream)

    def _strangers(self) -> list[Stream]:
        """Streams of those who would not be let in any more: a key was revoked, or its time is over."""
        return [
            stream for bucket in (self._silent, *self._beating) for stream in bucket if not self._holds(stream.caller)
        ]


def _cut(stream: Stream) -> None:
    if not stream.cut and stream.task is not None:
        stream.cut = True
        stream.task.cancel()


def _abort(receive: Receive) -> bool:
    """Drop the connection with what is still to be sent on it, where the server lets us reach it (uvicorn does, by the
    end that nobody wraps); else it is closed once that is sent or the peer's system gives up.
    """
    abort = getattr(getattr(getattr(receive, "__self__", None), "transport", None), "abort", None)
    if abort is not None:
        abort()
    return abort is not None
