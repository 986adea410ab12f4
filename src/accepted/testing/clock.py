"""A clock that tests move: an hour is one call, and whoever sleeps on it wakes when its time has come.

`advance` moves both scales, as they do when time really passes; `jump` moves the wall clock alone, as a wrong date does
(guarantee T3).
"""

from __future__ import annotations

import asyncio
import time

from ..contract.operation import Now
from ..store.clock import Clock


class MovableClock(Clock):
    """The real time, and ahead of it by as much as it was moved. Sleepers and mover share one event loop."""

    def __init__(self) -> None:
        self._ahead = 0  # milliseconds
        self._wrong = 0
        self._sleepers: set[asyncio.Future[None]] = set()

    def now(self) -> Now:
        """The present moment of this clock."""
        real = super().now()
        return Now(real.wall + self._ahead + self._wrong, real.tick + self._ahead)

    def database(self, milliseconds: int) -> Now:
        """This time too, whatever clock a database has of its own."""
        return self.now()

    def monotonic(self) -> float:
        """Seconds on the scale that `sleep` waits on."""
        return time.monotonic() + self._ahead / 1000

    async def sleep(self, seconds: float) -> None:
        """Until so much time has passed, or has been passed over."""
        until = self.monotonic() + seconds
        while (left := until - self.monotonic()) > 0:
            moved = asyncio.get_running_loop().create_future()
            self._sleepers.add(moved)
            try:
                await asyncio.wait({moved}, timeout=left)
            finally:
                self._sleepers.discard(moved)

    def advance(self, seconds: float = 0, *, hours: float = 0, days: float = 0) -> None:
        """Let so much time pass at once."""
        self._ahead += round((seconds + hours * 3600 + days * 86400) * 1000)
        for moved in self._sleepers:
            if not moved.done():
                moved.set_result(None)

    def jump(self, seconds: float) -> None:
        """Set the wall clock wrong by so much; the ticks know nothing of it."""
        self._wrong += round(seconds * 1000)
