"""The one way up: who wants to know follows the feed.

Commits of this process are published here by the committer, commits of others arrive as hints. Both say the same:
these operations have changed. A hint may be lost, and `None` in place of hints means "anything may have changed", so
whoever follows an operation reads it again from the store and never relies on having been told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from ..store.protocol import Committed, Hint, Store

OnCommit = Callable[[Committed, float], None]
OnHints = Callable[[Sequence[Hint] | None], None]


class Watch:
    """Someone's interest in one operation. `changed` is set by news and cleared by whoever waits."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        self.changed = asyncio.Event()


class Feed:
    """Fans out what has been committed. Followers are called on the event loop, must be quick, and must not raise."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watches: dict[str, set[Watch]] = {}
        self._on_commit: list[OnCommit] = []
        self._on_hints: list[OnHints] = []
        self._on_alarm: list[Callable[[], None]] = []
        self._on_end: list[Callable[[], None]] = []
        self.ending = asyncio.Event()

    def follow_commits(self, follower: OnCommit) -> None:
        """Call `follower` with each commit of this process, and the seconds that it took."""
        self._on_commit.append(follower)

    def follow_alarms(self, follower: Callable[[], None]) -> None:
        """Call `follower` when the lifecycle has caught a bug of ours before it was stored."""
        self._on_alarm.append(follower)

    def follow_hints(self, follower: OnHints) -> None:
        """Call `follower` with hints about all commits, of this process and of others."""
        self._on_hints.append(follower)

    def follow_end(self, follower: Callable[[], None]) -> None:
        """Call `follower` once nobody should wait any longer."""
        self._on_end.append(follower)

    @contextlib.contextmanager
    def watch(self, operation_id: str) -> Iterator[Watch]:
        """Be told when this operation changes. Begin to watch before you read, and nothing falls between."""
        watch = Watch()
        self._watches.setdefault(operation_id, set()).add(watch)
        try:
            yield watch
        finally:
            watches = self._watches[operation_id]
            watches.discard(watch)
            if not watches:
                del self._watches[operation_id]

    @property
    def watched(self) -> bool:
        """Whether anybody waits for anything."""
        return bool(self._watches)

    def publish(self, committed: Committed, seconds: float) -> None:
        """A commit of this process."""
        for follower in self._on_commit:
            follower(committed, seconds)
        self._pass_on(committed.hints)

    def alarm(self) -> None:
        """An invariant was about to be violated."""
        for follower in self._on_alarm:
            follower()

    async def run(self) -> None:
        """Pass on what other processes have committed, until the store closes."""
        async for hints in self._store.hints():
            self._pass_on(hints)

    def stir(self) -> None:
        """Anything may have changed, the time for one: whoever follows looks again."""
        self._pass_on(None)

    def end(self) -> None:
        """Nobody should wait any longer: the process is about to stop (guarantee D6)."""
        self.ending.set()
        self._wake_all()
        for follower in self._on_end:
            follower()

    def _pass_on(self, hints: Sequence[Hint] | None) -> None:
        if hints is None:
            self._wake_all()
        elif self._watches:
            for hint in hints:
                for watch in self._watches.get(hint.operation_id, ()):
                    watch.changed.set()
        for follower in self._on_hints:
            follower(hints)

    def _wake_all(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.changed.set()
