"""How work tells that it moves on, without knowing who listens."""

from collections.abc import Callable

Tick = Callable[[int, int], None]
"""Told (done, total) every few tens of milliseconds; it may raise, to stop the work."""
