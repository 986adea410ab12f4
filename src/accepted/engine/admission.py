"""Who may add work: how much of it may wait in all, and how much of one owner's.

An owner's share is decided inside of the accepting transaction: on SQLite exactly, on PostgreSQL to within what other
nodes have under way at that moment (a batch of each). The depth of the whole queue is counted every two seconds: what
arrives meanwhile on other nodes is let in.
"""

from __future__ import annotations

import random

from ..contract.caller import NOBODY
from ..contract.operation import Status
from ..contract.problem import Overloaded
from ..contract.traffic import QuotaExceeded
from ..contract.transition import Share
from ..settings import Settings
from ..store.clock import Clock
from ..store.protocol import Store
from .estimate import Estimator

COUNT_LIFETIME = 2.0  # seconds
SOON, LATE = 2.0, 300.0  # seconds; when it makes sense to ask again at the earliest, and at the latest


class Admission:
    """What one node asks before it accepts."""

    def __init__(self, store: Store, settings: Settings, estimator: Estimator, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._estimator = estimator
        self._clock = clock
        self._counted_at = -COUNT_LIFETIME
        self._depth = 0

    def share(self, owner: str) -> Share | None:
        """What this owner may have; who is nobody has no share of their own."""
        if owner == NOBODY:
            return None
        return Share(owner, self._settings.owner_queue_limit, self._settings.owner_active_limit)

    async def check_depth(self) -> None:
        """Count one more. Raises `Overloaded` where too many wait already."""
        now = self._clock.monotonic()
        if now - self._counted_at > COUNT_LIFETIME:
            self._counted_at = now  # first, so that one counts for all who come meanwhile
            tally = await self._store.tally()
            self._depth = sum(number for (_, status), number in tally.items() if status is Status.PENDING)
        if self._depth >= self._settings.depth_limit:
            raise Overloaded("Too many operations wait already.", retry_after=_jittered(COUNT_LIFETIME))
        self._depth += 1

    async def told(self, refused: QuotaExceeded, type: str) -> QuotaExceeded:
        """The same refusal with the time that an operation of this type usually takes, after which one has ended."""
        usual = await self._estimator.usual(type)
        wait = min(max(usual or 0.0, SOON), LATE)
        return QuotaExceeded(refused.detail, retry_after=_jittered(wait))


def _jittered(wait: float) -> float:
    return wait * (1 + random.random() / 2)
