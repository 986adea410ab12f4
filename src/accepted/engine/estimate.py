"""Estimates for those who wait: when it will be done, how many are before it, when to ask again (contract, section 3).

Everything comes from the type's own history and the present progress; without a basis nothing is said. History and
queue are read from the store at most a few times a second for each type, however many clients poll.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from ..contract.operation import Now, Operation, Status
from ..contract.policy import poll_interval, remaining, typical
from ..contract.wire import NO_ADVICE, Advice
from ..store.protocol import Store

HISTORY_LIFETIME = 2.0
QUEUE_LIFETIME = 0.25
QUEUE_SEEN = 1000  # positions beyond this are not told
ALL = ""  # what is read for all types together

T = TypeVar("T")


class Remembered(Generic[T]):
    """What was read last for each type. Once its time is over it is read anew, by the first who asks and for all."""

    def __init__(self, ask: Callable[[str], Awaitable[T]], lifetime: float) -> None:
        self.known: dict[str, T] = {}
        self.until: dict[str, float] = {}  # by time.monotonic()
        self._ask = ask
        self._lifetime = lifetime
        self._reading: dict[str, asyncio.Task[T]] = {}

    async def get(self, type: str) -> T:
        """What is known, or what is read now."""
        if time.monotonic() < self.until.get(type, 0.0):
            return self.known[type]
        return await self.read(type)

    async def read(self, type: str) -> T:
        """Read now, or wait for whoever does."""
        if (reading := self._reading.get(type)) is None:
            reading = self._reading[type] = asyncio.create_task(self._read(type))
            reading.add_done_callback(lambda done: self._done(type, done))
        return await asyncio.shield(reading)

    async def _read(self, type: str) -> T:
        found = self.known[type] = await self._ask(type)
        self.until[type] = time.monotonic() + self._lifetime
        return found

    def _done(self, type: str, done: asyncio.Task[T]) -> None:
        del self._reading[type]
        if not done.cancelled():
            done.exception()  # whoever asked may be gone; an error is nobody's then


class Estimator:
    """Advice about operations."""

    def __init__(self, store: Store, poll_minimum: float) -> None:
        self._store = store
        self._minimum = poll_minimum
        self._usual = Remembered(self._history, HISTORY_LIFETIME)
        self._tally = Remembered(lambda _: store.tally(), HISTORY_LIFETIME)
        self._queues = Remembered(self._queue, QUEUE_LIFETIME)

    async def advice(self, operation: Operation, now: Now) -> Advice:
        """What to tell about `operation` at `now`."""
        if operation.terminal:
            return NO_ADVICE
        type, clock = operation.type, time.monotonic()
        fresh = clock < self._usual.until.get(type, 0.0)  # looked at here: this is asked for every poll
        usual = self._usual.known[type] if fresh else await self._usual.read(type)
        position = None
        if operation.status is Status.PENDING:
            fresh = clock < self._queues.until.get(type, 0.0)
            queue = self._queues.known[type] if fresh else await self._queues.read(type)
            position = queue.get(operation.id)
        before = await self._runs_before(operation, position) if usual is not None else 0
        rest = _rest(operation, now, usual, before)
        age = (now.wall - operation.created_at) / 1000
        return Advice(
            recommended=poll_interval(age, rest, self._minimum),
            minimum=self._minimum,
            estimated=now.wall + round(rest * 1000) if rest is not None else None,
            queue_position=position,
        )

    async def usual(self, type: str) -> float | None:
        """How long a run of this type usually takes, in seconds, if enough of them are known."""
        return await self._usual.get(type)

    async def _runs_before(self, operation: Operation, position: int | None) -> int:
        """How many runs one after the other come before it, judged by how many of its type run side by side now."""
        if operation.status is not Status.PENDING:
            return 0
        tally = await self._tally.get(ALL)
        side_by_side = max(tally.get((operation.type, Status.PROCESSING), 0), 1)
        ahead = position - 1 if position is not None else len(self._queues.known[operation.type])
        return ahead // side_by_side

    async def _history(self, type: str) -> float | None:
        return typical(await self._store.durations(type))

    async def _queue(self, type: str) -> dict[str, int]:
        return {id: position for position, id in enumerate(await self._store.queue(type, QUEUE_SEEN), 1)}


def _rest(operation: Operation, now: Now, usual: float | None, runs_before: int) -> float | None:
    """Seconds until it ends. While it waits: what is left of a delay, the runs before it, and its own."""
    if operation.status is Status.PENDING:
        delay = max(operation.due_at - now.wall, 0) / 1000
        return delay + usual * (runs_before + 1) if usual is not None else None
    elapsed = max(now.wall - (operation.attempt_at or now.wall), 0) / 1000
    percentage = operation.progress.percentage if operation.progress is not None else None
    return remaining(elapsed, percentage / 100 if percentage else None, usual)
