"""Opening one SQLite file: pragmas, migrations, and the boot its ticks count from.

Pragmas, with reasons: `synchronous=FULL` in WAL mode fsyncs each commit (guarantee D1). `wal_autocheckpoint=0`
because only the holder of the turnstile checkpoints. `secure_delete` because expired data has to be gone from the
file (guarantee R4). `busy_timeout` is for foreign tools only, such as a backup or the sqlite3 shell: our own
processes queue at the turnstile.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import apsw

from .clock import Clock
from .protocol import StoreFull, StoreUnavailable
from .queries import Migration, migrations, statements

SQL = statements("sqlite")
BUSY_TIMEOUT = 5_000  # milliseconds
WAL_LIMIT = 64 * 1024 * 1024

_PRAGMAS = f"""
PRAGMA busy_timeout = {BUSY_TIMEOUT};
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = {WAL_LIMIT};
PRAGMA cache_size = -16384;
PRAGMA temp_store = MEMORY;
PRAGMA secure_delete = ON;
"""

_MIGRATIONS_TABLE = """
CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT
"""


def connect(path: str, *, vfs: str | None = None) -> apsw.Connection:
    """A connection with our pragmas; a new file is readable by its owner alone. Raises `StoreUnavailable`."""
    with unavailable():
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = apsw.Connection(path, vfs=vfs)
        except OSError as error:
            raise StoreUnavailable(f"cannot open the database {path}: {error.strerror}") from error
        for _ in connection.execute(_PRAGMAS):
            pass
        return connection


def migrate(connection: apsw.Connection, clock: Clock) -> list[Migration]:
    """Bring the schema up to date, in one transaction; gives back what was applied. The caller holds the turnstile."""
    with unavailable(), connection:
        connection.execute(_MIGRATIONS_TABLE)
        found = missing(connection)
        for migration in found:
            connection.execute(migration.sql)
            row = (migration.version, migration.name, migration.checksum)
            connection.execute("INSERT INTO migration (version, name, checksum) VALUES (?, ?, ?)", row)
        _notice_boot(connection)
    return found


def missing(connection: apsw.Connection) -> list[Migration]:
    """What is still to be applied. Raises `StoreUnavailable` where others were applied than we know."""
    rows: list[Any] = connection.execute("SELECT version, checksum FROM migration").fetchall()
    applied: dict[int, str] = dict(rows)
    known = migrations("sqlite")
    _check(applied, known)
    return [migration for migration in known if migration.version not in applied]


def _check(applied: dict[int, str], known: list[Migration]) -> None:
    checksums = {migration.version: migration.checksum for migration in known}
    for version, checksum in applied.items():
        if version not in checksums:
            raise StoreUnavailable(
                f"the database has migration {version}, which is newer than this version of accepted"
            )
        if checksums[version] != checksum:
            raise StoreUnavailable(f"migration {version} was changed after it was applied to this database")


def _notice_boot(connection: apsw.Connection) -> None:
    """After a reboot the ticks start anew, so no lease from before may count (guarantee T2)."""
    row = connection.execute(SQL["fact"], ("boot",)).fetchone()
    boot = _boot()
    if row is None or row[0] != boot:
        connection.execute(SQL["expire_leases"])
        connection.execute(SQL["put_fact"], ("boot", boot))


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"  # other systems: a lease from before a reboot then lasts up to its ttl of ticks


_TROUBLE = (
    apsw.IOError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.AuthError,
    apsw.NoMemError,
    apsw.InterruptError,
    apsw.ConnectionClosedError,
)


class unavailable:  # noqa: N801  (used like a function; a generator would cost twice as much on every read)
    """Turns what the disk, the file or a lock may do to us into `StoreUnavailable`; bugs pass through as they are."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, apsw.FullError):
            raise StoreFull("the disk or the database is full") from error
        if isinstance(error, _TROUBLE):
            raise StoreUnavailable(f"the database cannot be used: {error}") from error
