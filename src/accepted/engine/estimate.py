"""Estimates for those who wait: when it will be done, how many are before it, when to ask again (contract, section 3).

Everything comes from the type's own history and the present progress; without a basis nothing is said. History and
queue are read from the store at most a few times a second for each type, however many clients poll.
"""

from __future__ import annotations

import time

from ..contract.operation import Now, Operation, Status
from ..contract.policy import poll_interval, remaining, typical
from ..contract.wire import NO_ADVICE, Advice
from ..store.protocol import Store

HISTORY_LIFETIME = 2.0
QUEUE_LIFETIME = 0.25
QUEUE_SEEN = 1000  # positions beyond this are not told
_NEVER: tuple[float, float | None] = (-HISTORY_LIFETIME, None)
_NO_QUEUE: tuple[float, dict[str, int]] = (-QUEUE_LIFETIME, {})


class Estimator:
    """Advice about operations."""

    def __init__(self, store: Store, poll_minimum: float) -> None:
        self._store = store
        self._minimum = poll_minimum
        self._usual: dict[str, tuple[float, float | None]] = {}
        self._tally: tuple[float, dict[tuple[str, Status], int]] = (-HISTORY_LIFETIME, {})
        self._queues: dict[str, tuple[float, dict[str, int]]] = {}

    async def advice(self, operation: Operation, now: Now) -> Advice:
        """What to tell about `operation` at `now`."""
        if operation.terminal:
            return NO_ADVICE
        clock = time.monotonic()
        read_at, usual = self._usual.get(operation.type, _NEVER)
        if clock - read_at > HISTORY_LIFETIME:
            usual = await self.usual(operation.type)
        position = None
        if operation.status is Status.PENDING:
            read_at, queue = self._queues.get(operation.type, _NO_QUEUE)
            if clock - read_at > QUEUE_LIFETIME:
                queue = await self._queue(operation.type)
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
        read_at, value = self._usual.get(type, _NEVER)
        if time.monotonic() - read_at > HISTORY_LIFETIME:
            value = typical(await self._store.durations(type))
            self._usual[type] = (time.monotonic(), value)
        return value

    async def _runs_before(self, operation: Operation, position: int | None) -> int:
        """How many runs one after the other come before it, judged by how many of its type run side by side now."""
        if operation.status is not Status.PENDING:
            return 0
        read_at, tally = self._tally
        if time.monotonic() - read_at > HISTORY_LIFETIME:
            tally = await self._store.tally()
            self._tally = (time.monotonic(), tally)
        side_by_side = max(tally.get((operation.type, Status.PROCESSING), 0), 1)
        ahead = position - 1 if position is not None else len(self._queues[operation.type][1])
        return ahead // side_by_side

    async def _queue(self, type: str) -> dict[str, int]:
        ids = await self._store.queue(type, QUEUE_SEEN)
        queue = {id: position for position, id in enumerate(ids, 1)}
        self._queues[type] = (time.monotonic(), queue)
        return queue


def _rest(operation: Operation, now: Now, usual: float | None, runs_before: int) -> float | None:
    """Seconds until it ends. While it waits: what is left of a delay, the runs before it, and its own."""
    if operation.status is Status.PENDING:
        delay = max(operation.due_at - now.wall, 0) / 1000
        return delay + usual * (runs_before + 1) if usual is not None else None
    elapsed = max(now.wall - (operation.attempt_at or now.wall), 0) / 1000
    percentage = operation.progress.percentage if operation.progress is not None else None
    return remaining(elapsed, percentage / 100 if percentage else None, usual)
