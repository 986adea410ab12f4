"""The clock of tests that run a node: the one that users' tests have too."""

from accepted.testing.clock import MovableClock

__all__ = ["MovableClock"]
