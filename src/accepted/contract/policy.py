"""Retry, retention, poll advice and estimates as pure functions of numbers.

Durations that users write are parsed here; spans inside of the engine are seconds (float) unless a name ends in `_ms`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import timedelta

import msgspec

DAY_MS = 24 * 60 * 60 * 1000
KEY_LIFETIME_MS = DAY_MS  # contract, section 1: a key lives at least 24 h
TOMBSTONE_LIFETIME_MS = 30 * DAY_MS  # contract, section 10
POLL_MAXIMUM = 30.0  # contract, section 3
AGEING_MS = 10 * 60 * 1000
"""What one step of priority is worth: as much as having waited ten minutes longer. So nothing starves."""
PRIORITIES = range(10)
EVENTS_KEPT = 10_000
"""Events of one operation that can be read again: at ten a second, those of its last quarter of an hour."""
EVENTS_SLACK = 500  # how many more there may be before the oldest go, so that few commits have to delete

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")

Duration = str | float | int | timedelta


def seconds(duration: Duration) -> float:
    """Seconds of `"90s"`, `"10m"`, `"1h30m"`, a number of seconds or a `timedelta`; ValueError for anything else."""
    if isinstance(duration, timedelta):
        value = duration.total_seconds()
    elif isinstance(duration, str):
        value = _parsed(duration.strip())
    elif isinstance(duration, bool) or not isinstance(duration, (int, float)):
        raise ValueError(f"not a duration: {duration!r}")
    else:
        value = float(duration) if abs(duration) < 2**63 else math.inf
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"a duration is finite and not negative: {duration!r}")
    return value


def _parsed(text: str) -> float:
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f'not a duration: {text!r}; write it as "90s", "10m", "24h" or a number of seconds') from None


def milliseconds(duration: Duration) -> int:
    """The same in whole milliseconds."""
    return round(seconds(duration) * 1000)


class Backoff(msgspec.Struct, frozen=True):
    """Exponential backoff between attempts, from `first` to `longest` seconds, with full jitter."""

    first: float = 1.0
    longest: float = 60.0

    @classmethod
    def parse(cls, text: Backoff | str) -> Backoff:
        """Reads `"1s..60s"`; one duration alone is a constant ceiling."""
        if isinstance(text, Backoff):
            return text
        first, _, longest = text.partition("..")
        backoff = cls(seconds(first), seconds(longest or first))
        if backoff.first > backoff.longest:
            raise ValueError(f"a backoff grows: {text!r}")
        return backoff

    def delay(self, failures: int, chance: float, retry_after: float | None = None) -> float:
        """Seconds to wait after the `failures`-th failure; `chance` in [0, 1) is the jitter.

        A `retry_after` of the failure is obeyed: the jitter then comes on top, so that waiting clients do not return
        at once.
        """
        ceiling: float = min(self.longest, self.first * 2.0 ** min(failures - 1, 62))
        return ceiling * chance if retry_after is None else retry_after + min(ceiling, 1.0) * chance


def poll_interval(age: float, remaining: float | None, minimum: float) -> float:
    """Recommended seconds until the next poll: grows with the operation's age, shorter when the end is near.

    Whole seconds, because `Retry-After` has no fractions (RFC 9110, section 10.2.3): 1 s at first, a tenth of the age
    later.
    """
    advice = max(1.0, age / 10)
    if remaining is not None:
        advice = min(advice, max(remaining / 2, 1.0))
    return float(max(math.floor(min(advice, POLL_MAXIMUM)), math.ceil(minimum), 1))


def typical(durations: Sequence[float]) -> float | None:
    """The median of recent durations in seconds; None where there are too few to say anything."""
    if len(durations) < 3:
        return None
    ordered = sorted(durations)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def remaining(elapsed: float, share: float | None, usual: float | None) -> float | None:
    """Seconds until a running attempt ends, from its own progress and from the type's history; None without a basis.

    The further it has come, the more its own pace counts. A run that outlasts history says so instead of promising
    "now": then only its own pace is left to judge by.
    """
    pace = elapsed / share - elapsed if share and elapsed > 0 else None
    rest = usual - elapsed if usual is not None and usual > elapsed else None
    if pace is None or share is None:
        return rest
    return pace if rest is None else share * pace + (1 - share) * rest
