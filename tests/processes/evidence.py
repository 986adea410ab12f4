"""Reads the database of a server that may be dead: all operations with their events, and whether a file is whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw

from accepted import history
from accepted.app import open_store
from accepted.contract.operation import Operation
from accepted.settings import load
from accepted.store.clock import Clock
from accepted.store.protocol import Selection, Store

ALL = 1_000_000
AT_ONCE = 50


async def listed(url: str) -> list[history.Entry]:
    """Every operation that the database holds, for the judge."""
    store = open_store(load({"database": url, "notify": False}), Clock())
    await store.open()
    try:
        found = await store.operations(Selection(owner=None, limit=ALL))
        records: list[history.Listed] = []
        for first in range(0, len(found), AT_ONCE):
            records += await asyncio.gather(*(_listed(store, one) for one in found[first : first + AT_ONCE]))
        return [history.Entry(f"database:{number}", record) for number, record in enumerate(records, start=1)]
    finally:
        await store.close()


async def _listed(store: Store, operation: Operation) -> history.Listed:
    events = await store.events(operation.id, 0, ALL)
    return history.Listed(
        operation_id=operation.id,
        key=operation.key[1] if operation.key else "",
        state=str(operation.status),
        attempt=operation.attempt,
        events=tuple((event.sequence, str(event.status)) for event in events),
        problem=operation.error.slug if operation.error else "",
    )


def integrity(database: Path) -> str:
    """What SQLite says of the whole file: "ok"."""
    connection = apsw.Connection(str(database))
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchall()[0][0])
    finally:
        connection.close(force=True)
