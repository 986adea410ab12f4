"""How fast an operation goes and when it will be there, from what it reports: numbers alone, no clock, no screen."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..client import State

WINDOW = 20.0  # seconds that the rate is taken over: long enough to be calm, short enough to notice a change


class Pace:
    """Feed it states as they come. `rate` is units of `current` a second, `left` the seconds to the end."""

    def __init__(self) -> None:
        self._phase: str | None = None
        self._seen: deque[tuple[float, float]] = deque()
        self._shares: deque[tuple[float, float]] = deque()
        self.rate: float | None = None
        self._promised: float | None = None

    def feed(self, state: State, now: float) -> None:
        """A state, at `now` seconds."""
        progress = state.progress
        if state.estimated_completion is not None and state.updated_at is not None:
            self._promised = now + (state.estimated_completion - state.updated_at).total_seconds()
        if progress is None:
            return
        if progress.phase != self._phase or (self._seen and (progress.current or 0) < self._seen[-1][1]):
            self._phase = progress.phase
            self._seen.clear()
        if progress.current is not None:
            self.rate = _slope(self._seen, now, progress.current)
        if progress.percentage is not None:
            if self._shares and progress.percentage < self._shares[-1][1]:
                self._shares.clear()
            _slope(self._shares, now, progress.percentage)

    def left(self, state: State, now: float) -> float | None:
        """Seconds to the end, by its own pace, else as the server promised."""
        progress = state.progress
        pace = _rate(self._shares)
        if pace and progress is not None and progress.percentage is not None:
            return (100 - progress.percentage) / pace
        return None if self._promised is None else max(self._promised - now, 0.0)


def _slope(seen: deque[tuple[float, float]], now: float, value: float) -> float | None:
    seen.append((now, value))
    while len(seen) > 2 and now - seen[0][0] > WINDOW:
        seen.popleft()
    return _rate(seen)


def _rate(seen: deque[tuple[float, float]]) -> float | None:
    if len(seen) < 2 or seen[-1][0] <= seen[0][0]:
        return None
    rate = (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])
    return rate if rate > 0 else None
