"""Behind PgBouncer in transaction mode: what it breaks is seen and said, and where to go past it can be told."""

from __future__ import annotations

import asyncio
import logging

import asyncpg
import pytest

from accepted.store.postgres import PostgresStore
from accepted.store.postgres_schema import migrate, missing, pooled
from tests.contract.given import accept, key, op_id
from tests.store.asking import ask, ask_one, found
from tests.store.clock import MovableClock
from tests.store.pooler import Pooler, the_pooler
from tests.store.server import Server, the_server
from tests.store.test_conformance_hints import PATIENCE, heard, next_of


@pytest.fixture
def server() -> Server:
    return the_server()


@pytest.fixture
def pooler() -> Pooler:
    return the_pooler()


@pytest.fixture
def direct(server: Server) -> str:
    return server.database()


async def test_the_pooler_of_these_tests_is_one(direct: str, pooler: Pooler) -> None:
    """What was prepared is lost on the next connection; were it not, these tests would show nothing."""
    assert await pooled(pooler.url(direct))
    assert not await pooled(direct)
    one, other = [await asyncpg.connect(pooler.url(direct)) for _ in range(2)]
    await one.fetch("SELECT $1::int", 1)
    async with other.transaction():  # on the connection that `one` has just had
        with pytest.raises(asyncpg.InvalidSQLStatementNameError):
            await one.fetch("SELECT $1::int", 1)
    await one.close()
    await other.close()


async def test_many_stores_share_few_connections(direct: str, pooler: Pooler, clock: MovableClock) -> None:
    """Reads and commits of all at once, over `SIZE` connections; nothing that one was told shows on another."""
    stores = [_store(direct, pooler, clock) for _ in range(4)]
    for store in stores:
        await store.open()
    for round in range(10):
        numbers = [round * 10 + number for number, _ in enumerate(stores)]
        await asyncio.gather(*(ask(s, accept(n, key=key(f"k{n}"))) for s, n in zip(stores, numbers, strict=True)))
        reads = [found(store, op_id(number)) for store in stores for number in numbers]
        assert [operation.id for operation in await asyncio.gather(*reads)] == [
            op_id(n) for _ in stores for n in numbers
        ]
    assert {sum((await store.tally()).values()) for store in stores} == {40}
    for store in stores:
        await store.close()


async def test_a_pooler_that_restarts_its_connections_is_survived(
    direct: str, pooler: Pooler, server: Server, clock: MovableClock
) -> None:
    store = _store(direct, pooler, clock)
    await store.open()
    for number in range(5):
        assert (await ask_one(store, accept(number))).operation.id == op_id(number)
        server.cut(direct)
        assert (await found(store, op_id(number))).id == op_id(number)
    await store.close()


async def test_what_cannot_be_heard_is_said_and_looked_for(
    direct: str, pooler: Pooler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guarantee E8."""
    monkeypatch.setattr("accepted.store.postgres_hints.ANSWER", 0.3)
    deaf = PostgresStore(pooler.url(direct), prepared_statements=False, poll=0.01)
    with caplog.at_level(logging.ERROR, "accepted.store"):
        await deaf.open()
    assert "nothing is heard from LISTEN" in caplog.text
    assert "listen_url" in caplog.text
    hints = deaf.hints()
    assert await next_of(hints) is None
    await ask(deaf, accept(1))
    assert await next_of(hints) is None  # it has looked
    await deaf.close()


async def test_hints_go_past_the_pooler(
    direct: str, pooler: Pooler, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    teller, listener = _store(direct, pooler, clock), _store(direct, pooler, clock)
    await teller.open()
    await listener.open()
    hints = listener.hints()
    assert await next_of(hints) is None
    async with asyncio.timeout(PATIENCE):
        await ask(teller, accept(1))
        assert [hint.operation_id for hint in await heard(hints, 1)] == [op_id(1)]
    assert not caplog.records
    await teller.close()
    await listener.close()


async def test_a_schema_is_made_through_it(server: Server, pooler: Pooler) -> None:
    url = pooler.url(server.blank())
    made = await migrate(url)
    assert made
    assert await missing(url) == []


def _store(direct: str, pooler: Pooler, clock: MovableClock) -> PostgresStore:
    return PostgresStore(pooler.url(direct), clock=clock, listen_url=direct, prepared_statements=False, poll=1e9)
