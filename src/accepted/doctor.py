"""`accepted doctor`: what is wrong with a set-up, before it shows at night."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import apsw
import click

from .contract.operation import Status
from .logs import escaped
from .serve import check_database, load_app
from .settings import InvalidSetting, Settings, knobs, load
from .store.clock import Clock
from .store.protocol import StoreUnavailable
from .store.queries import migrations
from .store.sqlite_read import Reader
from .store.sqlite_schema import connect, migrate, missing, unavailable
from .store.turnstile import Turnstile

FINE, WARNING, WRONG = 0, 1, 2
_MARKS = {FINE: "ok      ", WARNING: "warning ", WRONG: "WRONG   "}
_OF_THIS_MACHINE = {"localhost", "127.0.0.1", "[::1]", "::1", "testserver"}
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs"}


class Finding(NamedTuple):
    """One thing looked at, and how bad it is."""

    severity: int
    text: str

    def line(self) -> str:
        """For the terminal."""
        return _MARKS[self.severity] + escaped(self.text)


def examine(app: str | None) -> Iterator[Finding]:
    """Look at everything, the cheap things first; what cannot be looked at any further ends it."""
    try:
        settings = load({})
    except InvalidSetting as error:
        yield Finding(WRONG, f"settings: {error}")
        return
    yield Finding(FINE, "settings: all can be read")
    if app is not None:
        loaded, finding = _app(app)
        yield finding
        settings = settings if loaded is None else loaded.settings  # an app may name some of them itself
        if loaded is not None:
            yield from _exposure(loaded)
    yield from _settings(settings)
    yield from _machine()
    try:
        check_database(settings)
        if settings.database.startswith("sqlite:"):
            yield from _database(_path(settings).absolute())
        else:
            from .doctor_postgres import examine as examine_postgres

            yield from (Finding(*found) for found in examine_postgres(settings))
    except click.ClickException as error:
        yield Finding(WRONG, f"database: {error.message}")
    except (StoreUnavailable, apsw.Error) as error:
        yield Finding(WRONG, f"database: {error}")


def _exposure(app: Any) -> Iterator[Finding]:
    """What an app is called by beyond this machine, while it asks nobody who they are or anybody may listen."""
    settings: Settings = app.settings
    public = {*settings.allowed_hosts, urlsplit(settings.public_url).hostname or "localhost"} - _OF_THIS_MACHINE
    names = ", ".join(sorted(public))
    if not public:
        return
    if not (app.asks_who_is_there or _surely_has_keys(settings)):
        yield Finding(WARNING, f"it answers to {names}, and has no keys, tokens or authenticate: all may use it")
    if not (settings.tls_cert or settings.trusted_proxies):
        yield Finding(
            WARNING, f"tls: neither a certificate nor trusted_proxies: what goes to {names} can be read on the way"
        )


def _surely_has_keys(settings: Settings) -> bool:
    """Not where that cannot be told; what is wrong with the database is a finding of its own."""
    try:
        return has_keys(settings)
    except click.ClickException:
        return False


def _settings(settings: Settings) -> Iterator[Finding]:
    for name, knob in knobs().items():
        value = getattr(settings, name)
        if knob.danger is not None and knob.danger.found(value):
            yield Finding(WARNING, f"{name} is {_shown(value)}: {knob.danger.why}")
    if settings.lease_ttl < settings.scan_interval:
        yield Finding(WARNING, "scan_interval is longer than lease_ttl: orphans wait for the scan")
    if not settings.public_url:
        yield Finding(FINE, "public_url is empty: links are relative to the server")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "empty"
    return f"{value:g} s" if isinstance(value, float) else str(value)  # all of them are spans


def _app(target: str) -> tuple[Any, Finding]:
    try:
        app = load_app(target)
    except click.ClickException as error:
        return None, Finding(WRONG, f"app: {error.message}")
    except Exception as error:
        return None, Finding(WRONG, f"app: {target} cannot be imported: {type(error).__name__}: {error}")
    names = ", ".join(f"{registered.name} at POST {registered.path}" for registered in app.registry)
    return app, Finding(FINE if names else WARNING, f"app: {names or 'it has no operations'}")


def _machine() -> Iterator[Finding]:
    yield Finding(FINE, f"SQLite {apsw.sqlite_lib_version()} (its own, carried by apsw {apsw.apsw_version()})")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    severity = WARNING if soft < 4096 else FINE
    yield Finding(severity, f"open files: at most {soft} (ulimit -n); each connection takes one")


def _database(path: Path) -> Iterator[Finding]:
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(WRONG, f"database: the folder {folder} is missing or cannot be written to")
        return
    yield from _disk(folder)
    if not path.exists():
        yield Finding(FINE, f"database: {path} does not exist yet; it is made at the start")
        return
    mode = path.stat().st_mode & 0o777
    yield Finding(WARNING if mode & 0o077 else FINE, f"database: {path}, mode {mode:04o}, {_size(path)}")
    yield from _schema(path)
    yield from _content(path)


def _disk(folder: Path) -> Iterator[Finding]:
    kind = _filesystem(folder)
    if kind in _NETWORK:
        yield Finding(WRONG, f"disk: {folder} is on {kind}; SQLite's locks are not safe on a network file system")
    elif kind == "tmpfs":
        yield Finding(WARNING, f"disk: {folder} is in memory (tmpfs): a 202 does not survive a reboot")
    free = shutil.disk_usage(folder).free
    yield Finding(WARNING if free < 1 << 30 else FINE, f"disk: {free / (1 << 30):.1f} GiB free")
    took = _fsync_seconds(folder)
    yield Finding(
        WARNING if took > 0.02 else FINE, f"disk: an fsync takes {took * 1000:.1f} ms, the least that a 202 costs"
    )


def _filesystem(folder: Path) -> str:
    """The type of the file system; "unknown" where the system does not say."""
    best = ("", "unknown")
    try:
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
            _, mount, kind, *_ = line.split()
            if folder.is_relative_to(mount) and len(mount) >= len(best[0]):
                best = (mount, kind)
    except OSError:
        pass
    return best[1]


def _fsync_seconds(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        times = []
        for _ in range(5):
            file.write(b"\0" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return sorted(times)[2]


def _size(path: Path) -> str:
    wal = Path(f"{path}-wal")
    extra = f" and {wal.stat().st_size / (1 << 20):.1f} MiB of WAL" if wal.exists() else ""
    return f"{path.stat().st_size / (1 << 20):.1f} MiB{extra}"


def _schema(path: Path) -> Iterator[Finding]:
    missing = _missing(path)
    if missing:
        yield Finding(WARNING, f"schema: {', '.join(missing)} not applied yet; that happens at the start")
        return
    connection = connect(str(path))
    try:
        answer = connection.execute("PRAGMA quick_check(1)").fetchall()[0][0]
    finally:
        connection.close(force=True)
    yield Finding(FINE if answer == "ok" else WRONG, f"schema: up to date; integrity: {answer}")


def _content(path: Path) -> Iterator[Finding]:
    if _missing(path):
        return
    reader, now = Reader(str(path)), Clock().now()
    try:
        workers = reader.workers(now)
        oldest = reader.oldest_due()
        tally = reader.tally()
    finally:
        reader.close()
    alive = sum(worker.alive for worker in workers)
    yield Finding(FINE if alive else WARNING, f"workers: {alive} alive, {len(workers) - alive} silent")
    pending = sum(number for (_, status), number in tally.items() if status is Status.PENDING)
    wait = max([(now.wall - due_at) / 1000 for due_at in oldest.values()], default=0.0)
    late = pending > 0 and wait > 60
    yield Finding(WARNING if late else FINE, f"queue: {pending} waiting, the first for {max(wait, 0):.0f} s")


# --- keys


def has_keys(settings: Settings) -> bool:
    """Whether there are API keys in this database, or ever were; changes nothing. Raises `ClickException`."""
    return bool(_or_say(lambda: _keys(settings)))


def _keys(settings: Settings) -> list[Any]:
    if not settings.database.startswith("sqlite:"):
        from .doctor_postgres import run_keys

        return run_keys(settings.database)
    path = _path(settings)
    with unavailable():
        if _missing(path):
            return []
        connection = connect(str(path))
        try:
            return connection.execute("SELECT id FROM api_key LIMIT 1").fetchall()
        finally:
            connection.close(force=True)


# --- migrations


def missing_migrations(settings: Settings) -> list[str]:
    """Names of migrations that this database does not have yet. Raises `ClickException`."""
    return _or_say(lambda: _missing_anywhere(settings))


def migration_script(settings: Settings) -> str:
    """What a migration of an empty database does, as SQL. Raises `ClickException`."""
    if settings.database.startswith("sqlite:"):
        raise click.ClickException("A SQLite file is migrated by whoever opens it; --sql is for PostgreSQL.")
    from .store.postgres_schema import script

    return "\n".join(script())


def _missing_anywhere(settings: Settings) -> list[str]:
    if settings.database.startswith("sqlite:"):
        return _missing(_path(settings))
    from .doctor_postgres import run_missing

    return [_name(migration) for migration in run_missing(settings.database)]


def run_migrations(settings: Settings) -> list[str]:
    """Apply what is missing; gives the names. Raises `ClickException`."""
    if not settings.database.startswith("sqlite:"):
        from .doctor_postgres import run_migrate

        return [_name(migration) for migration in _or_say(lambda: run_migrate(settings.database))]
    path = str(_path(settings))

    def run() -> list[Any]:
        turnstile = Turnstile(path)
        with turnstile:
            return migrate(connect(path), Clock())

    return [_name(migration) for migration in _or_say(run)]


def _missing(path: Path) -> list[str]:
    if not path.exists():
        return [_name(migration) for migration in migrations("sqlite")]
    connection = connect(str(path))
    try:
        return [_name(migration) for migration in missing(connection)]
    except apsw.SQLError:  # a file without our table
        return [_name(migration) for migration in migrations("sqlite")]
    finally:
        connection.close(force=True)


def _name(migration: Any) -> str:
    return f"{migration.version:04d}_{migration.name}"


def _path(settings: Settings) -> Path:
    return Path(settings.database.removeprefix("sqlite:///"))


def _or_say(run: Callable[[], list[Any]]) -> list[Any]:
    try:
        return run()
    except StoreUnavailable as error:
        raise click.ClickException(str(error)) from None
