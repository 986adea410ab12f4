"""What happened to operations, counted by the minute from what this process has committed (see `contract/statistic`).

The counts are stored now and then, while there is anything new, at most every two seconds: one small write, which rides
in a commit of others where there are any. A process that is killed takes its last two seconds of counts with it. They
are statistics; nothing depends on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Mapping

from ..contract.event import Event
from ..contract.operation import TERMINAL, Operation, Status
from ..contract.problem import Refusal
from ..contract.statistic import EVERYBODY, MINUTE, StatisticRow, Tallies, bucket, scope_of
from ..contract.transition import Observe
from ..store.clock import Clock
from ..store.protocol import Committed
from .committer import Committer

log = logging.getLogger("accepted.engine")

INTERVAL = 2.0  # seconds
OPEN_MINUTES = 5  # kept in memory, for events that are told late
OWNERS_A_MINUTE = 1_000
"""Owners that have counts of their own within a minute; what others do counts for everybody only."""

_Key = tuple[int, str | None, str]


class Census:
    """The counts of one process."""

    def __init__(self, committer: Committer, clock: Clock) -> None:
        self._committer = committer
        self._clock = clock
        self._source = secrets.token_hex(8)
        self._counted: dict[_Key, Tallies] = {}
        self._new: set[_Key] = set()
        self._something = asyncio.Event()

    def on_commit(self, committed: Committed, seconds: float) -> None:
        """Follows the feed."""
        if not committed.events:
            return
        operations = {operation.id: operation for operation in committed.operations}
        for event in committed.events:
            self._count(event, operations)

    def _count(self, event: Event, operations: Mapping[str, Operation]) -> None:
        begins = event.began or event.sequence == 1
        if not (begins or event.status in TERMINAL) or (operation := operations.get(event.operation_id)) is None:
            return
        tallies = self._tallies(event.at // MINUTE, operation)
        if event.sequence == 1:
            tallies.submitted += 1
        if event.began:
            _tick(tallies.waited, event.at - operation.due_at)
        if event.status in TERMINAL:
            tallies.ended[event.status] = tallies.ended.get(event.status, 0) + 1
            if operation.attempt_at is not None and event.status is not Status.CANCELLED:
                _tick(tallies.ran, event.at - operation.attempt_at)

    def _tallies(self, minute: int, operation: Operation) -> Tallies:
        key: _Key = (minute, operation.owner, operation.type)
        found = self._counted.get(key)
        if found is None:
            if sum(minute == other for other, _, _ in self._counted) >= OWNERS_A_MINUTE:
                key = (minute, None, operation.type)
            found = self._counted.setdefault(key, Tallies())
        if key not in self._new:
            self._new.add(key)
            self._something.set()
        return found

    async def run(self) -> None:
        """Store what is new, for ever."""
        while True:
            await self._something.wait()
            await self._clock.sleep(INTERVAL)
            await self.write()

    async def write(self) -> None:
        """Store what is new; what cannot be stored now will be next time."""
        self._something.clear()
        new, self._new = self._new, set()
        if not new:
            return
        with contextlib.suppress(Refusal):
            await self._committer.commit(Observe(tuple(self._rows(new))))
            self._forget()
            return
        log.warning("the last counts of statistics cannot be stored now")
        self._new |= new
        self._something.set()

    def _rows(self, new: set[_Key]) -> list[StatisticRow]:
        """What is new by owner, and everything of the same minutes and types for everybody."""
        rows = [
            StatisticRow(scope_of(owner), minute, type, self._source, self._counted[minute, owner, type])
            for minute, owner, type in new
            if owner is not None
        ]
        whole = {(minute, type): Tallies() for minute, _, type in new}
        for (minute, _, type), tallies in self._counted.items():
            if (minute, type) in whole:
                whole[minute, type].add(tallies)
        return rows + [StatisticRow(EVERYBODY, *key, self._source, tallies) for key, tallies in whole.items()]

    def _forget(self) -> None:
        last = max(minute for minute, _, _ in self._counted)
        self._counted = {key: counted for key, counted in self._counted.items() if key[0] > last - OPEN_MINUTES}


def _tick(counted: dict[int, int], milliseconds: int) -> None:
    number = bucket(milliseconds)
    counted[number] = counted.get(number, 0) + 1
