"""A clock that tests move: an hour is one call, and whoever sleeps on it wakes when its time has come.

Both scales move together, as they do when time really passes; a wall clock that jumps alone is another matter
(guarantee T3).
"""

import asyncio
import time

from accepted.contract.operation import Now
from accepted.store.clock import Clock


class MovableClock(Clock):
    """The real time, and ahead of it by as much as it was moved."""

    def __init__(self) -> None:
        self._ahead = 0  # milliseconds
        self._sleepers: set[asyncio.Future[None]] = set()

    def now(self) -> Now:
        real = super().now()
        return Now(real.wall + self._ahead, real.tick + self._ahead)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead / 1000

    async def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        while (left := until - self.monotonic()) > 0:
            moved = asyncio.get_running_loop().create_future()
            self._sleepers.add(moved)
            try:
                await asyncio.wait({moved}, timeout=left)
            finally:
                self._sleepers.discard(moved)

    def advance(self, *, seconds: float = 0, hours: float = 0, days: float = 0) -> None:
        """Let so much time pass at once."""
        self._ahead += round((seconds + hours * 3600 + days * 86400) * 1000)
        for moved in self._sleepers:
            if not moved.done():
                moved.set_result(None)
