"""Reads the file of a server that may be dead: all operations with their events, and whether the file is whole."""

from __future__ import annotations

from pathlib import Path

import apsw

from accepted.contract.operation import Operation
from accepted.store.protocol import Selection
from accepted.store.sqlite import SqliteStore
from tests.processes.history import Stored

ALL = 1_000_000


async def stored(database: Path) -> list[Stored]:
    """Every operation that the file holds."""
    store = SqliteStore(str(database), notify=False)
    await store.open()
    try:
        return [await _stored(store, found) for found in await store.operations(Selection(owner=None, limit=ALL))]
    finally:
        await store.close()


async def _stored(store: SqliteStore, operation: Operation) -> Stored:
    events = await store.events(operation.id, 0, ALL)
    return Stored(
        operation.id,
        operation.key[1] if operation.key else operation.id,
        operation.status,
        operation.attempt,
        tuple((event.sequence, str(event.status)) for event in events),
        operation.error.slug if operation.error else "",
    )


def integrity(database: Path) -> str:
    """What SQLite says of the whole file: "ok"."""
    connection = apsw.Connection(str(database))
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchall()[0][0])
    finally:
        connection.close(force=True)
