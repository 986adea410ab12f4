"""Brings news to the channels: what this process commits at once, what others commit as soon as a hint says so.

Whatever is not known for sure is read again, for all channels that need it in one query. So with every hint lost
nothing is missed: the store's own look, once a second, marks all channels as stale (guarantee E8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from ..contract.event import Event
from ..contract.operation import TERMINAL, Operation
from ..store.clock import Clock
from ..store.protocol import Committed, Hint, Store, StoreUnavailable
from .channel import Channel, Waiter
from .feed import Feed

PAGE = 500
PAUSE = 0.2  # seconds until a store that cannot be read is tried again


class Relay:
    """All channels of a process."""

    def __init__(self, store: Store, feed: Feed, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._channels: dict[str, Channel] = {}
        self._stale: set[Channel] = set()
        self.followers: set[Waiter] = set()
        self.ending = False
        self._soon = asyncio.Event()
        feed.follow_commits(self._on_commit)
        feed.follow_hints(self._on_hints)
        feed.follow_end(self._on_end)

    def join(self, operation_id: str, waiter: Waiter, *, logs: bool) -> Channel:
        """The operation's channel, which wakes `waiter` from now on. Join before you read, and nothing is missed."""
        channel = self._channels.get(operation_id)
        if channel is None:
            channel = self._channels[operation_id] = Channel(operation_id)
        channel.waiters.add(waiter)
        channel.logs += logs
        return channel

    def begin(self, channel: Channel, operation: Operation) -> None:
        """Say what was read after joining."""
        channel.begin(operation)
        if channel.line < 0 and channel.logs:
            channel.line = operation.lines
        if channel.sequence < operation.sequence or (channel.logs and channel.line < operation.lines):
            self._stale.add(channel)
        if channel in self._stale:
            self._soon.set()

    def leave(self, channel: Channel, waiter: Waiter, *, logs: bool) -> None:
        """Wake `waiter` no more."""
        channel.waiters.discard(waiter)
        channel.logs -= logs
        if not channel.logs:
            channel.forget_lines()
        if not channel.waiters and self._channels.pop(channel.id, None) is not None:
            self._stale.discard(channel)
        if channel in self._stale:
            self._soon.set()  # the others may have waited for this one to begin

    # --- what has been committed

    def _on_commit(self, committed: Committed, seconds: float) -> None:
        if not self._channels:
            return
        touched = set()
        ends: dict[str, Operation] = {}
        for operation in committed.operations:
            channel = self._channels.get(operation.id)
            if channel is not None:
                touched.add(channel)
                if operation.terminal:
                    ends[operation.id] = operation
        for event in committed.events if touched else ():
            told = self._channels.get(event.operation_id)
            if told is not None and not self._take(told, event, ends):
                self._doubt(told)
        for channel in touched:
            if channel.logs:
                self._doubt(channel)
            else:
                channel.wake()

    def _take(self, channel: Channel, event: Event, ends: dict[str, Operation]) -> bool:
        """Whether the event could be told from here. Lines of a log come before the end, so with them all is read."""
        if channel.sequence < 0 or channel.logs:
            return False
        return channel.tell(event, ends.get(event.operation_id) if event.status in TERMINAL else None)

    def _on_hints(self, hints: Sequence[Hint] | None) -> None:
        if not self._channels:
            return
        if hints is None:
            for channel in self._channels.values():
                self._doubt(channel)
            return
        for hint in hints:
            told = self._channels.get(hint.operation_id)
            if told is not None and (told.logs or hint.sequence > told.sequence):
                self._doubt(told)

    def _doubt(self, channel: Channel) -> None:
        self._stale.add(channel)
        self._soon.set()

    def _on_end(self) -> None:
        self.ending = True
        for follower in self.followers:
            follower.wake()

    # --- reading again

    async def run(self) -> None:
        """Read what is stale, for ever."""
        while True:
            await self._soon.wait()
            self._soon.clear()
            begun = [channel for channel in self._stale if channel.begun]
            self._stale.difference_update(begun)
            try:
                await self._refresh(begun)
            except StoreUnavailable:
                self._stale.update(channel for channel in begun if channel.waiters)
                await self._clock.sleep(PAUSE)
                self._soon.set()

    async def _refresh(self, channels: Iterable[Channel]) -> None:
        behind = {channel.id: channel.sequence for channel in channels if not channel.ended}
        events = await self._store.news(behind, PAGE) if behind else []
        if len(events) >= PAGE:
            for channel in channels:
                self._doubt(channel)
        ends = await self._ends(events)
        for channel in channels:
            if channel.logs:  # after the events: then no line before the end is missing
                await self._read_lines(channel)
        for event in events:
            known = self._channels.get(event.operation_id)
            end = ends.get(event.operation_id) if event.status in TERMINAL else None
            if known is None:
                continue
            if not known.begun:  # somebody has joined for the log meanwhile: its lines come before this event
                self._doubt(known)
            elif not known.tell(event, end):
                known.jump(event, end)
        for channel in channels:
            channel.wake()

    async def _read_lines(self, channel: Channel) -> None:
        while channel.logs and (lines := await self._store.lines(channel.id, channel.line, PAGE)):
            if channel.line < 0:  # nobody follows the log any more; who does next, begins from what it has read
                return
            channel.tell_lines(lines)

    async def _ends(self, events: Sequence[Event]) -> dict[str, Operation]:
        found = {}
        for event in events:
            if event.status in TERMINAL:
                operation = await self._store.operation(event.operation_id)
                if isinstance(operation, Operation):
                    found[operation.id] = operation
        return found
