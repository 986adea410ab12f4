"""How long to wait, and for how long to go on: advice of servers, backoff with full jitter, deadlines.

Retries are spread over the whole of their interval, so that a thousand clients of a server that has just come back do
not come at once; where a server says when to come back, nobody comes earlier.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

import msgspec

from ..contract.policy import Backoff
from .document import PollInterval
from .error import ClientError, TimedOut

BACKOFF = Backoff(0.5, 30.0)
LONGEST_ADVICE = 3600.0  # seconds; whoever says more means never, and a timeout ends that
DEAF_FOR = 300.0  # seconds for which streams are not tried again, once one was kept back by a proxy


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a client's conversations go by: a clock, chance, and seconds.

    `patience`: to go on without any answer. `timeout`: silence on one request. `quiet`: silence on a stream, whose
    server says something every 15 seconds.
    """

    now: Callable[[], float]
    chance: Callable[[], float] = random.random
    patience: float = 300.0
    timeout: float = 30.0
    quiet: float = 20.0


class Road:
    """What a client has learnt about the way to its server: whether streams come through."""

    def __init__(self) -> None:
        self._deaf_until = -math.inf

    def streams(self, now: float) -> bool:
        """Whether a stream is worth a try."""
        return now >= self._deaf_until

    def kept_back(self, now: float) -> None:
        """A stream was silent though its server cannot have been: a proxy collects it."""
        self._deaf_until = now + DEAF_FOR


class Deadline:
    """The end of a caller's own timeout; None is never."""

    def __init__(self, terms: Terms, seconds: float | None) -> None:
        self._now = terms.now
        self._seconds = seconds
        self._at = math.inf if seconds is None else terms.now() + seconds

    def left(self) -> float:
        """Seconds until then, never negative."""
        return max(self._at - self._now(), 0.0)

    def check(self) -> None:
        """Raise `TimedOut` if it is over."""
        if self._now() >= self._at:
            raise TimedOut(f"it has not ended within {self._seconds:g} s; it goes on")


class Patience:
    """The pauses between tries that come to nothing, until patience is over. Any success starts it anew."""

    def __init__(self, terms: Terms, deadline: Deadline) -> None:
        self._terms = terms
        self._deadline = deadline
        self._since = 0.0
        self.failures = 0

    def rewarded(self) -> None:
        """Something came of it."""
        self.failures = 0

    def pause(self, error: ClientError, retry_after: float | None = None) -> float:
        """Seconds until the next try. Raises `error` where that would be later than patience lasts."""
        now = self._terms.now()
        self._since = self._since if self.failures else now
        self.failures += 1
        delay = BACKOFF.delay(self.failures, self._terms.chance(), retry_after)
        if now + delay - self._since > self._terms.patience:
            raise error
        return min(delay, self._deadline.left())


def retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds (RFC 9110, section 10.2.3): a number, or a date measured by the answer's own date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_ADVICE)
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError):  # none, or neither
        return None
    return min(max(seconds, 0.0), LONGEST_ADVICE)


def poll_pause(headers: Mapping[str, str], advised: PollInterval | None, terms: Terms) -> float:
    """Seconds until the next poll: as the server says, and up to a tenth more, so that clients do not come in step."""
    interval = advised or PollInterval()
    wishes = (retry_after(headers) or 0.0, interval.recommended, interval.minimum)
    longest = max((wish for wish in wishes if 0 <= wish < math.inf), default=1.0)
    return min(longest or 1.0, LONGEST_ADVICE) * (1 + terms.chance() / 10)
