"""The schema of one PostgreSQL database: what is applied, what is missing, and how safe its server is set.

Nothing is migrated unasked: nodes of two versions may run at once, and only who operates them knows when the new schema
is to come. `accepted migrate` takes an advisory lock, so that two of them do not meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import asyncpg

from .postgres_connect import connect, hang_up, unavailable
from .protocol import StoreUnavailable
from .queries import Migration, migrations, statements

SQL = statements("postgres")

_LOCK = 0x61636365_70746564  # "accepted" as eight bytes
_PREPARE = (
    "CREATE SCHEMA IF NOT EXISTS accepted",
    """CREATE TABLE IF NOT EXISTS accepted.migration
    (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL)""",
)
_APPLIED = "SELECT version, checksum FROM accepted.migration"
_NOTE = "INSERT INTO accepted.migration (version, name, checksum) VALUES ($1, $2, $3)"


async def migrate(url: str) -> list[Migration]:
    """Bring the schema up to date, in one transaction; gives back what was applied. Raises `StoreUnavailable`."""
    connection = await connect(url)
    try:
        with unavailable():
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                for statement in _PREPARE:
                    await connection.execute(statement)
                found = await _missing(connection)
                for migration in found:
                    await connection.execute(migration.sql)
                    await connection.execute(_NOTE, migration.version, migration.name, migration.checksum)
        return found
    finally:
        await hang_up(connection)


async def missing(url: str) -> list[Migration]:
    """What is still to be applied. Raises `StoreUnavailable`, also where others were applied than we know."""
    connection = await connect(url)
    try:
        return await missing_on(connection)
    finally:
        await hang_up(connection)


async def missing_on(connection: Any) -> list[Migration]:
    """The same, on a connection that is there."""
    with unavailable():
        try:
            return await _missing(connection)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            return migrations("postgres")


async def _missing(connection: Any) -> list[Migration]:
    applied: dict[int, str] = dict(await connection.fetch(_APPLIED))
    known = migrations("postgres")
    checksums = {migration.version: migration.checksum for migration in known}
    for version, checksum in applied.items():
        if version not in checksums:
            raise StoreUnavailable(
                f"the database has migration {version}, which is newer than this version of accepted"
            )
        if checksums[version] != checksum:
            raise StoreUnavailable(f"migration {version} was changed after it was applied to this database")
    return [migration for migration in known if migration.version not in applied]


def script() -> Iterator[str]:
    """All that `migrate` does to an empty database, for those who have their own way of doing it."""
    yield "BEGIN;"
    for statement in _PREPARE:
        yield f"{statement};"
    for migration in migrations("postgres"):
        yield migration.sql.rstrip()
        row = f"({migration.version}, '{migration.name}', '{migration.checksum}')"
        yield f"INSERT INTO accepted.migration (version, name, checksum) VALUES {row};"  # noqa: S608  (file names and digests of ours)
    yield "COMMIT;"


async def promises(url: str) -> dict[str, str]:
    """What this server is set to do about durability, and its version."""
    names = ("server_version", "fsync", "full_page_writes", "synchronous_commit", "max_connections")
    connection = await connect(url)
    try:
        with unavailable():
            return {name: await connection.fetchval("SELECT current_setting($1)", name) for name in names}
    finally:
        await hang_up(connection)


async def lossy(url: str) -> list[str]:
    """Which settings of this server let a crash of its machine lose a 202 (guarantee D2). Raises `StoreUnavailable`."""
    found = await promises(url)
    return [name for name in ("fsync", "full_page_writes") if found[name] == "off"]


async def pooled(url: str) -> bool:
    """Whether somebody stands between: the server's process is not the one that we were told of. Raises
    `StoreUnavailable`.
    """
    connection = await connect(url)
    try:
        with unavailable():
            return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())
    finally:
        await hang_up(connection)
