"""Statistics over HTTP: all operations at once, as they are and as they change (contract, section 9)."""

from __future__ import annotations

from ..contract.frame import sse_changes, sse_statistics
from ..contract.statistic import statistics_document
from ..engine.overview import Glance
from ..service import Service
from .call import Call
from .pulse import Pulse
from .telling import tell


class Statistics:
    """The endpoints under `/statistics`."""

    def __init__(self, service: Service, pulse: Pulse) -> None:
        self._service = service
        self._pulse = pulse

    async def get(self, call: Call) -> None:
        """`GET /statistics`."""
        await call.json(200, statistics_document(await self._service.statistics(call.sees)))

    async def stream(self, call: Call) -> None:
        """`GET /statistics/stream`: the present state at once, then what changes, at most once a second.

        It tells of the present, not of a history, so there is nothing to resume.
        """
        with self._service.watcher(call.sees) as watcher:
            watcher.tell(await self._service.statistics(call.sees), (), more=False)
            await tell(call, self._pulse, watcher, _written)


def _written(glance: Glance) -> bytes:
    changes = sse_changes(glance.operations, glance.more) if glance.operations or glance.more else b""
    return changes + sse_statistics(glance.snapshot)
