"""The SQLite store: one file holds everything, nothing to install (see `protocol.py` for what it promises).

Three connections share the file within a process: one writes (`sqlite_write.py`), one answers short reads on the
event loop, one lists and pages in a thread. Other processes have their own; `turnstile.py` lets them write in turn,
`beacon.py` tells them of news.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..contract.delivery import Delivery
from ..contract.event import Event
from ..contract.ledger import Tombstone
from ..contract.operation import LogLine, Now, Operation, Status
from ..contract.statistic import StatisticRow
from ..contract.transition import Transition
from ..contract.webhook import Registration
from .beacon import Beacon
from .clock import Clock
from .protocol import Committed, Hint, Selection, StoreUnavailable, WorkerRow
from .sqlite_credential import SqliteCredentials
from .sqlite_read import Reader
from .sqlite_write import writer

T = TypeVar("T")


class SqliteStore:
    """A `Store` on the file at `path`.

    `apart` says that this process runs users' functions, so that it has to write through a process of its own. With
    `notify` off no hints are exchanged and everything is found out by looking, every `poll` seconds.
    """

    def __init__(
        self,
        path: str,
        *,
        clock: Clock | None = None,
        apart: bool = False,
        notify: bool = True,
        poll: float = 1.0,
        vfs: str | None = None,
    ) -> None:
        self.path = path
        self._clock = clock or Clock()
        self._writer = writer(path, self._clock, apart=apart, vfs=vfs)
        self.credentials = SqliteCredentials(path, self._clock)
        self._notify = notify
        self._poll = poll
        self._beacon: Beacon | None = None
        self._news: asyncio.Queue[Sequence[Hint] | None] = asyncio.Queue(maxsize=1000)
        self._closed = asyncio.Event()
        self._pool: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        await self._writer.start()
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(self.path)
        self._lister = Reader(self.path)
        self._pool = ThreadPoolExecutor(1, "accepted-reader")
        if self._notify:
            self._beacon = self._lit()

    def _lit(self) -> Beacon | None:
        try:
            beacon = Beacon(self.path)
        except OSError:
            return None  # a folder that cannot be written to: hints are a convenience
        asyncio.get_running_loop().add_reader(beacon.socket, self._hear)
        return beacon

    async def close(self) -> None:
        self._closed.set()
        beacon, self._beacon = self._beacon, None
        if beacon is not None:
            asyncio.get_running_loop().remove_reader(beacon.socket)
            beacon.close()
        await self._writer.stop()
        await self.credentials.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
            self._reader.close()
            self._lister.close()

    async def commit(self, batch: Sequence[Transition]) -> Committed:
        if self._closed.is_set():
            raise StoreUnavailable("the store is closed")  # there is nobody left to answer
        committed = await self._writer.commit(batch)
        if self._beacon is not None:
            self._beacon.tell(committed.hints)
        return committed

    async def operation(self, id: str, owner: str | None = None) -> Operation | Tombstone | None:
        shared = self._reader.begun  # polls of one turn of the loop share a snapshot
        if not shared:
            self._reader.begin()
            self._loop.call_soon(self._reader.end)
        found = self._reader.operation(id, owner)
        if found is None and shared:  # a turn with a thousand sockets may be long; what is new must not seem unknown
            self._reader.end()
            found = self._reader.operation(id, owner)
        return found

    async def input(self, id: str) -> bytes | None:
        return self._reader.input(id)

    async def resource(self, owner: str, path: str) -> str | None:
        return self._reader.resource(owner, path)

    async def deliveries(self, id: str) -> list[Delivery]:
        return self._reader.deliveries(id)

    async def webhook(self, id: str) -> Registration | None:
        return self._reader.webhook(id)

    async def next_delivery(self) -> int | None:
        return self._reader.next_delivery()

    async def queue(self, type: str, limit: int) -> list[str]:
        return self._reader.queue(type, limit)

    async def durations(self, type: str) -> list[float]:
        return self._reader.durations(type)

    async def operations(self, selection: Selection) -> list[Operation]:
        return await self._apart(lambda: self._lister.operations(selection))

    async def count(self, selection: Selection) -> int:
        return await self._apart(lambda: self._lister.count(selection))

    async def tally(self, owner: str | None = None) -> dict[tuple[str, Status], int]:
        return await self._apart(self._lister.tally, owner)

    async def oldest_due(self) -> dict[str, int]:
        return await self._apart(self._lister.oldest_due)

    async def events(self, id: str, after: int, limit: int) -> list[Event]:
        return await self._apart(lambda: self._lister.events(id, after, limit))

    async def news(self, after: Mapping[str, int], limit: int) -> list[Event]:
        return await self._apart(lambda: self._lister.news(after, limit))

    async def lines(self, id: str, after: int, limit: int) -> list[LogLine]:
        return await self._apart(lambda: self._lister.lines(id, after, limit))

    async def chunks(self, id: str, attempt: int, first: int) -> AsyncIterator[bytes]:
        number = first
        while (chunk := await self._apart(self._chunk, id, attempt, number)) is not None:
            yield chunk
            number += 1

    def _chunk(self, id: str, attempt: int, number: int) -> bytes | None:
        return self._lister.chunk(id, attempt, number)

    async def workers(self) -> list[WorkerRow]:
        now = self._clock.now()
        return await self._apart(lambda: self._lister.workers(now))

    async def running(self, limit: int) -> list[Operation]:
        return await self._apart(self._lister.running, limit)

    async def statistics(self, scope: str, since: int) -> list[StatisticRow]:
        return await self._apart(self._lister.statistics, scope, since)

    async def now(self) -> Now:
        return self._clock.now()

    async def hints(self) -> AsyncIterator[Sequence[Hint] | None]:
        looking = asyncio.create_task(self._look())
        closed = asyncio.create_task(self._closed.wait())
        try:
            while not self._closed.is_set():
                news = asyncio.create_task(self._news.get())
                try:
                    await asyncio.wait({news, closed}, return_when=asyncio.FIRST_COMPLETED)
                    if not news.done():
                        return
                finally:
                    news.cancel()
                yield news.result()
        finally:
            looking.cancel()
            closed.cancel()

    async def _look(self) -> None:
        """Behind the hints: whatever was missed shows in the file's change counter."""
        seen = -1
        while True:
            with contextlib.suppress(StoreUnavailable):
                counter = self._reader.change_counter()
                if counter != seen:
                    self._tell(None)
                seen = counter
            await self._clock.sleep(self._poll)

    def _hear(self) -> None:
        if self._beacon is not None and (heard := self._beacon.hear()):
            self._tell(heard)

    def _tell(self, news: Sequence[Hint] | None) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # nobody listens: a later look finds it all
            self._news.put_nowait(news)

    async def _apart(self, read: Callable[..., T], *arguments: object) -> T:
        if self._pool is None:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, read, *arguments)
