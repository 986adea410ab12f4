"""Disks that are full or broken: a clear refusal, nothing stored, and work again once the cause is gone (D4, D5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import apsw
import pytest

from accepted.contract.operation import Artifact, Operation, Result, Status
from accepted.contract.transition import Keep
from accepted.store.protocol import Store, StoreFull, StoreUnavailable
from accepted.store.sqlite import SqliteStore
from accepted.store.sqlite_commit import CHECKPOINT_PAGES
from tests.contract.given import DAY, accept, claim, complete, held, op_id
from tests.contract.given import key as some_key
from tests.store.asking import ask, ask_one, found, register, running
from tests.store.clock import MovableClock
from tests.store.fault_vfs import Access, Counting, FaultVfs, broken, fine, full

CHUNK = b"x" * (1 << 20)


@pytest.fixture
def disk() -> Iterator[FaultVfs]:
    """What the store's writing connection takes for the disk."""
    with FaultVfs() as vfs:
        yield vfs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accepted.db"


def size(path: Path) -> int:
    return path.stat().st_size


@pytest.fixture
async def store(path: Path, clock: MovableClock, disk: FaultVfs) -> AsyncIterator[Store]:
    store = SqliteStore(str(path), clock=clock, vfs=disk.name)
    await store.open()
    yield store
    disk.before = fine
    await store.close()


async def nothing_of(store: Store, number: int) -> None:
    """Nothing of this operation is stored, as far as anybody can see."""
    assert await store.operation(op_id(number)) is None
    assert await store.events(op_id(number), 0, 9) == []
    assert await store.input(op_id(number)) is None


FAULTS = pytest.mark.parametrize(
    ("act", "error"), [(full, StoreFull), (broken, StoreUnavailable)], ids=["full", "broken"]
)


@FAULTS
async def test_a_fault_at_any_write_of_a_commit_stores_nothing(
    store: Store, disk: FaultVfs, act: Callable[[], None], error: type[StoreUnavailable]
) -> None:
    disk.before = counting = Counting("write", 0, act)
    await ask(store, accept(99, key=some_key("k99")))
    assert counting.seen >= 6
    for number in range(1, counting.seen + 1):
        disk.before = Counting("write", number, act)
        with pytest.raises(error):
            await store.commit([accept(number, key=some_key("k1"))])
        await nothing_of(store, number)
    disk.before = fine
    assert await store.tally() == {("report", Status.PENDING): 1}
    accepted = await ask_one(store, accept(1, key=some_key("k1")))
    assert not accepted.replayed  # no refused submit has left its key


async def test_a_full_disk_refuses_until_there_is_room(store: Store, disk: FaultVfs) -> None:
    await ask(store, accept(1))
    disk.before = lambda access: full() if access.kind == "write" else None
    for number in range(2, 6):
        with pytest.raises(StoreFull):
            await store.commit([accept(number)])
        assert (await found(store, op_id(1))).status is Status.PENDING
        assert await store.tally() == {("report", Status.PENDING): 1}
    disk.before = fine
    assert isinstance((await ask_one(store, accept(2))).operation, Operation)
    assert await store.tally() == {("report", Status.PENDING): 2}


async def test_a_limit_of_pages_is_a_full_disk_too(path: Path, clock: MovableClock) -> None:
    """As an operator may set it; here on each connection as it is made."""
    limits = [1 << 30]

    def limit(connection: apsw.Connection) -> None:
        connection.execute(f"PRAGMA max_page_count = {limits[0]}").fetchall()

    apsw.connection_hooks.append(limit)
    try:
        store = SqliteStore(str(path), clock=clock)
        await store.open()
        await ask(store, accept(1))
        limits[0] = 40
        with pytest.raises(apsw.ConstraintError):  # any failure throws the connection away; the next has the limit
            await store.commit([accept(1)])
        with pytest.raises(StoreFull):
            await store.commit([accept(2, input=b'"' + CHUNK + b'"')])
        await nothing_of(store, 2)
        limits[0] = 1 << 30
        await ask(store, accept(2, input=b'"' + CHUNK + b'"'))
        assert await store.tally() == {("report", Status.PENDING): 2}
        await store.close()
    finally:
        apsw.connection_hooks.remove(limit)


async def test_opening_a_new_file_on_a_full_disk_says_so(path: Path, clock: MovableClock, disk: FaultVfs) -> None:
    disk.before = lambda access: full() if access.kind == "write" else None
    store = SqliteStore(str(path), clock=clock, vfs=disk.name)
    with pytest.raises(StoreFull):
        await store.open()
    await store.close()
    disk.before = fine
    store = SqliteStore(str(path), clock=clock, vfs=disk.name)
    await store.open()
    await ask(store, accept(1))
    await store.close()


class TestFailedSync:
    """After a failed fsync nobody knows what is on the disk; what it has left behind is never built upon."""

    async def test_it_is_no_commit_and_the_connection_is_given_up(self, store: Store, disk: FaultVfs) -> None:
        await ask(store, accept(1))
        opened: list[str] = []

        def listen(access: Access) -> None:
            if access.kind == "open":
                opened.append(access.file)
            if access.kind == "sync" and not opened:
                broken()

        disk.before = listen
        with pytest.raises(StoreUnavailable) as raised:
            await store.commit([accept(2)])
        assert not isinstance(raised.value, StoreFull)
        await nothing_of(store, 2)
        assert opened == []
        await ask(store, accept(3))
        assert any(file.endswith("accepted.db") for file in opened)
        assert await store.tally() == {("report", Status.PENDING): 2}

    async def test_it_may_go_on_for_long_and_ends_without_a_restart(self, store: Store, disk: FaultVfs) -> None:
        disk.before = lambda access: broken() if access.kind == "sync" else None
        for number in range(1, 6):
            with pytest.raises(StoreUnavailable):
                await store.commit([accept(number)])
        disk.before = fine
        await ask(store, accept(9))
        assert await store.tally() == {("report", Status.PENDING): 1}

    async def test_others_on_the_file_are_not_harmed(self, store: Store, disk: FaultVfs, path: Path) -> None:
        other = SqliteStore(str(path), clock=MovableClock())
        await other.open()
        await ask(store, accept(1))
        disk.before = lambda access: broken() if access.kind == "sync" else None
        for number in range(2, 5):
            with pytest.raises(StoreUnavailable):
                await store.commit([accept(number)])
            await ask(other, accept(number))
        disk.before = fine
        await ask(store, accept(5))
        assert await other.tally() == await store.tally() == {("report", Status.PENDING): 5}
        await other.close()


@pytest.mark.parametrize("act", [full, broken])
async def test_a_checkpoint_that_fails_takes_nothing_back(
    store: Store, disk: FaultVfs, path: Path, act: Callable[[], None]
) -> None:
    """The commit before it is durable in the WAL; later checkpoints make up for it."""
    (one,) = await running(store, 1)
    enough = CHECKPOINT_PAGES * 4096 // len(CHUNK) + 1
    disk.before = lambda access: act() if access.kind == "write" and not access.to_wal else None
    for number in range(enough + 3):
        assert isinstance(await ask_one(store, held(Keep, one, number=number, data=CHUNK)), Operation)
    assert size(path) < len(CHUNK)
    disk.before = fine
    await ask(store, complete(one, result=Result(artifact=Artifact("text/csv", 9, "0" * 64, 1))))
    await ask(store)  # its turn comes after the checkpoint
    assert [len(chunk) async for chunk in store.chunks(op_id(1), 1, 0)] == [len(CHUNK)] * (enough + 3)
    assert size(path) > len(CHUNK) * enough


async def test_claims_and_leases_go_on_after_a_fault(store: Store, disk: FaultVfs) -> None:
    await register(store, ttl=DAY)
    await ask(store, accept(1))
    disk.before = lambda access: broken() if access.kind == "sync" else None
    with pytest.raises(StoreUnavailable):
        await store.commit([claim()])
    disk.before = fine
    claimed = await ask_one(store, claim())
    assert [operation.attempt for operation in claimed.operations] == [1]


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
async def test_what_is_no_database_is_unavailable_and_left_alone(
    path: Path, clock: MovableClock, content: bytes
) -> None:
    put(path, content)
    store = SqliteStore(str(path), clock=clock)
    with pytest.raises(StoreUnavailable):
        await store.open()
    await store.close()
    assert get(path) == content


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def get(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize("place", ["", "nowhere/accepted.db"], ids=["a folder", "a missing folder"])
async def test_a_place_where_no_file_can_be_is_unavailable(tmp_path: Path, clock: MovableClock, place: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot open the database"):
        await SqliteStore(str(tmp_path / place), clock=clock).open()
