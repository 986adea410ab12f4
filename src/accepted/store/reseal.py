"""What is registered for webhooks, rewritten in place: for secrets that are to be sealed with another key.

In bites of a few dozen rows, each its own transaction, so that a service goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec

from ..contract.webhook import Registration
from .sqlite_schema import SQL as SQL_OF_FILE
from .sqlite_schema import connect as connect_file
from .sqlite_schema import unavailable as file_unavailable
from .turnstile import Turnstile

BITE = 50

Change = Callable[[Registration], Registration]
"""Gives the same object for what is to stay as it is."""

_decode = msgspec.json.Decoder(Registration).decode
_encode = msgspec.json.encode


def rewrite_file(path: str, change: Change) -> int:
    """Rewrite all registrations of a SQLite file; gives how many have changed. Raises `StoreUnavailable`."""
    changed, after = 0, ""
    with file_unavailable(), closing(connect_file(path)) as connection, closing(Turnstile(path)) as turnstile:
        while True:
            with turnstile, connection:
                rows: list[Any] = connection.execute(SQL_OF_FILE["webhooks"], (after, BITE)).fetchall()
                for body, id in _changed(rows, change):
                    connection.execute(SQL_OF_FILE["rewrite_webhook"], (body, id))
                    changed += 1
            if len(rows) < BITE:
                with turnstile:
                    # What it was is gone from the file as well.
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                return changed
            after = rows[-1][0]


async def rewrite_database(url: str, change: Change) -> int:
    """The same for a PostgreSQL database."""
    from .postgres_connect import connect, hang_up, unavailable
    from .postgres_schema import SQL

    changed, after = 0, ""
    with unavailable():
        connection = await connect(url)
        try:
            while True:
                async with connection.transaction():
                    rows = await connection.fetch(SQL["webhooks"], after, BITE)
                    for body, id in _changed(rows, change):
                        await connection.execute(SQL["rewrite_webhook"], body, id)
                        changed += 1
                if len(rows) < BITE:
                    return changed
                after = rows[-1][0]
        finally:
            await hang_up(connection)


def _changed(rows: list[Any], change: Change) -> list[tuple[bytes, str]]:
    found = []
    for id, body in rows:
        before = _decode(body)
        if (after := change(before)) is not before:
            found.append((_encode(after), id))
    return found
