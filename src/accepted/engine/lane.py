"""A lane: what goes to one host. How many at once, how far ahead it may claim, and whether to send at all.

A host that answers quickly gets longer claims, so that it never waits for a commit; one that is slow or fails gets no
more than it can be sent at once. After `FAILURES` failures in a row the circuit opens: nothing is sent for a while,
then one delivery goes first and shows whether the host is back. Others never wait behind it (guarantee W5).
"""

from __future__ import annotations

from collections import deque

import msgspec

from ..contract.delivery import Delivery

AT_ONCE = 4
AHEAD = 64  # what a quick host is claimed for beyond what is being sent
QUICK = 0.25  # seconds
FAILURES = 5
COOL_DOWN = 30.0
MEMORY = 3600.0  # how long failures are remembered while nothing is in hand


class Claimed(msgspec.Struct, frozen=True):
    """A delivery in our hands, and when (monotonic) it was claimed."""

    delivery: Delivery
    at: float


class Lane:
    """One host; times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.ready: deque[Claimed] = deque()
        self.sending = 0
        self._depth = AT_ONCE
        self._failures = 0
        self._open_until = 0.0
        self._failed_at = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing is in hand."""
        return not self.sending and not self.ready

    def forgettable(self, now: float) -> bool:
        """Whether a new lane would do as well."""
        return self.idle and (self._failures == 0 or now > self._failed_at + MEMORY)

    def room(self, now: float) -> int:
        """How many more may be claimed."""
        return max(self._width(now, self._depth) - self.sending - len(self.ready), 0)

    def free(self, now: float) -> bool:
        """Whether one more may be sent now."""
        return self.sending < self._width(now, AT_ONCE)

    def is_open(self, now: float) -> bool:
        """Whether the host is left in peace."""
        return now < self._open_until

    def until_open(self, now: float) -> float:
        """Seconds until the next one may be sent."""
        return max(self._open_until - now, 0.0)

    def ended(self, now: float, *, well: bool, took: float) -> None:
        """A try is over, after so many seconds; `well`: the host does what it should, whatever it said."""
        self.sending -= 1
        if well:
            self._failures, self._open_until = 0, 0.0
        else:
            self._failures += 1
            self._failed_at = now
            if self._failures >= FAILURES:
                self._open_until = now + COOL_DOWN
        quick = well and took < QUICK
        self._depth = min(self._depth * 2, AHEAD) if quick else AT_ONCE

    def _width(self, now: float, usual: int) -> int:
        if now < self._open_until:
            return 0
        return 1 if self._failures >= FAILURES else usual
