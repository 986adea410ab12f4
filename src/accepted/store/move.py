"""From a SQLite file into an empty PostgreSQL database: everything that was promised comes along, or nothing does.

Both schemas are twins, so rows go over as they are, table by table. Leases stay behind: whoever held one has stopped,
and what still ran is taken up as after a crash, with its attempt number, so no fence is ever given twice. Ticks are on
another scale there, so a cancel that waits for its grace is settled at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import asyncpg

from .clock import Clock
from .postgres_connect import connect, hang_up, unavailable
from .protocol import StoreUnavailable
from .sqlite_schema import connect as connect_file
from .sqlite_schema import migrate as migrate_file
from .sqlite_schema import unavailable as file_unavailable
from .turnstile import Turnstile

LEFT_BEHIND = frozenset({"migration", "fact", "worker", "ticket"})
"""Tables that are about the file or the processes on it, not about operations; and tickets, which live for seconds."""

ONLY_THERE = {"stripe": 0}
"""Columns that PostgreSQL has beside those of the file, and what stands in them."""

Tell = Callable[[str, int], None]
"""Is told of a table once it is over, with the number of its rows."""

_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
_COLUMNS = """SELECT column_name FROM information_schema.columns WHERE table_schema = 'accepted' AND table_name = $1"""


async def move(path: str, url: str, tell: Tell) -> int:
    """Copy all of the file into the database, in one transaction; gives the number of operations.

    Both have to be migrated, nothing may have the file open, and the database has to be empty; the file stays as it is.
    Raises `StoreUnavailable`; then the database is as it was.
    """
    if not Path(path).is_file():  # noqa: ASYNC240  (a command's first look; nothing else runs)
        raise StoreUnavailable(f"there is no database at {path}")
    turnstile = Turnstile(path)
    with closing(turnstile), turnstile, closing(_alone(path)) as source:
        target = await connect(url)
        try:
            with unavailable(), file_unavailable():
                async with target.transaction():
                    await target.execute("LOCK TABLE accepted.operation IN EXCLUSIVE MODE")
                    return await _copy_all(source, target, tell)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            raise StoreUnavailable("the database is not migrated: run accepted migrate") from None
        except asyncpg.DataError as error:
            raise StoreUnavailable(f"PostgreSQL does not take what is in the file: {error}") from None
        finally:
            await hang_up(target)


def _alone(path: str) -> apsw.Connection:
    """The file, migrated and with nobody else on it until it is closed. The caller holds the turnstile."""
    connection = connect_file(path)
    try:
        migrate_file(connection, Clock())
        for statement in ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "COMMIT"):
            connection.execute(statement).fetchall()
    except (apsw.BusyError, StoreUnavailable) as error:
        connection.close(force=True)
        if isinstance(error.__cause__ or error, apsw.BusyError):
            raise StoreUnavailable(f"{path} is in use: stop every `accepted serve` and worker on it first") from None
        raise
    return connection


async def _copy_all(source: apsw.Connection, target: Any, tell: Tell) -> int:
    operations = 0
    for (table,) in source.execute(_TABLES).fetchall():
        if table in LEFT_BEHIND:
            continue
        if await target.fetchval(f"SELECT EXISTS (SELECT 1 FROM accepted.{table})"):  # noqa: S608  (a name out of our own schema)
            raise StoreUnavailable(f"the database is not empty: accepted.{table} has rows")
        number = await _copy(source, target, str(table))
        tell(str(table), number)
        if table == "operation":
            operations = number
    return operations


async def _copy(source: apsw.Connection, target: Any, table: str) -> int:
    """One table; gives the number of its rows."""
    columns = [str(row[1]) for row in source.execute(f"PRAGMA table_info({table})").fetchall()]
    there = {row[0] for row in await target.fetch(_COLUMNS, table)} - set(columns)
    if unknown := there - ONLY_THERE.keys():
        raise StoreUnavailable(f"accepted.{table} has columns that the file does not have: {', '.join(unknown)}")
    further = sorted(there)
    constants = tuple(ONLY_THERE[name] for name in further)
    number = 0

    def rows() -> Iterator[tuple[Any, ...]]:
        nonlocal number
        for row in source.execute(f"SELECT {', '.join(columns)} FROM {table}"):  # noqa: S608  (names out of our own schema)
            number += 1
            yield (*row, *constants)

    await target.copy_records_to_table(table, schema_name="accepted", columns=[*columns, *further], records=rows())
    await asyncio.sleep(0)
    return number
