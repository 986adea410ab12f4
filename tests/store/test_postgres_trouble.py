"""A database that goes away and comes back: 503 meanwhile, and nobody has to start anything again (guarantee D5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from accepted.contract.operation import Status
from accepted.store.postgres import PostgresStore
from accepted.store.postgres_schema import SQL
from accepted.store.protocol import StoreUnavailable
from tests.contract.given import accept, cancel, key, op_id, pending
from tests.store.asking import ask, ask_one, found
from tests.store.clock import MovableClock
from tests.store.server import Server, the_server
from tests.store.test_conformance_hints import PATIENCE, heard, next_of


@pytest.fixture
def server() -> Server:
    return the_server()


@pytest.fixture
def url(server: Server) -> str:
    return server.database()


@pytest.fixture
async def store(url: str, clock: MovableClock) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url, clock=clock)
    await store.open()
    yield store
    await store.close()


async def kill_all(admin: asyncpg.Connection[Any], url: str) -> None:
    """End every connection of ours, as a restart of the server does."""
    name = url.partition("?")[0].rpartition("/")[2]
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()", name
    )


async def allow(admin: asyncpg.Connection[Any], url: str, allowed: bool) -> None:
    name = url.partition("?")[0].rpartition("/")[2]
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(server.maintenance)
    yield connection
    await connection.close()


async def test_connections_that_died_are_made_anew(store: PostgresStore, admin: Any, url: str) -> None:
    for number in range(3):
        assert (await ask_one(store, accept(number))).operation.id == op_id(number)
        await kill_all(admin, url)
        assert (await found(store, op_id(number))).status is Status.PENDING


async def test_a_database_that_is_down_is_unavailable_and_then_works_again(
    store: PostgresStore, admin: Any, url: str
) -> None:
    await ask(store, accept(1))
    await allow(admin, url, False)
    await kill_all(admin, url)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await ask(store, accept(2))
        with pytest.raises(StoreUnavailable):
            await store.operation(op_id(1))
    with pytest.raises(StoreUnavailable):
        await PostgresStore(url).open()
    await allow(admin, url, True)
    assert await store.operation(op_id(2)) is None
    assert (await ask_one(store, accept(2))).operation.id == op_id(2)
    assert (await found(store, op_id(1))).status is Status.PENDING


async def test_whoever_listens_listens_again_and_looks_at_everything(
    store: PostgresStore, admin: Any, url: str, clock: MovableClock
) -> None:
    listener = PostgresStore(url, clock=clock, poll=1e9, heartbeat=0.02)
    await listener.open()
    hints = listener.hints()
    assert await next_of(hints) is None  # the first look
    await kill_all(admin, url)
    assert await next_of(hints) is None  # what was told meanwhile nobody has heard
    await ask(store, accept(1))
    assert [hint.operation_id for hint in await heard(hints, 1)] == [op_id(1)]
    await listener.close()


async def test_a_row_that_somebody_holds_is_waited_for_but_not_for_ever(store: PostgresStore, url: str) -> None:
    await ask(store, accept(1), accept(2))
    other = await asyncpg.connect(url)
    await other.execute("BEGIN")
    await other.fetch(SQL["lock_operations"], [op_id(1)])
    with pytest.raises(StoreUnavailable):
        async with asyncio.timeout(PATIENCE):
            await ask(store, cancel(pending(id=op_id(1))))
    await other.execute("ROLLBACK")
    await other.close()
    assert (await ask_one(store, cancel(pending(id=op_id(1))))).status is Status.CANCELLED


DIE_IN_COMMIT = """
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dying AFTER INSERT ON accepted.operation DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION die();
"""


async def test_a_commit_of_unknown_fate_is_said_and_a_key_finds_out(store: PostgresStore, url: str) -> None:
    """Guarantee D4: the same key converges to one operation, whatever became of the first submit."""
    other = await asyncpg.connect(url)
    await other.execute(DIE_IN_COMMIT)
    with pytest.raises(StoreUnavailable, match="what became of the batch is not known"):
        await ask(store, accept(1, key=key()))
    await other.execute("DROP TRIGGER dying ON accepted.operation")
    await other.close()
    outcomes = [await ask_one(store, accept(number, key=key())) for number in (2, 3)]
    assert [outcome.operation.id for outcome in outcomes] == [op_id(2)] * 2
    assert [outcome.replayed for outcome in outcomes] == [False, True]


async def test_a_database_without_our_schema_says_what_to_do(server: Server) -> None:
    with pytest.raises(StoreUnavailable, match="run `accepted migrate`"):
        await PostgresStore(server.blank()).open()
