"""Migrations of a PostgreSQL database: once, whole, by one at a time, and never another one than was applied."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from accepted.store.postgres_schema import migrate, missing, script
from accepted.store.protocol import StoreUnavailable
from accepted.store.queries import migrations, statements
from tests.store.server import the_server

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns
WHERE table_schema = 'accepted' ORDER BY 1, 2
"""


@pytest.fixture
def url() -> str:
    """An empty database."""
    return the_server().blank()


async def test_all_who_migrate_at_once_do_it_once(url: str) -> None:
    assert await missing(url) == migrations("postgres")
    applied = await asyncio.gather(*(migrate(url) for _ in range(3)))
    assert sorted(map(len, applied)) == [0, 0, len(migrations("postgres"))]
    assert await missing(url) == []


async def test_the_printed_script_does_the_same(url: str) -> None:
    other = the_server().blank()
    await migrate(other)
    connection = await asyncpg.connect(url)
    await connection.execute("\n".join(script()))
    migrated = await asyncpg.connect(other)
    assert await connection.fetch(COLUMNS) == await migrated.fetch(COLUMNS)
    assert await missing(url) == []
    await connection.close()
    await migrated.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE accepted.migration SET checksum = 'other' WHERE version = 1", "was changed after it was applied"),
        ("INSERT INTO accepted.migration VALUES (9999, 'later', '')", "newer than this version"),
    ],
)
async def test_a_schema_of_others_is_not_touched(url: str, change: str, words: str) -> None:
    await migrate(url)
    connection = await asyncpg.connect(url)
    await connection.execute(change)
    await connection.close()
    for step in (migrate, missing):
        with pytest.raises(StoreUnavailable, match=words):
            await step(url)


def test_every_migration_has_its_twin() -> None:
    assert [step[:2] for step in migrations("postgres")] == [step[:2] for step in migrations("sqlite")]


ONE_ROW_AT_A_TIME = {
    "operation_by_id", "operation_of_owner", "tombstone_by_id", "key", "lease", "put_key", "drop_worker",
}  # fmt: skip
MANY_ROWS_AT_A_TIME = {"tombstones_by_ids", "keys", "insert_key", "replace_key", "drop_workers"}
STEPS_FROM_OWNER_TO_OWNER = {"first_owner", "next_owner", "line", "first_parked", "next_parked", "parked_line"}
ASKED_WITH_THE_TIME = {"running", "payloads"}  # there by `moment`, and by `stored`
FEWER_TRIPS = {"moment", "stored", "insert_ready", "heads"}
A_FILE_OF_ITS_OWN = {"expire_leases", "fact", "put_fact"}
LOCKS = {
    "held_elsewhere", "lock_deliveries", "lock_groups", "lock_keys", "lock_operations", "lock_types", "lock_workers",
    "lost_workers",
}  # fmt: skip
A_SERVER_FOR_MANY = {
    "begin", "begin_bounded", "bounds", "by_index", "changed", "clock", "fate", "notify", "witness",
}  # fmt: skip


def test_statements_of_the_same_kind_have_the_same_names() -> None:
    """And what only one of them has is named here, with its reason."""
    one, two = statements("sqlite").keys(), statements("postgres").keys()
    assert one - two == ONE_ROW_AT_A_TIME | STEPS_FROM_OWNER_TO_OWNER | ASKED_WITH_THE_TIME | A_FILE_OF_ITS_OWN
    assert two - one == MANY_ROWS_AT_A_TIME | FEWER_TRIPS | LOCKS | A_SERVER_FOR_MANY
