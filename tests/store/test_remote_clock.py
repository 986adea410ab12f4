"""The database's time without asking for it: not ahead of it, and not from memory for long (guarantee T2)."""

from __future__ import annotations

from accepted.contract.operation import Now
from accepted.store.clock import TOLD_FOR, Clock, RemoteClock
from accepted.store.postgres import PostgresStore
from tests.databases import Database, on_postgres


class Ours(Clock):
    """The clock of this process, which tests set."""

    seconds = 7.0

    def monotonic(self) -> float:
        return self.seconds


def test_nothing_is_known_before_it_is_told() -> None:
    assert RemoteClock(Ours()).now() is None


def test_from_then_on_our_clock_carries_it_on() -> None:
    ours = Ours()
    remote = RemoteClock(ours)
    assert remote.tell(1_000_000) == Now(1_000_000, 1_000_000)
    ours.seconds += 1.5005
    assert remote.now() == Now(1_001_500, 1_001_500)


def test_but_not_for_long() -> None:
    ours = Ours()
    remote = RemoteClock(ours)
    remote.tell(1_000_000)
    ours.seconds += TOLD_FOR
    assert remote.now() is None


@on_postgres
async def test_a_store_asks_its_database_once_in_a_while(database: Database) -> None:
    ours = Ours()
    store = PostgresStore(database.url, clock=ours)
    await store.open()
    try:
        first = await store.now()
        ours.seconds += 1
        assert await store.now() == Now(first.wall + 1000, first.tick + 1000), "told by our clock alone"
        ours.seconds += TOLD_FOR
        assert abs((await store.now()).wall - first.wall) < 900, "what the database says itself"
    finally:
        await store.close()
