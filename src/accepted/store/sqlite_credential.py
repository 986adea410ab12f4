"""Keys and tickets in one SQLite file. They are written rarely, by a connection of their own, in a thread; whoever
writes stands at the turnstile like everybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import apsw
import msgspec

from ..contract.credential import ApiKey, Ticket
from .clock import Clock
from .sqlite_schema import SQL, connect, unavailable
from .turnstile import Turnstile

T = TypeVar("T")

_decode_key = msgspec.json.Decoder(ApiKey).decode
_decode_ticket = msgspec.json.Decoder(Ticket).decode
_encode = msgspec.json.encode

_CHECKPOINT = 1000  # pages of the WAL after which even these few writes have to look after it


class SqliteCredentials:
    """A `Credentials` on the file at `path`."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "accepted-credentials")  # also when nobody waits any longer, one at a time
        self._closed = False
        self._connection: apsw.Connection | None = None
        self._turnstile: Turnstile | None = None
        self._pages = 0

    async def keys(self, after: int = 0) -> list[ApiKey]:
        return await self._apart(lambda connection: _keys(connection, after))

    async def add_key(self, key: ApiKey) -> None:
        await self._written(lambda connection: _put(connection, key))

    async def change_key(self, id: str, change: Callable[[ApiKey], ApiKey]) -> ApiKey | None:
        def changed(connection: apsw.Connection) -> ApiKey | None:
            found: list[Any] = connection.execute(SQL["key_by_id"], (id,)).fetchall()
            if not found:
                return None
            key = change(_decode_key(found[0][0]))
            _put(connection, key)
            return key

        return await self._written(changed)

    async def add_ticket(self, digest: bytes, ticket: Ticket) -> None:
        def put(connection: apsw.Connection) -> None:
            connection.execute(SQL["drop_tickets"], (self._clock.now().wall,)).fetchall()
            connection.execute(SQL["put_ticket"], (digest, ticket.expires_at, _encode(ticket))).fetchall()

        await self._written(put)

    async def take_ticket(self, digest: bytes) -> Ticket | None:
        def take(connection: apsw.Connection) -> Ticket | None:
            found: list[Any] = connection.execute(SQL["take_ticket"], (digest,)).fetchall()
            ticket = _decode_ticket(found[0][0]) if found else None
            return ticket if ticket is not None and self._clock.now().wall < ticket.expires_at else None

        return await self._written(take)

    async def close(self) -> None:
        """Let go of the file."""

        def go() -> None:
            if self._connection is not None:
                self._connection.close(force=True)
            if self._turnstile is not None:
                self._turnstile.close()

        if not self._closed:  # a store may be closed twice
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, go)
            self._thread.shutdown()

    async def _written(self, write: Callable[[apsw.Connection], T]) -> T:
        """Durable when it returns (the schema has `synchronous=FULL`)."""

        def run(connection: apsw.Connection) -> T:
            if self._turnstile is None:
                self._turnstile = Turnstile(self._path)
            with self._turnstile:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    done = write(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                if self._pages > _CHECKPOINT:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return done

        return await self._apart(run)

    async def _apart(self, run: Callable[[apsw.Connection], T]) -> T:
        def go() -> T:
            with unavailable():
                if self._connection is None:
                    self._connection = connect(self._path)
                    self._connection.set_wal_hook(self._note_wal)
                return run(self._connection)

        return await asyncio.get_running_loop().run_in_executor(self._thread, go)

    def _note_wal(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        return 0  # SQLITE_OK


def _keys(connection: apsw.Connection, after: int) -> list[ApiKey]:
    rows: list[Any] = connection.execute(SQL["keys_after"], (after,)).fetchall()
    return [msgspec.structs.replace(_decode_key(record), revision=revision) for revision, record in rows]


def _put(connection: apsw.Connection, key: ApiKey) -> None:
    connection.execute(SQL["put_api_key"], (key.id, _encode(key))).fetchall()
