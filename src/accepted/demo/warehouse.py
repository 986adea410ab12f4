"""A warehouse that does not exist: a service that takes articles one by one, and fails as often as it is told to.

It is a simulation and says so in every result. What it shows is real: attempts that fail for a while, the waits between
them, and a checkpoint that spares what was done.
"""

import asyncio
import math

from accepted.demo.faults import ServiceUnavailable

PAUSE = 0.1
"""Seconds an article takes at most, so that a cancel never waits longer."""

FEWEST_ARTICLES = 20


class PretendWarehouse:
    """Takes `articles` within `seconds`, but stops answering during each of the first `failures` attempts.

    Each failing attempt gets a fair part further than the one before, so that all attempts together take `seconds`.
    """

    def __init__(self, *, failures: int, seconds: float, attempt: int) -> None:
        self.articles = max(FEWEST_ARTICLES, math.ceil(seconds / PAUSE))
        self._pause = seconds / self.articles
        self._answers_until = self.articles * attempt // (failures + 1) if attempt <= failures else self.articles

    async def store(self, article: int) -> None:
        """Stores the article with this number, from 1; raises ServiceUnavailable where the warehouse has had enough."""
        if article > self._answers_until:
            raise ServiceUnavailable(f"the pretend warehouse stopped answering at article {article} of {self.articles}")
        await asyncio.sleep(self._pause)
