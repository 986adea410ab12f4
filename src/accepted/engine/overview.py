"""What is going on, for whoever looks at all of it: counts, queues, workers, the last hour, and what has just changed.

Everything is read at most once a second for each scope, however many look, and its cost does not grow with the number
of operations: counts are kept, not counted. A watcher holds the newest state only, so one that does not read costs
nothing and misses nothing but what is already over.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from ..contract.operation import Operation, Status
from ..contract.statistic import HISTORY, MINUTE, Snapshot, WorkerState, scope_of
from ..store.clock import Clock
from ..store.protocol import Hint, Store, StoreUnavailable
from .channel import Waiter
from .feed import Feed

log = logging.getLogger("accepted.engine")

EVERY = 1.0  # seconds between two looks while things happen
AT_LEAST = 5  # looks after which watchers are told in any case: time goes on, workers come and go
CHANGES = 100  # operations told at once; where more have changed, a watcher is told that there are more
RUNNING = 500


class Glance(NamedTuple):
    """What a watcher is told: the present state, and operations that have changed since it was told last.

    `more` says that others have changed too, or may have.
    """

    snapshot: Snapshot
    operations: Sequence[Operation]
    more: bool


class Watcher(Waiter):
    """Someone who looks at everything of `owner` (None: of all). A context manager; it is told of by `news`."""

    __slots__ = ("_changed", "_more", "_nudged", "_overview", "_snapshot", "counts", "owner")

    def __init__(self, overview: Overview, owner: str | None) -> None:
        super().__init__()
        self.owner = owner
        self._overview = overview
        self._changed: dict[str, Operation] = {}
        self._more = False
        self._nudged = False
        self._snapshot: Snapshot | None = None
        self.counts: Mapping[tuple[str, Status], int] = {}
        """Those it was told last."""

    @property
    def over(self) -> bool:
        """Whether the server is about to stop; a watch has no other end."""
        return self._overview.ending

    interrupted = over

    def nudge(self) -> None:
        """Have `news` return now, also with nothing."""
        self._nudged = True
        self.wake()

    def tell(self, snapshot: Snapshot, changed: Sequence[Operation], more: bool) -> None:
        """There is something new; what was not read yet is joined with it."""
        self._snapshot, self.counts = snapshot, snapshot.counts
        self._more |= more
        for operation in changed:
            if self.owner is None or operation.owner == self.owner:
                self._changed.pop(operation.id, None)
                self._changed[operation.id] = operation
        while len(self._changed) > CHANGES:
            del self._changed[next(iter(self._changed))]
            self._more = True
        self.wake()

    async def news(self) -> list[Glance]:
        """What is new, as soon as anything is; empty when woken for nothing."""
        while self._snapshot is None and not (self._nudged or self.over):
            await self.wait()
        self._nudged = False
        if self._snapshot is None:
            return []
        glance = Glance(self._snapshot, tuple(self._changed.values()), self._more)
        self._snapshot, self._changed, self._more = None, {}, False
        return [glance]

    def __enter__(self) -> Self:
        self._overview.watchers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._overview.watchers.discard(self)


class Overview:
    """Reads, and tells watchers."""

    def __init__(self, store: Store, feed: Feed, clock: Clock) -> None:
        self._store = store
        self._feed = feed
        self._clock = clock
        self._changed: dict[str, None] = {}
        self._more = False
        self._missed = False
        self._reading: dict[str | None, tuple[float, asyncio.Future[Snapshot]]] = {}
        self.watchers: set[Watcher] = set()
        feed.follow_hints(self._on_hints)
        feed.follow_end(self._on_end)

    @property
    def ending(self) -> bool:
        """Whether the server is about to stop."""
        return self._feed.ending.is_set()

    def watch(self, owner: str | None) -> Watcher:
        """Someone who will look at everything of `owner`; None sees all."""
        return Watcher(self, owner)

    # --- reading

    async def snapshot(self, owner: str | None) -> Snapshot:
        """The present state, not older than a second; whoever asks meanwhile shares the answer.

        Raises `StoreUnavailable`.
        """
        at = self._clock.monotonic()
        read_at, reading = self._reading.get(owner, (0.0, None))
        if reading is None or at - read_at >= EVERY or (reading.done() and reading.exception()):
            self._reading = {key: kept for key, kept in self._reading.items() if at - kept[0] < EVERY}
            reading = asyncio.ensure_future(self._read(owner))
            self._reading[owner] = (at, reading)
        return await asyncio.shield(reading)

    async def _read(self, owner: str | None) -> Snapshot:
        operator = not owner  # without authentication everything is nobody's, and whoever asks runs the server
        now = await self._store.now()
        return Snapshot(
            at=now.wall,
            counts=await self._store.tally(owner),
            oldest=await self._store.oldest_due() if operator else {},
            rows=await self._store.statistics(scope_of(owner), now.wall // MINUTE - HISTORY + 1),
            workers=await self._workers() if operator else None,
        )

    async def _workers(self) -> list[WorkerState]:
        held = defaultdict(list)
        for operation in await self._store.running(RUNNING):
            held[operation.worker].append(operation)
        rows = await self._store.workers()
        return [WorkerState(row.id, row.alive, row.about, held[row.id]) for row in sorted(rows)]

    # --- telling

    async def run(self) -> None:
        """Look while somebody watches, for ever."""
        turn = 0
        while True:
            await self._clock.sleep(EVERY)
            if not self.watchers:
                self._changed, self._more, self._missed = {}, False, False
                continue
            turn = (turn + 1) % AT_LEAST
            if self._changed or self._more or not turn:
                try:
                    await self.look(steady=not turn)
                except StoreUnavailable as error:
                    log.warning("watchers are told nothing now: %s", error)

    async def look(self, *, steady: bool = True) -> None:
        """Tell every watcher what is new.

        Who does not see everything is told at once of what is theirs, and else at `steady` times only: when others are
        busy is not for them to know.
        """
        changed, self._changed = list(self._changed), {}
        more, self._more = self._more, False
        self._missed |= more
        found = [await self._store.operation(id) for id in changed]
        for owner in {watcher.owner for watcher in self.watchers}:
            theirs = [each for each in found if not owner or (each is not None and each.owner == owner)]
            operations = [each for each in theirs if isinstance(each, Operation)]
            if owner and not (theirs or steady):
                continue
            snapshot = await self.snapshot(owner)
            for watcher in [watcher for watcher in self.watchers if watcher.owner == owner]:
                missed = self._missed and steady and snapshot.counts != watcher.counts if owner else more
                watcher.tell(snapshot, operations, missed or len(operations) < len(theirs))
        self._missed = self._missed and not steady

    def _on_hints(self, hints: Sequence[Hint] | None) -> None:
        if not self.watchers:
            return
        self._more |= hints is None
        for hint in hints or ():
            self._changed.pop(hint.operation_id, None)
            self._changed[hint.operation_id] = None
        while len(self._changed) > CHANGES:
            del self._changed[next(iter(self._changed))]
            self._more = True

    def _on_end(self) -> None:
        for watcher in self.watchers:
            watcher.nudge()
