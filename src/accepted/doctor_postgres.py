"""What `accepted doctor` and `accepted migrate` do on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import click

from .contract.credential import ApiKey
from .contract.operation import Now, Status
from .settings import Settings, without_password
from .store.move import Tell, move
from .store.postgres import PostgresStore
from .store.postgres_hints import audible
from .store.postgres_schema import lossy, migrate, missing, pooled, promises
from .store.protocol import StoreUnavailable, WorkerRow
from .store.queries import Migration

FINE, WARNING, WRONG = 0, 1, 2


def run_missing(url: str) -> list[Migration]:
    """Migrations that this database does not have yet. Raises `StoreUnavailable`."""
    return asyncio.run(missing(url))


def run_migrate(url: str) -> list[Migration]:
    """Apply what is missing. Raises `StoreUnavailable`."""
    return asyncio.run(migrate(url))


def run_keys(url: str) -> list[ApiKey]:
    """All API keys there are or were; none where the schema is not there yet. Raises `StoreUnavailable`."""
    return [] if run_missing(url) else asyncio.run(_keys(url))


def run_move(path: str, url: str, tell: Tell) -> int:
    """Copy a SQLite file into an empty database; gives the number of operations. Raises `ClickException`."""
    try:
        return asyncio.run(move(path, url, tell))
    except StoreUnavailable as error:
        raise click.ClickException(str(error)) from None


def run_lossy(url: str) -> list[str]:
    """Settings of the server that lose a 202, by name. Raises `StoreUnavailable`."""
    return asyncio.run(lossy(url))


def examine(settings: Settings) -> Iterator[tuple[int, str]]:
    """How safe the server is set, and what is in the database; (severity, text). Raises `StoreUnavailable`."""
    url = settings.database
    promised = asyncio.run(promises(url))
    yield FINE, f"database: PostgreSQL {promised['server_version']}, {without_password(url)}"
    for name in run_lossy(url):
        yield WRONG, f"database: {name} is off: a 202 does not survive a crash of the database's machine"
    if promised["synchronous_commit"] in {"off", "local"}:
        yield WARNING, f"database: synchronous_commit is {promised['synchronous_commit']}: a failover can lose a 202"
    if settings.prepared_statements and asyncio.run(pooled(url)):
        yield (
            WARNING,
            "pooler: one stands before the database: prepared_statements have to be off, unless it pools by session",
        )
    if found := run_missing(url):
        names = ", ".join(f"{migration.version:04d}_{migration.name}" for migration in found)
        yield WRONG, f"schema: {names} not applied yet: run accepted migrate"
        return
    yield FINE, "schema: up to date"
    if settings.notify and not asyncio.run(audible(url, settings.listen_url or url)):
        yield (
            WARNING,
            "hints: nothing is heard from LISTEN: nodes look once a second; listen_url can lead past a pooler",
        )
    now, workers, oldest, tally = asyncio.run(_content(url))
    alive = sum(worker.alive for worker in workers)
    yield FINE if alive else WARNING, f"workers: {alive} alive, {len(workers) - alive} silent"
    pending = sum(number for (_, status), number in tally.items() if status is Status.PENDING)
    wait = max([(now.wall - due_at) / 1000 for due_at in oldest.values()], default=0.0)
    late = pending > 0 and wait > 60
    yield WARNING if late else FINE, f"queue: {pending} waiting, the first for {max(wait, 0):.0f} s"


async def _keys(url: str) -> list[ApiKey]:
    store = PostgresStore(url, notify=False)
    await store.open()
    try:
        return await store.credentials.keys()
    finally:
        await store.close()


async def _content(url: str) -> tuple[Now, list[WorkerRow], dict[str, int], dict[tuple[str, Status], int]]:
    store = PostgresStore(url, notify=False, prepared_statements=False)
    await store.open()
    try:
        return await store.now(), await store.workers(), await store.oldest_due(), await store.tally()
    finally:
        await store.close()
