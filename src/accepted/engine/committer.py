"""The one way down: transitions wait here for the next group commit (house, section 5).

There is no timer. What has come while the previous commit was under way, and in the turn of the loop that follows it,
is the next batch: idle, a batch of one without delay; busy, the batch grows by itself. A batch that fails for what is
in it is halved until the culprit stands alone; one that fails because the store is not usable fails as a whole.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..contract.problem import InvariantViolation, OutcomeUnknown, Overloaded, Refusal, StorageFull
from ..contract.transition import Accept, Transition
from ..store.protocol import Committed, FateUnknown, Store, StoreFull, StoreUnavailable, Work
from .feed import Feed

log = logging.getLogger("accepted.engine")

BATCH_LIMIT = 500  # keeps one commit, and so everybody's wait, in the low tens of milliseconds
ACCEPT_PATIENCE = 10.0  # seconds a submit waits for the store before it is refused

_Waiting = tuple[Transition, "asyncio.Future[Any]", float]


class Committer:
    """Commits transitions in groups and publishes what came of them."""

    def __init__(self, store: Store, feed: Feed, *, queue_limit: int = 5_000) -> None:
        self._store = store
        self._feed = feed
        self._queue_limit = queue_limit
        self._waiting: deque[_Waiting] = deque()
        self._accepts = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._ended = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: dict[str, Work] = {}
        self._on_accept: Callable[[], object] = lambda: None

    def follow_accepts(self, follower: Callable[[], object]) -> None:
        """Call `follower` when a submit begins to wait: a claim that is made in this turn rides in the same commit."""
        self._on_accept = follower

    def commit(self, transition: Transition) -> asyncio.Future[Any]:
        """A future of the transition's outcome. It raises the transition's `Refusal`, or `Overloaded`, `StorageFull`,
        `OutcomeUnknown`.

        Only an `Accept` is turned away when too much waits: what workers have to say is never lost to a full queue.
        """
        loop = self._loop or asyncio.get_running_loop()  # remembered, because asking is a system call
        future = loop.create_future()
        if self._ended:
            future.set_exception(_stopped())
            return future
        if type(transition) is Accept:
            if self._accepts >= self._queue_limit:
                future.set_exception(Overloaded("Too many submits wait for the database.", retry_after=1))
                return future
            self._accepts += 1
            self._on_accept()
        self._waiting.append((transition, future, time.monotonic()))
        self._wake.set()
        return future

    def work(self, operation_id: str) -> Work:
        """The input of an operation that a claim has just been given; it can be fetched once."""
        return self._work.pop(operation_id)

    async def run(self) -> None:
        """Commit whatever comes, until `stop`; then whatever still waits."""
        self._loop = asyncio.get_running_loop()
        try:
            while self._waiting or not self._stopping:
                await self._wake.wait()
                await asyncio.sleep(0)  # what this turn of the loop still brings rides along
                await self._next()
        finally:
            self._ended = True  # nobody may wait for a commit that will never be made
            _fail(list(self._waiting), _stopped())

    def stop(self) -> None:
        """Let `run` end once nothing waits any more."""
        self._stopping = True
        self._wake.set()

    async def _next(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_LIMIT))]
        if not self._waiting and not self._stopping:
            self._wake.clear()
        self._accepts -= sum(type(transition) is Accept for transition, _, _ in batch)
        batch = [waiting for waiting in batch if not _too_late(waiting)]
        if batch:
            await self._commit(batch)

    async def _commit(self, batch: list[_Waiting]) -> None:
        began = time.monotonic()
        try:
            committed = await self._store.commit([transition for transition, _, _ in batch])
        except StoreUnavailable as error:
            log.error("the store cannot commit: %s", error)
            _fail(batch, _unavailable(error))
        except Exception as error:
            await self._halve(batch, error)
        else:
            self._resolve(batch, committed)
            self._feed.publish(committed, time.monotonic() - began)

    async def _halve(self, batch: list[_Waiting], error: Exception) -> None:
        if len(batch) == 1:
            log.error("a transition cannot be committed: %s", type(batch[0][0]).__name__, exc_info=error)
            if isinstance(error, InvariantViolation):
                self._feed.alarm()
            _fail(batch, error)
            return
        middle = len(batch) // 2
        await self._commit(batch[:middle])
        await self._commit(batch[middle:])

    def _resolve(self, batch: list[_Waiting], committed: Committed) -> None:
        self._work.update(committed.work)
        for (_, future, _), outcome in zip(batch, committed.outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, Refusal):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


def _too_late(waiting: _Waiting) -> bool:
    """A submit that has waited too long is refused while nothing of it is stored yet: a definite answer (guarantee
    D4).
    """
    transition, future, since = waiting
    if type(transition) is not Accept:
        return False
    if future.done():
        return True  # whoever asked has gone away; nothing was promised
    if time.monotonic() - since > ACCEPT_PATIENCE:
        future.set_exception(Overloaded("The database did not answer in time.", retry_after=2))
        return True
    return False


def _unavailable(error: StoreUnavailable) -> Refusal:
    if isinstance(error, StoreFull):
        return StorageFull("The database has no room left.", retry_after=30)
    if isinstance(error, FateUnknown):  # not a definite refusal (guarantee D4)
        return OutcomeUnknown("The database did not answer whether this is stored.", retry_after=2)
    return Overloaded("The database cannot be reached.", retry_after=2)


def _stopped() -> Refusal:
    return Overloaded("The server is about to stop.", retry_after=1)


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for _, future, _ in batch:
        if not future.done():
            future.set_exception(error)
