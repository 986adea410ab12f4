"""The one clock of a process; tests put a movable one in its place, so that no test sleeps.

`now` stamps transactions of a store without a clock of its own (SQLite), `database` those of one that has it. `tick`
must not jump with the wall clock nor stand still while the machine sleeps, hence CLOCK_BOOTTIME where the system has it
(guarantee T2).
"""

from __future__ import annotations

import asyncio
import time

from ..contract.operation import Now

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
