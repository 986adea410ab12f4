"""A clock that stands still until a test moves it; wall time and ticks move together, or the wall jumps alone."""

from __future__ import annotations

import asyncio

from accepted.contract.operation import Now
from accepted.store.clock import Clock
from tests.contract.given import NOW


class MovableClock(Clock):
    """Whoever sleeps on it wakes once the ticks have come far enough."""

    def __init__(self) -> None:
        self._now = NOW
        self._sleepers: set[asyncio.Future[None]] = set()

    def now(self) -> Now:
        return self._now

    def database(self, milliseconds: int) -> Now:
        return self._now  # whatever the database says

    def monotonic(self) -> float:
        return self._now.tick / 1000

    async def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        while self.monotonic() < until:
            moved = asyncio.get_running_loop().create_future()
            self._sleepers.add(moved)
            try:
                await moved
            finally:
                self._sleepers.discard(moved)

    def advance(self, span: int) -> Now:
        """Let `span` milliseconds pass."""
        return self.move(wall=span, tick=span)

    def move(self, *, wall: int = 0, tick: int = 0) -> Now:
        """Move each scale by its own span."""
        self._now = Now(self._now.wall + wall, self._now.tick + tick)
        for moved in self._sleepers:
            if not moved.done():
                moved.set_result(None)
        return self._now
