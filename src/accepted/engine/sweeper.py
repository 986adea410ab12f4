"""The sweeper: takes orphans back, settles overdue cancels, expires and forgets, in small bites, on every node at once.

Each bite is one transition that decides inside of the store's transaction, so any number of sweepers do no harm to
each other (guarantee L8). If the wall clock jumps against the monotonic one, expiry pauses: nothing may be deleted
because of a wrong date (guarantee T3).
"""

from __future__ import annotations

import logging
import random

from ..contract.operation import Now
from ..contract.problem import Refusal
from ..contract.transition import Expire, Forget, Rescue, Transition
from ..settings import Settings
from ..store.clock import Clock
from .committer import Committer

log = logging.getLogger("accepted.engine")

BITE = 100
JUMP_MS = 60_000
PAUSE_MS = 3_600_000


class Sweeper:
    """Looks every `scan_interval` for what time has brought about."""

    def __init__(self, committer: Committer, settings: Settings, clock: Clock) -> None:
        self._committer = committer
        self._settings = settings
        self._clock = clock
        self._last = clock.now()
        self._paused_until = 0

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            try:
                await self.sweep()
            except Refusal as error:
                log.warning("cannot sweep now: %s", error)
            jitter = random.uniform(0.8, 1.0)
            await self._clock.sleep(self._settings.scan_interval * jitter)

    async def sweep(self) -> None:
        """One round."""
        await self._all(Rescue(self._settings.max_crashes, BITE))
        if not self._clock_has_jumped():
            await self._all(Expire(BITE))
            await self._committer.commit(Forget(BITE))

    async def _all(self, bite: Transition) -> None:
        while await self._committer.commit(bite) == BITE:
            pass

    def dates_hold(self) -> bool:
        """Whether the wall clock may be believed: it has not jumped since the last look, nor in the hour before."""
        now = self._clock.now()
        return abs(self._jump(now)) <= JUMP_MS and now.tick >= self._paused_until

    def _clock_has_jumped(self) -> bool:
        now = self._clock.now()
        jump = self._jump(now)
        self._last = now
        if abs(jump) > JUMP_MS:
            log.error("the wall clock jumped by %.0f s: nothing expires for an hour", jump / 1000)
            self._paused_until = now.tick + PAUSE_MS
        return now.tick < self._paused_until

    def _jump(self, now: Now) -> int:
        return (now.wall - self._last.wall) - (now.tick - self._last.tick)
