"""Who writes the events that streams tell: a process of its own on the servers' database, as fast as it can commit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from accepted.contract.operation import NO_JSON, Result
from accepted.contract.progress import Progress
from accepted.contract.transition import Advance, Claim, Complete, LogEntry, Renew, Report
from accepted.store.sqlite import SqliteStore
from tests.processes.api import Api

DAY = 86_400_000


class Newsroom:
    """A worker's part in operations of the type `noop`, which no worker may run meanwhile."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.told = 2
        """The number of the last event of every operation."""

    async def operations(self, api: Api, number: int) -> list[str]:
        """Submits so many, and claims them."""
        ids = [api.submit("/noops") for _ in range(number)]
        committed = await self._store.commit([Renew("newsroom", DAY, True), Claim("newsroom", ("noop",), number)])
        assert len(committed.work) == number
        return ids

    async def advance(self, ids: Sequence[str], *, line: str = "") -> None:
        """One more event of each, in one commit."""
        self.told += 1
        lines = (LogEntry(1, "INFO", line),) if line else ()
        report = Report(progress=Progress(current=self.told, message="Processing orders"), lines=lines)
        await self._store.commit([Advance(**self._fence(id), report=report) for id in ids])
        await asyncio.sleep(0)

    async def complete(self, ids: Sequence[str]) -> None:
        """The end of each."""
        self.told += 1
        await self._store.commit([Complete(**self._fence(id), result=Result(NO_JSON)) for id in ids])

    def _fence(self, id: str) -> dict[str, Any]:
        return {"operation_id": id, "worker": "newsroom", "attempt": 1}


@contextlib.asynccontextmanager
async def newsroom(database: Path, *, notify: bool = True) -> AsyncIterator[Newsroom]:
    """On the database of running servers."""
    store = SqliteStore(str(database), notify=notify)
    await store.open()
    try:
        yield Newsroom(store)
    finally:
        await store.close()
