"""The one clock of a process; tests put a movable one in its place, so that no test sleeps.

`now` stamps transactions of a store without a clock of its own (SQLite), `database` those of one that has it. `tick`
must not jump with the wall clock nor stand still while the machine sleeps, hence CLOCK_BOOTTIME where the system has it
(guarantee T2).
"""

from __future__ import annotations

import asyncio
import time

from ..contract.operation import Now

TOLD_FOR = 2.0  # seconds in which two clocks do not part by a millisecond
_TICK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """Wall time, ticks and waiting."""

    def now(self) -> Now:
        """The present moment, in milliseconds on both scales."""
        return Now(time.time_ns() // 1_000_000, time.clock_gettime_ns(_TICK) // 1_000_000)

    def database(self, milliseconds: int) -> Now:
        """What it is where a database has a clock of its own, which says so: both scales are that clock."""
        return Now(milliseconds, milliseconds)

    def monotonic(self) -> float:
        """Seconds on the scale that `sleep` waits on."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        await asyncio.sleep(seconds)


class RemoteClock:
    """A database's clock as it was last told, carried on by our own: what time it is costs no round trip.

    Good for stamps, advice and expiry, to within the way that the telling took, and never ahead of the database; what
    leases are judged by is asked in the transaction itself (guarantee T2).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told = 0  # milliseconds
        self._at = -TOLD_FOR  # by our own clock

    def tell(self, milliseconds: int) -> Now:
        """The database has just said so."""
        self._told, self._at = milliseconds, self._clock.monotonic()
        return self._clock.database(milliseconds)

    def now(self) -> Now | None:
        """What it is by now, or None where it was told too long ago."""
        gone = self._clock.monotonic() - self._at
        return self._clock.database(self._told + int(gone * 1000)) if gone < TOLD_FOR else None
