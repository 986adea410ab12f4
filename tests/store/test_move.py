"""From a SQLite file into PostgreSQL: all that was promised comes along, or nothing does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest

from accepted.contract.operation import Status
from accepted.contract.problem import WorkerLost
from accepted.contract.transition import Accepted, Claimed, Rescue
from accepted.store.move import LEFT_BEHIND, move
from accepted.store.postgres import PostgresStore
from accepted.store.protocol import Selection, Store, StoreUnavailable
from accepted.store.sqlite import SqliteStore
from tests.contract.given import DAY, accept, claim, claim_deliveries, complete, key, op_id, webhook
from tests.store.asking import ask, ask_one, found, register
from tests.store.clock import MovableClock
from tests.store.server import the_server
from tests.store.story import steps

KNOWN = tuple(op_id(number) for number in range(1, 12))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accepted.db"


@pytest.fixture
def url() -> str:
    return the_server().database()


async def told(path: Path, clock: MovableClock) -> dict[str, Any]:
    """A file with operations in every state, an expired one, and deliveries; gives what a store says of it."""
    store = SqliteStore(str(path), clock=clock)
    await store.open()
    async for _, batch in steps(store):
        await store.commit(batch)
    await ask(store, accept(8, webhook=webhook()), claim(room=9), accept(9), accept(10))
    await ask(store, complete(await found(store, op_id(8))), claim_deliveries())
    before = await said(store)
    await store.close()
    return before


async def said(store: Store) -> dict[str, Any]:
    """Everything that can be read of those operations."""
    everything: dict[str, Any] = {
        "list": await store.operations(Selection(None, limit=100)),
        "tally": await store.tally(),
        "queue": await store.queue("report", 100),
        "durations": sorted(await store.durations("report")),
        "resource": await store.resource("ann", "nothing"),
    }
    for id in KNOWN:
        everything[id] = [
            await store.operation(id),
            await store.input(id),
            await store.events(id, 0, 1000),
            await store.lines(id, 0, 1000),
            await store.deliveries(id),
            await store.webhook(id),
            [chunk async for chunk in store.chunks(id, 1, 0)],
        ]
    return everything


async def moved(path: Path, url: str) -> dict[str, int]:
    tables: dict[str, int] = {}
    number = await move(str(path), url, tables.__setitem__)
    assert number == tables["operation"]
    return tables


async def test_everything_comes_along(path: Path, url: str, clock: MovableClock) -> None:
    before = await told(path, clock)
    tables = await moved(path, url)
    assert tables["operation"] > 5
    assert min(tables[name] for name in ("event", "payload", "chunk", "log_line", "idempotency_key", "delivery")) > 0
    assert min(tables[name] for name in ("tally", "duration", "resource", "tombstone")) > 0
    store = PostgresStore(url, clock=clock, notify=False)
    await store.open()
    assert await said(store) == before
    assert {status for _, status in await store.tally()} >= {Status.PENDING, Status.COMPLETED, Status.FAILED}
    await store.close()


async def test_it_goes_on_there(path: Path, url: str, clock: MovableClock) -> None:
    """Keys still name their operations (I1), fences go on from where they were (L2, S5), the outbox is still to be
    sent (W1).
    """
    await told(path, clock)
    before = SqliteStore(str(path), clock=clock)
    await before.open()
    await ask(before, claim(room=9))
    running = [o for o in await before.operations(Selection(None, limit=100)) if o.status is Status.PROCESSING]
    await before.close()
    assert running
    await moved(path, url)
    store = PostgresStore(url, clock=clock, notify=False)
    await store.open()
    again = await ask_one(store, accept(99, key=key()))
    assert isinstance(again, Accepted)
    assert (again.replayed, again.operation.id) == (True, op_id(1))
    with pytest.raises(WorkerLost):  # who held them there holds nothing here
        raise await ask_one(store, claim())
    await ask(store, Rescue(3))
    await register(store, "w9", DAY)
    claimed: Claimed = await ask_one(store, claim("w9", room=50))
    attempts = {operation.id: operation.attempt for operation in claimed.operations}
    assert all(attempts[operation.id] == operation.attempt + 1 for operation in running)
    assert (await store.deliveries(op_id(8)))[0].host == "a.example"
    await store.close()


async def test_a_file_that_is_in_use_is_not_moved(path: Path, url: str, clock: MovableClock) -> None:
    await told(path, clock)
    reader = apsw.Connection(str(path))
    reader.execute("SELECT count(*) FROM operation").fetchall()
    with pytest.raises(StoreUnavailable, match="in use"):
        await moved(path, url)
    reader.close()
    assert (await moved(path, url))["operation"] > 0


async def test_a_database_with_operations_is_left_alone(path: Path, url: str, clock: MovableClock) -> None:
    await told(path, clock)
    store = PostgresStore(url, clock=clock, notify=False)
    await store.open()
    await ask(store, accept(1))
    with pytest.raises(StoreUnavailable, match="not empty"):
        await moved(path, url)
    assert (await found(store, op_id(1))).status is Status.PENDING
    assert await store.tally() == {("report", Status.PENDING): 1}
    await store.close()


async def test_what_fails_half_way_leaves_nothing(path: Path, url: str, clock: MovableClock) -> None:
    """A row that PostgreSQL cannot hold, far behind in the copy."""
    await told(path, clock)
    file = apsw.Connection(str(path))
    file.execute("UPDATE tombstone SET owner = 'a' || char(0)")
    file.close()
    with pytest.raises(StoreUnavailable, match="does not take"):
        await moved(path, url)
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT count(*) FROM accepted.operation") == 0
    await connection.close()


async def test_what_is_missing_is_named(path: Path, url: str) -> None:
    with pytest.raises(StoreUnavailable, match="there is no database"):
        await moved(path, url)
    with pytest.raises(StoreUnavailable, match="there is no database"):  # nor has the first try made one
        await moved(path, url)


async def test_a_database_that_is_not_migrated(path: Path, clock: MovableClock) -> None:
    await told(path, clock)
    with pytest.raises(StoreUnavailable, match="not migrated"):
        await moved(path, the_server().blank())


async def test_no_table_is_forgotten(path: Path, url: str, clock: MovableClock) -> None:
    """The twins have the same tables; what is new has to be copied or named as left behind."""
    await told(path, clock)
    copied = set(await moved(path, url))
    connection = await asyncpg.connect(url)
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'accepted'"
    rows = await connection.fetch(f"{tables} AND table_type = 'BASE TABLE'")
    await connection.close()
    assert {row[0] for row in rows} - copied == LEFT_BEHIND - {"fact"}
