"""Keys and tickets in PostgreSQL, over the connections that read: they are few and short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from ..contract.credential import ApiKey, Ticket
from .clock import Clock
from .postgres_connect import READ_PATIENCE, unavailable
from .postgres_read import Reader
from .postgres_schema import SQL

T = TypeVar("T")

_decode_key = msgspec.json.Decoder(ApiKey).decode
_decode_ticket = msgspec.json.Decoder(Ticket).decode
_encode = msgspec.json.encode


class PostgresCredentials:
    """A `Credentials` behind a store's reader."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    async def keys(self, after: int = 0) -> list[ApiKey]:
        rows = await self._reader.rows("keys_after", after)
        return [msgspec.structs.replace(_decode_key(record), revision=revision) for revision, record in rows]

    async def add_key(self, key: ApiKey) -> None:
        async def add(connection: Any) -> None:
            await connection.execute(SQL["lock_keys"])
            await connection.execute(SQL["put_api_key"], key.id, _encode(key))

        await self._written(add)

    async def change_key(self, id: str, change: Callable[[ApiKey], ApiKey]) -> ApiKey | None:
        async def changed(connection: Any) -> ApiKey | None:
            await connection.execute(SQL["lock_keys"])
            record = await connection.fetchval(SQL["key_by_id"], id)
            if record is None:
                return None
            key = change(_decode_key(record))
            await connection.execute(SQL["put_api_key"], key.id, _encode(key))
            return key

        return await self._written(changed)

    async def add_ticket(self, digest: bytes, ticket: Ticket) -> None:
        async def add(connection: Any) -> None:
            now = self._clock.database(await connection.fetchval(SQL["clock"]))
            await connection.execute(SQL["drop_tickets"], now.wall)
            await connection.execute(SQL["put_ticket"], digest, ticket.expires_at, _encode(ticket))

        await self._written(add)

    async def take_ticket(self, digest: bytes) -> Ticket | None:
        async def take(connection: Any) -> Ticket | None:
            record = await connection.fetchval(SQL["take_ticket"], digest)
            if record is None:
                return None
            now = self._clock.database(await connection.fetchval(SQL["clock"]))
            ticket = _decode_ticket(record)
            return ticket if now.wall < ticket.expires_at else None

        return await self._written(take)

    async def _written(self, write: Callable[[Any], Awaitable[T]]) -> T:
        """In one transaction, once: what became of it when its connection dies is not known, and is not tried again."""
        with unavailable():
            async with (
                asyncio.timeout(READ_PATIENCE),
                self._reader.connection() as connection,
                connection.transaction(),
            ):
                return await write(connection)
