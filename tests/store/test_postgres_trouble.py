"""A database that goes away and comes back: 503 meanwhile, and nobody has to start anything again (guarantee D5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from accepted.contract.operation import Status
from accepted.contract.problem import Overloaded
from accepted.store.postgres import PostgresStore
from accepted.store.postgres_schema import SQL
from accepted.store.protocol import StoreUnavailable
from tests.contract.given import accept, cancel, key, op_id, pending
from tests.store.asking import ask, ask_one, found
from tests.store.clock import MovableClock
from tests.store.server import Server, place, the_server
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


async def test_connections_that_died_are_made_anew(store: PostgresStore, server: Server, url: str) -> None:
    for number in range(3):
        assert (await ask_one(store, accept(number))).operation.id == op_id(number)
        server.cut(url)
        assert (await found(store, op_id(number))).status is Status.PENDING


async def test_a_database_that_is_down_is_unavailable_and_then_works_again(
    store: PostgresStore, server: Server, url: str
) -> None:
    await ask(store, accept(1))
    server.shut(url)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await ask(store, accept(2))
        with pytest.raises(StoreUnavailable):
            await store.operation(op_id(1))
    with pytest.raises(StoreUnavailable):
        await PostgresStore(url).open()
    server.reopen(url)
    assert await store.operation(op_id(2)) is None
    assert (await ask_one(store, accept(2))).operation.id == op_id(2)
    assert (await found(store, op_id(1))).status is Status.PENDING


async def test_whoever_listens_listens_again_and_looks_at_everything(
    store: PostgresStore, server: Server, url: str, clock: MovableClock
) -> None:
    listener = PostgresStore(url, clock=clock, poll=1e9, heartbeat=0.02)
    await listener.open()
    hints = listener.hints()
    assert await next_of(hints) is None  # the first look
    server.cut(url)
    assert await next_of(hints) is None  # what was told meanwhile nobody has heard
    await ask(store, accept(1))
    assert [hint.operation_id for hint in await heard(hints, 1)] == [op_id(1)]
    await listener.close()


async def test_who_names_a_row_that_somebody_holds_waits_not_for_ever_and_alone(store: PostgresStore, url: str) -> None:
    """The rest of the batch goes on."""
    await ask(store, accept(1), accept(2))
    other = await asyncpg.connect(url)
    await other.execute("BEGIN")
    await other.fetch(SQL["lock_operations"], [op_id(1)])
    async with asyncio.timeout(PATIENCE):
        ours = [cancel(pending(id=op_id(1))), accept(3), cancel(pending(id=op_id(2)))]
        held, accepted, cancelled = await ask(store, *ours)
    assert isinstance(held, Overloaded)
    assert (accepted.operation.id, cancelled.status) == (op_id(3), Status.CANCELLED)
    assert isinstance((await ask(store, cancel(pending(id=op_id(1)))))[0], Overloaded)
    await other.execute("ROLLBACK")
    await other.close()
    assert (await ask_one(store, cancel(pending(id=op_id(1))))).status is Status.CANCELLED


async def test_a_poll_waits_for_no_other_that_hangs(store: PostgresStore, url: str) -> None:
    """What never was is looked for among the tombstones, which somebody holds."""
    await ask(store, accept(1), accept(2))
    other = await asyncpg.connect(url)
    await other.execute("BEGIN; LOCK TABLE accepted.tombstone")
    hanging = asyncio.create_task(store.operation(op_id(9)))
    async with asyncio.timeout(PATIENCE):
        while not await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
            await asyncio.sleep(0)
        for number in (1, 2):
            assert (await found(store, op_id(number))).id == op_id(number)
    assert not hanging.done()
    await other.execute("ROLLBACK")
    await other.close()
    assert await hanging is None


DIE_IN_COMMIT = """
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dying AFTER INSERT ON accepted.operation DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION die();
"""


async def test_a_server_that_dies_in_a_commit_has_not_made_it(store: PostgresStore, url: str) -> None:
    """That is found out each time, until it is tried no more: a definite refusal (guarantee D4)."""
    other = await asyncpg.connect(url)
    await other.execute(DIE_IN_COMMIT)
    with pytest.raises(StoreUnavailable, match="nothing of the batch is stored"):
        await ask(store, accept(1, key=key()))
    await other.execute("DROP TRIGGER dying ON accepted.operation")
    await other.close()
    outcomes = [await ask_one(store, accept(number, key=key())) for number in (2, 3)]
    assert [outcome.operation.id for outcome in outcomes] == [op_id(2)] * 2
    assert [outcome.replayed for outcome in outcomes] == [False, True]


NOT_AT_ONCE = """
CREATE SEQUENCE accepted.tries;
CREATE FUNCTION accepted.not_at_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('accepted.tries') < 3 THEN RAISE EXCEPTION 'not yet' USING ERRCODE = '{code}'; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER not_at_once AFTER INSERT ON accepted.operation
FOR EACH STATEMENT EXECUTE FUNCTION accepted.not_at_once();
"""


@pytest.mark.parametrize("code", ["serialization_failure", "deadlock_detected"])
async def test_what_meets_another_transaction_half_way_is_decided_anew(
    store: PostgresStore, url: str, code: str
) -> None:
    other = await asyncpg.connect(url)
    await other.execute(NOT_AT_ONCE.format(code=code))
    assert (await ask_one(store, accept(1))).operation.id == op_id(1)
    assert await other.fetchval("SELECT last_value FROM accepted.tries") == 3
    await other.close()


async def test_a_role_that_waits_for_no_disk_is_overruled(store: PostgresStore, url: str) -> None:
    """Guarantee D2."""
    other = await asyncpg.connect(url)
    await other.execute(f"ALTER DATABASE {url.partition('?')[0].rpartition('/')[2]} SET synchronous_commit = off")
    await other.execute(
        """CREATE TABLE accepted.seen AS SELECT ''::text AS setting;
        CREATE FUNCTION accepted.look() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN UPDATE accepted.seen SET setting = current_setting('synchronous_commit'); RETURN NULL; END $$;
        CREATE TRIGGER look AFTER INSERT ON accepted.operation FOR EACH STATEMENT EXECUTE FUNCTION accepted.look();"""
    )
    await ask(store, accept(1))
    assert await other.fetchval("SELECT setting FROM accepted.seen") == "on"
    await other.close()


async def test_of_several_hosts_the_one_that_lives_is_found(url: str, clock: MovableClock) -> None:
    host, port, who = place(url)
    both = f"host=/nowhere,{host}&port={port},{port}"
    several = PostgresStore(f"postgresql://{who}@{urlsplit(url).path}?{both}", clock=clock)
    await several.open()
    assert (await ask_one(several, accept(1))).operation.id == op_id(1)
    await several.close()


async def test_a_database_without_our_schema_says_what_to_do(server: Server) -> None:
    with pytest.raises(StoreUnavailable, match="run `accepted migrate`"):
        await PostgresStore(server.blank()).open()
