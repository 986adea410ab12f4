"""The file itself: who may read it, how it grows and shrinks, what is gone from it, and which files are not taken."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from accepted.contract.delivery import Answer
from accepted.contract.operation import Artifact, Operation, Result, Status
from accepted.contract.problem import Problem, WorkerLost
from accepted.contract.progress import Progress, announced
from accepted.contract.transition import (
    Advance,
    ClaimDeliveries,
    Claimed,
    Expire,
    Forget,
    Keep,
    LogEntry,
    Redeliver,
    Renew,
    Report,
    SettleDelivery,
    Transition,
)
from accepted.contract.webhook import DEFAULT_EVENTS, Registration
from accepted.store.protocol import Store, StoreUnavailable
from accepted.store.queries import migrations
from accepted.store.sqlite import SqliteStore
from accepted.store.sqlite_schema import WAL_LIMIT
from tests.contract.given import (
    DAY,
    HOUR,
    accept,
    cancel,
    claim,
    complete,
    fail,
    held,
    key,
    op_id,
    pending,
    rescue,
)
from tests.contract.given import WARNED as SOME_WARNINGS
from tests.store.asking import ask, ask_one, found, register, running
from tests.store.clock import MovableClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accepted.db"


@pytest.fixture
async def store(path: Path, clock: MovableClock) -> AsyncIterator[Store]:
    store = SqliteStore(str(path), clock=clock)
    await store.open()
    yield store
    await store.close()


def beside(path: Path) -> list[Path]:
    """The database and the files that go with it."""
    return sorted(file for file in path.parent.iterdir() if file.is_file())


def canaries(path: Path) -> dict[str, int]:
    return {file.name: file.read_bytes().count(b"canary-") for file in beside(path)}


def rows(path: Path, statement: str, *bindings: Any) -> list[Any]:
    connection = apsw.Connection(str(path))
    found = connection.execute(statement, bindings).fetchall()
    connection.close()
    return found


async def reopened(path: Path, clock: MovableClock) -> SqliteStore:
    store = SqliteStore(str(path), clock=clock)
    await store.open()
    return store


async def test_only_its_owner_may_read_it(store: Store, path: Path) -> None:
    await ask(store, accept(1))
    files = beside(path)
    assert {path.name, f"{path.name}-wal", f"{path.name}-shm"} < {file.name for file in files}
    assert {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in files} == dict.fromkeys(
        [file.name for file in files], "0o600"
    )


async def test_a_closed_store_leaves_one_whole_file(store: Store, path: Path) -> None:
    await ask(store, accept(1))
    await store.close()
    assert not any(file.name.endswith(("-wal", "-shm")) for file in beside(path))
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "SELECT id FROM operation") == [(op_id(1),)]


async def test_a_path_too_long_for_a_socket_does(tmp_path: Path, clock: MovableClock) -> None:
    folder = tmp_path / ("f" * 100) / ("g" * 100)
    os.makedirs(folder)  # noqa: PTH103
    one, other = await reopened(folder / "accepted.db", clock), await reopened(folder / "accepted.db", clock)
    await ask(one, accept(1))
    async for news in other.hints():
        if news is not None:
            assert [hint.operation_id for hint in news] == [op_id(1)]
            break
    await one.close()
    await other.close()


class TestMigrations:
    async def test_each_is_applied_once(self, store: Store, path: Path, clock: MovableClock) -> None:
        await store.close()
        for _ in range(2):
            await (await reopened(path, clock)).close()
        applied = rows(path, "SELECT version, name, checksum FROM migration ORDER BY version")
        assert applied == [(m.version, m.name, m.checksum) for m in migrations("sqlite")]

    async def test_one_that_was_changed_since_is_refused(self, store: Store, path: Path, clock: MovableClock) -> None:
        await store.close()
        rows(path, "UPDATE migration SET checksum = 'another' WHERE version = 1")
        with pytest.raises(StoreUnavailable, match="migration 1 was changed after it was applied to this database"):
            await reopened(path, clock)

    async def test_a_newer_one_is_refused(self, store: Store, path: Path, clock: MovableClock) -> None:
        await store.close()
        rows(path, "INSERT INTO migration (version, name, checksum) VALUES (999, 'future', 'x')")
        with pytest.raises(StoreUnavailable, match="migration 999, which is newer than this version of accepted"):
            await reopened(path, clock)
        assert rows(path, "SELECT max(version) FROM migration") == [(999,)]


class TestBoot:
    """Ticks count from a boot: those of another say nothing (guarantee T2)."""

    async def test_after_another_boot_no_lease_counts(self, store: Store, path: Path, clock: MovableClock) -> None:
        (one,) = await running(store, 1)
        await store.close()
        rows(path, "UPDATE fact SET value = 'another boot' WHERE name = 'boot'")
        after = await reopened(path, clock)
        assert [(row.id, row.alive) for row in await after.workers()] == [("w1", False)]
        assert isinstance(await ask_one(after, Renew("w1", DAY)), WorkerLost)
        assert await ask_one(after, rescue()) == 1
        assert (await found(after, one.id)).status is Status.PENDING
        await register(after, "w2", DAY)
        await after.close()
        again = await reopened(path, clock)
        assert isinstance(await ask_one(again, claim("w2")), Claimed)
        await again.close()

    async def test_within_one_boot_they_count_over_restarts(
        self, store: Store, path: Path, clock: MovableClock
    ) -> None:
        await running(store, 1)
        await store.close()
        after = await reopened(path, clock)
        assert await ask_one(after, rescue()) == 0
        assert len((await ask_one(after, Renew("w1", DAY))).held) == 1
        await after.close()


class TestGrowth:
    async def test_the_wal_stays_within_its_limit(self, store: Store, path: Path) -> None:
        (one,) = await running(store, 1)
        chunk, written, largest = os.urandom(2 << 20), 0, 0
        while written < 2 * WAL_LIMIT:
            kept = await ask_one(store, held(Keep, one, number=written // len(chunk) % 4, data=chunk))
            assert isinstance(kept, Operation)
            written += len(chunk)
            largest = max(largest, size(path, "-wal"))
        assert largest <= WAL_LIMIT == 64 << 20

    async def test_so_it_does_with_a_neighbour_that_reads_on_and_on(
        self, store: Store, path: Path, clock: MovableClock
    ) -> None:
        neighbour = await reopened(path, clock)
        (one,) = await running(store, 1)
        chunk, largest = b"x" * (1 << 20), 0
        for number in range(80):
            await ask(store, held(Keep, one, number=number % 4, data=chunk))
            await neighbour.tally()
            await neighbour.operation(op_id(1))
            largest = max(largest, size(path, "-wal"))
        assert largest <= WAL_LIMIT
        await neighbour.close()

    async def test_room_of_what_has_expired_is_used_again(self, store: Store, path: Path, clock: MovableClock) -> None:
        sizes = []
        for number in range(8):
            (one,) = await running(store, number, retention=0)
            await ask(store, held(Keep, one, number=0, data=b"x" * (1 << 20)), complete(one))
            await ask(store, Expire())
            clock.advance(HOUR)
            rows(path, "PRAGMA wal_checkpoint(TRUNCATE)")
            sizes.append(size(path))
        assert sizes[-1] <= sizes[1]


def size(path: Path, suffix: str = "") -> int:
    return Path(f"{path}{suffix}").stat().st_size


class TestWhatIsGone:
    """After expiry and a checkpoint nothing of an operation is left in the file (guarantee R4)."""

    async def live(self, store: Store, number: int) -> None:
        """An operation that has left this canary in every place there is, and ends in one of three ways."""
        canary = f"canary-{number:04d}-" * (1 + number % 5 * 60)
        value = msgspec.json.encode({"text": canary})
        submit: dict[str, Any] = {"retention": HOUR, "input": value, "key": key(f"key {canary}"), "trace": canary}
        submit["webhook"] = Registration(f"https://{canary}/", DEFAULT_EVENTS, (canary, canary), canary, canary)
        (one,) = await running(store, number, progress=announced([canary]), **submit)
        lines = tuple(LogEntry(1, "INFO", canary, {"text": canary}) for _ in range(3))
        partial = msgspec.Raw(value)
        report = Report(Progress(1, 2, 50, canary), SOME_WARNINGS.warnings, lines, value, partial)
        await ask(store, held(Advance, one, report=report), held(Keep, one, number=0, data=value * 20))
        artifact = Artifact("text/csv", 9, "0" * 64, 1, canary, {"text": canary})
        ends: list[list[Transition]] = [
            [complete(one, result=Result(artifact=artifact, path=f"/reports/{canary}", identity={"id": canary}))],
            [fail(one, Problem(canary, canary, 500, canary, False, None, {"text": canary}))],
            [cancel(one, canary), complete(one, value)],
        ]
        await ask(store, *ends[number % 3])
        (delivery,) = await store.deliveries(one.id)
        (claimed,) = (await ask_one(store, ClaimDeliveries(1, 1))).deliveries
        answer = Answer(1, error=canary) if number % 2 else Answer(1, 204)
        await ask(store, SettleDelivery(one.id, delivery.id, claimed.number, answer))
        if number % 2:
            await ask(store, Redeliver(one.id, delivery.id))
            await ask(store, ClaimDeliveries(1, 1))
        await ask(store, SettleDelivery(one.id, delivery.id, claimed.number + number % 2, Answer(1, 410)))

    async def test_no_byte_of_it_is_left(self, store: Store, path: Path, clock: MovableClock) -> None:
        for number in range(60):
            await self.live(store, number)
            if number % 4 == 0:
                rows(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        await ask(store, *(accept(number, retention=HOUR) for number in range(100, 130)))
        assert canaries(path)[path.name] > 60
        clock.advance(2 * HOUR)
        assert await ask_one(store, Expire()) == 60
        clock.advance(DAY)
        await ask(store, Forget())
        assert rows(path, "PRAGMA wal_checkpoint(TRUNCATE)") == [(0, 0, 0)]
        assert set(canaries(path).values()) == {0}

    async def test_no_table_has_a_row_of_it(self, store: Store, path: Path, clock: MovableClock) -> None:
        for number in (1, 2, 3):
            await self.live(store, number)
        tables = [name for (name,) in rows(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
        holding = {table for table in tables if rows(path, f"SELECT * FROM {table}")}
        assert set(tables) - holding == {"tombstone", "statistic", "api_key", "ticket"}, (
            "which know of no operation's data"
        )
        clock.advance(2 * HOUR)
        await ask(store, Expire())
        assert {len(rows(path, f"SELECT * FROM {table}")) for table in ("tombstone", "idempotency_key")} == {3}
        clock.advance(31 * DAY)
        await ask(store, Forget())
        left = {table for table in tables if rows(path, f"SELECT * FROM {table}")}
        assert left == {"migration", "fact", "worker", "duration", "tally"}
        assert {number for (number,) in rows(path, "SELECT number FROM tally")} == {0}


async def test_a_backup_by_a_foreign_tool_is_whole(store: Store, path: Path, tmp_path: Path) -> None:
    """As the sqlite3 shell makes it, while we go on writing."""
    await ask(store, *(accept(number) for number in range(200)), cancel(pending(id=op_id(7))))
    copy, source = apsw.Connection(str(tmp_path / "copy.db")), apsw.Connection(str(path))
    with copy.backup("main", source, "main") as backup:
        while not backup.done:
            backup.step(5)
            await ask(store, cancel(pending(id=op_id(8))))
    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert copy.execute("SELECT count(*) FROM operation").fetchall() == [(200,)]
    copy.close()
    source.close()
