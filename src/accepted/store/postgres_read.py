"""Reading from PostgreSQL over a small pool of connections.

Each read sees what is committed when it begins, from whatever node. Polls that come in one turn of the event loop share
one query, and so do those that come while it is under way share the next: the busier, the fewer queries for each poll.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from ..contract.delivery import Delivery
from ..contract.event import Event
from ..contract.ledger import Tombstone
from ..contract.operation import LogLine, Operation, Status
from ..contract.statistic import StatisticRow, Tallies
from ..contract.turns import Waiting, in_turn, share
from ..contract.webhook import Registration
from .clock import Clock
from .postgres_commit import decode_delivery, decode_operation
from .postgres_connect import LOST, READ_PATIENCE, Door, hang_up, is_bug, unavailable
from .postgres_schema import SQL, missing_on
from .protocol import OWNERS_SEEN, Selection, StoreUnavailable, WorkerRow

SLOW = 0.05  # seconds until polls wait no longer for the query before theirs: it may never be answered
_LAST_ID = "op-~"  # sorts after every id

_decode_event = msgspec.json.Decoder(Event).decode
_decode_webhook = msgspec.json.Decoder(Registration).decode
_decode_tallies = msgspec.json.Decoder(Tallies).decode
_decode_line = msgspec.json.Decoder(LogLine).decode

_Found = Operation | Tombstone | None
_Wanted = tuple[str, str | None]  # an id, and whose it has to be


class Reader:
    """The reading side of one store."""

    def __init__(self, door: Door, clock: Clock) -> None:
        self._door = door
        self._clock = clock
        self._pool: Any = None
        self._asked: dict[_Wanted, list[asyncio.Future[_Found]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lane: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect, and look whether the schema is there. Raises `StoreUnavailable`."""
        self._pool = await self._door.pool()
        try:
            with unavailable():
                async with self._pool.acquire() as connection:
                    missing = await missing_on(connection)
            if missing:
                names = ", ".join(f"{migration.version:04d}_{migration.name}" for migration in missing)
                raise StoreUnavailable(f"the database lacks migrations ({names}): run `accepted migrate`")
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        opened, self._pool = self._pool, None
        if opened is not None:
            await hang_up(opened)
            await asyncio.gather(*self._answering, return_exceptions=True)

    async def operation(self, id: str, owner: str | None = None) -> _Found:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # remembered, because asking is a system call
        future: asyncio.Future[_Found] = self._loop.create_future()
        self._asked.setdefault((id, owner), []).append(future)
        if self._lane is None:
            self._ask(self._loop)
        return await future

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the next turn of the loop, so that whatever this one brings goes along."""
        self._lane = task = loop.create_task(self._answer(loop))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, loop: asyncio.AbstractEventLoop) -> None:
        """All that was asked for, in one query; and all that was asked for meanwhile, as long as nobody overtakes."""
        lane = self._lane
        while self._asked and self._lane is lane:
            asked, self._asked = self._asked, {}
            slow = loop.call_later(SLOW, self._overtake, loop, lane)
            await self._answer_to(asked)
            slow.cancel()
        if self._lane is lane:
            self._lane = None

    def _overtake(self, loop: asyncio.AbstractEventLoop, lane: asyncio.Task[None] | None) -> None:
        if self._lane is lane:
            self._lane = None
            if self._asked:
                self._ask(loop)

    async def _answer_to(self, asked: dict[_Wanted, list[asyncio.Future[_Found]]]) -> None:
        try:
            found = await self._operations(list(asked))
        except BaseException as error:
            for future in (future for futures in asked.values() for future in futures):
                if not future.done():
                    future.set_exception(
                        error if isinstance(error, Exception) else StoreUnavailable("the store is closed")
                    )
            return
        for wanted, futures in asked.items():
            for future in futures:
                if not future.done():
                    future.set_result(found.get(wanted))

    async def _operations(self, wanted: list[_Wanted]) -> dict[_Wanted, Operation | Tombstone]:
        """What is there, by what was asked for. Somebody else's is looked for among the dead, as what never was."""
        rows = await self.rows("operations_by_ids", list({id for id, _ in wanted}))
        known = {id: decode_operation(record) for id, record in rows}
        found: dict[_Wanted, Operation | Tombstone] = {
            (id, owner): known[id] for id, owner in wanted if id in known and owner in {None, known[id].owner}
        }
        if gone := [pair for pair in wanted if pair not in found]:
            graves = {row[0]: Tombstone(*row) for row in await self.rows("tombstones_by_ids", [id for id, _ in gone])}
            found |= {pair: graves[pair[0]] for pair in gone if pair[0] in graves}
        return found

    async def operations(self, selection: Selection) -> list[Operation]:
        partitions = [row[:3] for row in await self._partitions(selection)]
        if not partitions:
            return []
        columns = [list(column) for column in zip(*partitions, strict=True)]
        before = selection.before or _LAST_ID
        rows = await self.rows("newest", *columns, before, selection.skip, selection.limit, selection.since)
        return [decode_operation(row[0]) for row in rows]

    async def count(self, selection: Selection) -> int:
        return sum(number for *_, number in await self._partitions(selection))

    async def tally(self, owner: str | None = None) -> dict[tuple[str, Status], int]:
        total: Counter[tuple[str, Status]] = Counter()
        for _, type, status, number in await self._partitions(Selection(owner)):
            total[type, Status(status)] += number
        return dict(total)

    async def _partitions(self, selection: Selection) -> list[tuple[str, str, str, int]]:
        if selection.owner is None:
            rows = await self.rows("partitions")
        else:
            rows = await self.rows("partitions_of_owner", selection.owner)
        types, statuses = selection.types, selection.statuses
        return [tuple(r) for r in rows if (types is None or r[1] in types) and (statuses is None or r[2] in statuses)]

    async def input(self, id: str) -> bytes | None:
        body: bytes | None = await self.first("payload", id, "input")
        return b"null" if body is None and isinstance(await self.operation(id), Operation) else body

    async def events(self, id: str, after: int, limit: int) -> list[Event]:
        return [_decode_event(row[0]) for row in await self.rows("events", id, after, limit)]

    async def news(self, after: Mapping[str, int], limit: int) -> list[Event]:
        rows = await self.rows("news", list(after), list(after.values()), limit)
        return [_decode_event(row[0]) for row in rows]

    async def lines(self, id: str, after: int, limit: int) -> list[LogLine]:
        return [_decode_line(row[0]) for row in await self.rows("lines", id, after, limit)]

    async def deliveries(self, id: str) -> list[Delivery]:
        return [decode_delivery(row[1]) for row in await self.rows("deliveries_of", [id])]

    async def webhook(self, id: str) -> Registration | None:
        body: bytes | None = await self.first("payload", id, "webhook")
        return None if body is None else _decode_webhook(body)

    async def queue(self, type: str, limit: int) -> list[str]:
        asked: int | None = 0
        while asked is not None:
            rows = await self.rows("queue", type, "", limit, asked)
            asked = share(Counter(row[0] for row in rows), asked, limit)
        return [waiting.id for waiting in in_turn([Waiting(*row) for row in rows])[:limit]]

    async def oldest_due(self) -> dict[str, int]:
        waiting = list({type for type, status in await self.tally() if status is Status.PENDING})
        oldest: dict[str, int] = dict(await self.rows("next_due", waiting))
        for type, record in await self.rows("heads", waiting, OWNERS_SEEN):
            due_at = decode_operation(record).due_at
            oldest[type] = min(oldest.get(type, due_at), due_at)
        return oldest

    async def durations(self, type: str) -> list[float]:
        return [row[0] / 1000 for row in await self.rows("durations", type)]

    async def workers(self) -> list[WorkerRow]:
        rows = await self.rows("workers")
        tick = self._clock.database(await self.first("clock")).tick
        return [WorkerRow(id, until > tick, msgspec.json.decode(about)) for id, until, about in rows]

    async def running(self, limit: int) -> list[Operation]:
        return [decode_operation(row[0]) for row in await self.rows("running_now", limit)]

    async def statistics(self, scope: str, since: int) -> list[StatisticRow]:
        rows = await self.rows("statistics", scope, since)
        return [
            StatisticRow(scope, minute, type, source, _decode_tallies(body))
            for scope, minute, type, source, body in rows
        ]

    async def first(self, name: str, *bindings: Any) -> Any:
        """The first column of the first row, or None."""
        rows = await self.rows(name, *bindings)
        return rows[0][0] if rows else None

    async def rows(self, name: str, *bindings: Any) -> list[Any]:
        """All rows; asked once more where the connection has died meanwhile. Raises `StoreUnavailable`."""
        with unavailable():
            try:
                async with asyncio.timeout(READ_PATIENCE):
                    try:
                        return await self._fetch(name, bindings)
                    except LOST as error:
                        if is_bug(error):
                            raise
                        await self._expire()
                        return await self._fetch(name, bindings)
            except TimeoutError:
                await self._expire()
                raise

    async def _expire(self) -> None:
        """What has killed or silenced one connection has mostly done so to all."""
        if self._pool is not None:
            await self._pool.expire_connections()

    def connection(self) -> Any:
        """One of the connections for a while, as a context manager. Raises `StoreUnavailable`."""
        if self._pool is None:
            raise StoreUnavailable("the store is closed")
        return self._pool.acquire()

    async def _fetch(self, name: str, bindings: tuple[Any, ...]) -> list[Any]:
        async with self.connection() as connection:
            rows: list[Any] = await connection.fetch(SQL[name], *bindings)
            return rows
