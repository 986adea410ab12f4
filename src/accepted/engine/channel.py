"""What is new about one operation, read and encoded once in this process for all who follow it.

A channel keeps the last events; whoever follows has no buffer, only a position. So a reader that does not read costs
nothing but its place and delays nobody: when it comes back, it finds its events here or, where it has fallen too far
behind, in the store (guarantee E7).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from ..contract.event import Event
from ..contract.operation import LogLine, Operation

KEPT = 256
"""Events and lines that a channel remembers; a reader that is further behind reads from the store."""

AT_ONCE = 250
"""Readers that are told in one turn of the loop: some 5 ms of it."""

Write = Callable[[Event, Operation | None, str], bytes]


class Told:
    """One event on its way out, with the operation where it is the last one."""

    __slots__ = ("_written", "end", "event")

    def __init__(self, event: Event, end: Operation | None) -> None:
        self.event = event
        self.end = end
        self._written: dict[tuple[Write, str], bytes] = {}

    def written(self, write: Write, base: str) -> bytes:
        """The event as `write` writes it for readers at `base`; done once for all of them."""
        key = (write, base if self.end is not None else "")  # only an end has links, and there may be many mount points
        found = self._written.get(key)
        if found is None:
            found = self._written[key] = write(self.event, self.end, base)
        return found


class Waiter:
    """Someone who waits for news, and is woken at most once for all that has come meanwhile."""

    __slots__ = ("_future", "_news")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self._news = False

    @property
    def waiting(self) -> bool:
        """Whether somebody waits at this moment, and for nothing that has come yet."""
        return self._future is not None and not self._future.done()

    def wake(self) -> None:
        """There is news."""
        self._news = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        """Return once there is news that came after the last return."""
        if not self._news:
            self._future = asyncio.get_running_loop().create_future()
            try:
                await self._future
            finally:
                self._future = None
        self._news = False


class Channel:
    """The events of one operation, as far as this process knows of them.

    `sequence` is the last event known, -1 before anything is; `line` the last line of the log, kept up only while
    somebody follows the log (`logs`).
    """

    __slots__ = ("_lines", "_told", "ended", "id", "line", "logs", "sequence", "waiters")

    def __init__(self, operation_id: str) -> None:
        self.id = operation_id
        self.sequence = -1
        self.line = -1
        self.logs = 0
        self.ended = False
        self.waiters: set[Waiter] = set()
        self._told: deque[Told] | tuple[()] = ()  # a deque costs 600 bytes even when it is empty
        self._lines: deque[LogLine] | tuple[()] = ()

    def begin(self, operation: Operation) -> None:
        """Start from the operation as it was just read, unless more is known already."""
        if self.sequence < 0:
            self.sequence, self.ended = operation.sequence, operation.terminal

    @property
    def begun(self) -> bool:
        """Whether it is known from where on events, and lines if somebody wants them, are to be told."""
        return self.sequence >= 0 and (self.line >= 0 or not self.logs)

    def tell(self, event: Event, end: Operation | None) -> bool:
        """Take the next event; False where others are missing before it."""
        if event.sequence <= self.sequence:
            return True
        if event.sequence != self.sequence + 1:
            return False
        self._take(event, end)
        return True

    def jump(self, event: Event, end: Operation | None) -> None:
        """Take an event before which the store has none any more."""
        self._told = ()
        self._take(event, end)

    def _take(self, event: Event, end: Operation | None) -> None:
        self._told = self._told or deque(maxlen=KEPT)
        self._told.append(Told(event, end))
        self.sequence, self.ended = event.sequence, end is not None

    def tell_lines(self, lines: Sequence[LogLine]) -> None:
        """Take lines that follow on the last one known."""
        self._lines = self._lines or deque(maxlen=KEPT)
        self._lines.extend(line for line in lines if line.line > self.line)
        if lines:
            self.line = max(self.line, lines[-1].line)

    def forget_lines(self) -> None:
        """Nobody follows the log any more, so it is not kept up."""
        self.line = -1
        self._lines = ()

    def wake(self) -> None:
        """Tell everybody who waits, some at a time: other work of the loop must not wait for thousands of them."""
        if len(self.waiters) <= AT_ONCE:
            for waiter in list(self.waiters):
                waiter.wake()
        else:
            self._wake_some(deque(self.waiters))

    def _wake_some(self, waiters: deque[Waiter]) -> None:
        for _ in range(min(AT_ONCE, len(waiters))):
            waiters.popleft().wake()
        if waiters:
            asyncio.get_running_loop().call_soon(self._wake_some, waiters)

    def since(self, sequence: int) -> Sequence[Told] | None:
        """Events after number `sequence`; None where they have to be read from the store."""
        missing = self.sequence - sequence
        if missing <= 0:
            return ()
        if missing > len(self._told):
            return None
        return [self._told[-back] for back in range(missing, 0, -1)]

    def lines_since(self, line: int) -> Sequence[LogLine] | None:
        """Lines after number `line`; None where they have to be read from the store."""
        missing = self.line - line
        if missing <= 0:
            return ()
        if missing > len(self._lines):
            return None
        return [self._lines[-back] for back in range(missing, 0, -1)]
