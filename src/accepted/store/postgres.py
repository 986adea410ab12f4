"""The PostgreSQL store: many nodes on one database (see `protocol.py` for what it promises).

A store has one connection that commits (`postgres_commit.py`), a few that read (`postgres_read.py`) and one that
listens (`postgres_hints.py`). The database's clock is the only one that counts, for wall time and for leases.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence

from ..contract.delivery import Delivery
from ..contract.event import Event
from ..contract.ledger import Tombstone
from ..contract.operation import LogLine, Now, Operation, Status
from ..contract.statistic import StatisticRow
from ..contract.transition import Transition
from ..contract.webhook import Registration
from .clock import Clock, RemoteClock
from .postgres_commit import Recorder
from .postgres_connect import Door
from .postgres_credential import PostgresCredentials
from .postgres_hints import Announcer, Listener
from .postgres_read import Reader
from .protocol import Committed, Hint, Selection, StoreUnavailable, WorkerRow

log = logging.getLogger("accepted.store")

_DEAF = (
    "nothing is heard from LISTEN through this database URL, as behind a pooler: changes on other nodes are found by "
    "looking once a second. Name the database itself in listen_url, or set notify=off"
)


class PostgresStore:
    """A `Store` in the database that `url` names, in its schema `accepted`.

    With `notify` off no hints are exchanged and everything is found out by looking, every `poll` seconds. Whether the
    connection that listens still lives is tried every `heartbeat` seconds. Behind a pooler `prepared_statements` are
    off, and `listen_url` leads past it.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        notify: bool = True,
        listen_url: str = "",
        prepared_statements: bool = True,
        poll: float = 1.0,
        heartbeat: float = 5.0,
    ) -> None:
        self._clock = clock or Clock()
        self._poll = poll
        self._door = Door(url, prepared_statements=prepared_statements)
        self._side_door = Door(listen_url) if listen_url else self._door
        self._remote = RemoteClock(self._clock)
        self._recorder = Recorder(self._door, self._remote)
        self._reader = Reader(self._door, self._clock)
        self.credentials = PostgresCredentials(self._reader, self._clock)
        self._news: asyncio.Queue[Sequence[Hint] | None] = asyncio.Queue(maxsize=1000)
        self._closed = asyncio.Event()
        self._listener = Listener(self._side_door, self._tell, heartbeat) if notify else None
        self._announcer = Announcer(self._reader, self._listener.name) if self._listener else None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._reader.open()
        if self._listener is not None:
            try:
                if not await self._listener.start(self._reader):
                    log.error("%s", _DEAF)
            except BaseException:
                await self._reader.close()
                raise

    async def close(self) -> None:
        self._come_over()
        self._closed.set()
        self._tell(None)  # whoever waits for hints sees that there will be no more
        await self._recorder.close()
        if self._listener is not None and self._announcer is not None:
            await self._announcer.stop()
            await self._listener.stop()
        await self._reader.close()

    async def commit(self, batch: Sequence[Transition]) -> Committed:
        self._come_over()
        if self._closed.is_set():
            raise StoreUnavailable("the store is closed")
        committed = await self._recorder.commit(batch)
        if self._announcer is not None:
            self._announcer.tell(committed.hints)
        return committed

    def _come_over(self) -> None:
        """From a loop that has ended, to hand back what was held there; to read or to listen is too late."""
        if (loop := asyncio.get_running_loop()) is self._loop or self._loop is None:
            return
        self._door.forsake()
        self._side_door.forsake()
        self._loop, self._closed = loop, asyncio.Event()
        self._recorder = Recorder(self._door, self._remote)
        self._reader = Reader(self._door, self._clock)
        self._listener = self._announcer = None

    async def operation(self, id: str, owner: str | None = None) -> Operation | Tombstone | None:
        return await self._reader.operation(id, owner)

    async def input(self, id: str) -> bytes | None:
        return await self._reader.input(id)

    async def operations(self, selection: Selection) -> list[Operation]:
        return await self._reader.operations(selection)

    async def count(self, selection: Selection) -> int:
        return await self._reader.count(selection)

    async def tally(self, owner: str | None = None) -> dict[tuple[str, Status], int]:
        return await self._reader.tally(owner)

    async def events(self, id: str, after: int, limit: int) -> list[Event]:
        return await self._reader.events(id, after, limit)

    async def news(self, after: Mapping[str, int], limit: int) -> list[Event]:
        return await self._reader.news(after, limit)

    async def lines(self, id: str, after: int, limit: int) -> list[LogLine]:
        return await self._reader.lines(id, after, limit)

    async def deliveries(self, id: str) -> list[Delivery]:
        return await self._reader.deliveries(id)

    async def webhook(self, id: str) -> Registration | None:
        return await self._reader.webhook(id)

    async def next_delivery(self) -> int | None:
        due_at: int | None = await self._reader.first("next_delivery")
        return due_at

    async def resource(self, owner: str, name: str) -> str | None:
        id: str | None = await self._reader.first("resource", owner, name)
        return id

    async def chunks(self, id: str, attempt: int, first: int) -> AsyncIterator[bytes]:
        number = first
        while (chunk := await self._reader.first("chunk", id, attempt, number)) is not None:
            yield chunk
            number += 1

    async def queue(self, type: str, limit: int) -> list[str]:
        return await self._reader.queue(type, limit)

    async def oldest_due(self) -> dict[str, int]:
        return await self._reader.oldest_due()

    async def durations(self, type: str) -> list[float]:
        return await self._reader.durations(type)

    async def workers(self) -> list[WorkerRow]:
        return await self._reader.workers()

    async def running(self, limit: int) -> list[Operation]:
        return await self._reader.running(limit)

    async def statistics(self, scope: str, since: int) -> list[StatisticRow]:
        return await self._reader.statistics(scope, since)

    async def now(self) -> Now:
        return self._remote.now() or self._remote.tell(await self._reader.first("clock"))

    async def hints(self) -> AsyncIterator[Sequence[Hint] | None]:
        looking = asyncio.create_task(self._look())
        try:
            while not self._closed.is_set():
                news = await self._news.get()
                if not self._closed.is_set():
                    yield news
        finally:
            looking.cancel()

    async def _look(self) -> None:
        """Behind the hints: whatever was missed shows in which transactions the database has seen the end of."""
        seen = ""
        while True:
            with contextlib.suppress(StoreUnavailable):
                snapshot = await self._reader.first("changed")
                if snapshot != seen:
                    self._tell(None)
                seen = snapshot
            await self._clock.sleep(self._poll)

    def _tell(self, news: Sequence[Hint] | None) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # nobody listens: a later look finds it all
            self._news.put_nowait(news)
