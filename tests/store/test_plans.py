"""What each statement reads where there are a million operations: never a table that grows, never a sort of history.

On PostgreSQL by EXPLAIN ANALYZE, with the parameters known and with the generic plan that a connection uses later; on
SQLite by counting the instructions of its virtual machine. A statement without a case here fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import msgspec
import pytest

from accepted.store.clock import Clock
from accepted.store.postgres import PostgresStore
from accepted.store.postgres_schema import SQL as POSTGRES
from accepted.store.sqlite_schema import SQL as SQLITE
from accepted.store.sqlite_schema import connect, migrate
from tests.contract.given import DAY, NOW, accept, claim, complete
from tests.store.asking import ask, ask_one, register
from tests.store.million import DELAYED, ENDED, GROWING, NUMBER, RUNNING, SPARSE, fill_postgres, fill_sqlite, id_of
from tests.store.server import the_server

NEW, PENDING, OVER, LAST = "op-new", RUNNING + DELAYED + 1, NUMBER - ENDED, NUMBER - 1
LATER = NOW.wall + DAY
ROOM = 32
ROWS = 3 * RUNNING  # what a statement may touch: what runs, and a few times what it was asked for; not what there is

# By statement: its parameters as SQL, $1 first.
_ID, _IDS = f"'{id_of(OVER)}'", f"ARRAY['{id_of(PENDING)}', '{id_of(OVER)}']"
_ONE, _NO, _MANY = "ARRAY['report']", "ARRAY[NULL]::bigint[]", "ARRAY['report', 'import']"
_TEXTS = {name: f"ARRAY['{name}']" for name in ("flood", "/r", "full", "COMPLETED", "w1", "input")}
_NULL = "ARRAY[NULL]::text[]"
_BODY = r"ARRAY['{}']::bytea[]"
_NEW = f"ARRAY['{NEW}']"
POSTGRES_CASES: dict[str, tuple[object, ...]] = {
    "keys": (_TEXTS["flood"], _TEXTS["/r"], f"ARRAY['k{OVER}']"),
    "operations_by_ids": (_IDS,),
    "lock_operations": (_IDS,),
    "tombstones_by_ids": (_IDS,),
    "moment": (_TEXTS["w1"], _MANY, _ONE),
    "stored": (_IDS,),
    "witness": (_ID, 1, r"'{}'::bytea"),
    "held_elsewhere": (_IDS, _IDS),
    "lock_workers": (_TEXTS["w1"],),
    "due": ("'report'", "'flood'", ROOM, 0),
    "woken": ("'report'", LATER, 100),
    "next_due": (_MANY,),
    "due_after": (_MANY, NOW.wall),
    "groups": ("ARRAY['report', 'report']", "ARRAY['full', 'empty']"),
    "parked": ("'report'", "'full'", "'flood'", 3, 0),
    "standing": (_TEXTS["flood"],),
    "held": (_TEXTS["w1"],),
    "lost_workers": (NOW.tick + 2 * DAY,),
    "orphans": (_TEXTS["w1"], 100),
    "settling": (NOW.tick, 100),
    "expiring": (LATER, 100),
    "insert_operation": (
        _TEXTS["flood"], _ONE, "ARRAY['PENDING']", f"ARRAY[{NOW.wall}]", _NO, _NULL, _NULL, _NULL, _NO, _NO, _BODY,
        _NEW,
    ),
    "insert_ready": (_TEXTS["flood"], _ONE, f"ARRAY[{NOW.wall}]", _BODY, _NEW),
    "move_operation": (
        "ARRAY['PROCESSING']", _NO, _NO, _NULL, _NULL, _TEXTS["w1"], _NO, _NO, _BODY, f"ARRAY['{id_of(PENDING)}']",
    ),
    "update_operation": (_BODY, f"ARRAY['{id_of(PENDING)}']"),
    "insert_event": (_NEW, "ARRAY[1]", _BODY),
    "compact_events": (f"ARRAY[{_ID}]", "ARRAY[5]"),
    "put_payload": (f"ARRAY[{_ID}]", _TEXTS["input"], _BODY),
    "copy_input": (_NEW, f"ARRAY[{_ID}]"),
    "payload": (_ID, "'input'"),
    "put_delivery": (f"ARRAY[{_ID}]", "ARRAY['d']", "ARRAY['h1']", _NO, _BODY),
    "deliveries_of": (_IDS,),
    "lock_deliveries": (_IDS,),
    "next_delivery": (),
    "waiting_hosts": ("'h10'", 100),
    "due_deliveries": ("'h0'", LATER, 4),
    "drop_deliveries": (_IDS,),
    "put_chunk": (f"ARRAY[{_ID}]", "ARRAY[1]", "ARRAY[0]", _BODY),
    "drop_chunks": (f"ARRAY[{_ID}]", "ARRAY[2]"),
    "chunk": (_ID, 1, 0),
    "insert_line": (f"ARRAY[{_ID}]", "ARRAY[2]", _BODY),
    "insert_key": (_TEXTS["flood"], _TEXTS["/r"], "ARRAY['new']", _NEW, "ARRAY['f']", "ARRAY[1]"),
    "replace_key": (_TEXTS["flood"], _TEXTS["/r"], f"ARRAY['k{OVER}']", _NEW, "ARRAY['f']", "ARRAY[1]"),
    "put_resource": (_TEXTS["flood"], f"ARRAY['p{OVER}']", _NEW),
    "resource": ("'flood'", f"'p{OVER}'"),
    "put_lease": (_TEXTS["w1"], "ARRAY[1]", _BODY),
    "drop_workers": ("ARRAY['w9']",),
    "drop_lost_workers": (NOW.tick + 2 * DAY,),
    "add_to_tally": (_TEXTS["flood"], _ONE, _TEXTS["COMPLETED"], "ARRAY[1]", 0),
    "put_duration": (_ONE, "ARRAY[1]", "ARRAY[1]"),
    "put_statistic": (_TEXTS["flood"], "ARRAY[1]", _ONE, _TEXTS["w1"], _BODY),
    "drop_statistics": (5,),
    "statistics": ("'flood'", 5),
    "running_now": (100,),
    "durations": ("'report'",),
    "insert_tombstone": (_NEW, _TEXTS["flood"], "ARRAY[1]"),
    "drop_operation": (_IDS,),
    "drop_events": (_IDS,),
    "drop_payloads": (_IDS,),
    "drop_lines": (_IDS,),
    "free_key": (_TEXTS["flood"], _TEXTS["/r"], f"ARRAY['k{OVER}']", f"ARRAY[{_ID}]", 1),
    "forget_resources": (LATER, 100),
    "forget_tombstones": (LATER, 100),
    "forget_keys": (LATER, 100),
    "newest": ("ARRAY['flood', 'o1']", _MANY, "ARRAY['COMPLETED', 'PENDING']", "'op-~'", 0, 10, "'op-'"),
    "events": (_ID, 0, 100),
    "news": (_IDS, "ARRAY[0, 0]", 100),
    "lines": (_ID, 0, 100),
    "queue": ("'report'", "''", 100, 0),
    "heads": (_MANY, 300),
    "workers": (),
    "partitions_of_owner": ("'flood'",),
    "keys_after": (NUMBER - SPARSE - 1,),
    "key_by_id": ("'key0'",),
    "put_api_key": ("'new'", r"'{}'::bytea"),
    "put_ticket": ("'new'", 1, r"'{}'::bytea"),
    "drop_tickets": (LATER,),
    "take_ticket": ("'ticket0'",),
}  # fmt: skip
NOT_ASKED = {
    "begin", "begin_bounded", "bounds", "by_index", "clock", "fate", "lock_types", "lock_groups", "lock_keys",
    "notify", "changed",
    "partitions",  # the tally: it grows with owners and types, not with history
    "webhooks", "rewrite_webhook",  # a command, while nothing else runs
}  # fmt: skip


@pytest.fixture
async def database() -> AsyncIterator[Any]:
    connection = await asyncpg.connect(the_server().database())
    await fill_postgres(connection)
    yield connection
    await connection.close()


async def test_postgresql_reads_what_it_is_asked_for(database: Any) -> None:
    assert POSTGRES.keys() == POSTGRES_CASES.keys() | NOT_ASKED
    await database.execute("SET jit = off")
    found: dict[str, list[str]] = {}
    for by_index in (False, True):  # through a pooler, and directly
        if by_index:
            await database.execute(POSTGRES["by_index"])
        for mode in ("force_custom_plan", "force_generic_plan"):
            await database.execute(f"SET plan_cache_mode = {mode}")
            for name, parameters in POSTGRES_CASES.items():
                if troubles := list(_troubles(await _plan(database, name, parameters))):
                    found[f"{name}, {mode}, {by_index=}"] = troubles
    assert found == {}


async def _plan(database: Any, name: str, parameters: tuple[object, ...]) -> dict[str, Any]:
    """The plan of a statement that has really run, and is then taken back."""
    await database.execute(f"PREPARE asked AS {POSTGRES[name]}")
    transaction = database.transaction()
    await transaction.start()
    call = f"asked({', '.join(map(str, parameters))})" if parameters else "asked"
    try:
        (row,) = await database.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {call}")
    finally:
        await transaction.rollback()
        await database.execute("DEALLOCATE asked")
    plan: dict[str, Any] = msgspec.json.decode(row[0])[0]["Plan"]
    return plan


def _troubles(plan: dict[str, Any]) -> Iterator[str]:
    rows = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    kind, table = plan["Node Type"], plan.get("Relation Name")
    if kind == "Seq Scan" and table in GROWING:
        yield f"reads all of {table}"
    if rows > ROWS:
        yield f"{kind} of {rows:,} rows"
    for part in plan.get("Plans", ()):
        yield from _troubles(part)


BURST = 2_000


async def test_what_was_planned_while_tables_were_empty_reads_no_more_once_they_are_full() -> None:
    """Until statistics are gathered, which takes a minute, a burst would make each commit read all that there is."""
    url = the_server().database()
    store = PostgresStore(url, notify=False)
    await store.open()
    await register(store)
    for number in range(10):
        await _pass_through(store, number)
    await ask(store, *(accept(number, owner="flood") for number in range(100, 100 + BURST)))
    for number in range(10, 20):
        await _pass_through(store, number)
    await store.close()
    other = await asyncpg.connect(url)
    mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'accepted'"
    while await other.fetchval(mine):  # what they have read they tell as they go  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    rows = await other.fetch("SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE schemaname = 'accepted'")
    await other.close()
    assert {name: read for name, read in rows if name in GROWING and read > BURST} == {}


async def _pass_through(store: PostgresStore, number: int) -> None:
    await ask(store, accept(number))
    claimed = (await ask_one(store, claim())).operations
    for operation in claimed:
        await ask(store, complete(operation))
        await store.operation(operation.id)


# --- SQLite

_JSON = msgspec.json.encode([id_of(PENDING), id_of(OVER)]).decode()
_AFTER = msgspec.json.encode({id_of(OVER): 0, id_of(LAST): 0}).decode()
SQLITE_CASES: dict[str, tuple[object, ...]] = {
    "operations_by_ids": (_JSON,),
    "operation_by_id": (id_of(OVER),),
    "operation_of_owner": (id_of(OVER), "flood"),
    "tombstone_by_id": (f"gone{OVER}",),
    "key": ("flood", "/r", f"k{OVER}"),
    "lease": ("w1",),
    "due": ("report", ROOM),
    "first_owner": ("report",),
    "next_owner": ("report", "flood"),
    "line": ("report", "flood", ROOM),
    "woken": ("report", LATER, 100),
    "next_due": ("report",),
    "due_after": ("report", NOW.wall),
    "groups": ("report", "full"),
    "parked": ("report", "full", 3),
    "first_parked": ("report", "full"),
    "next_parked": ("report", "full", "flood"),
    "parked_line": ("report", "full", "flood", 3),
    "running": ("report",),
    "standing": ("flood",),
    "held": ("w1",),
    "orphans": (NOW.tick, 100),
    "settling": (NOW.tick, 100),
    "expiring": (LATER, 100),
    "insert_operation": ("flood", "report", "PENDING", NOW.wall, None, None, None, None, None, None, b"{}", NEW),
    "move_operation": ("PROCESSING", None, None, None, None, "w1", None, None, b"{}", id_of(PENDING)),
    "update_operation": (b"{}", id_of(PENDING)),
    "insert_event": (NEW, 1, b"{}"),
    "compact_events": (id_of(OVER), 5),
    "put_payload": (id_of(OVER), "input", b"{}"),
    "copy_input": (NEW, id_of(OVER)),
    "payload": (id_of(OVER), "input"),
    "payloads": (_JSON,),
    "put_delivery": (id_of(OVER), "d", "h1", None, b"{}"),
    "deliveries_of": (_JSON,),
    "next_delivery": (),
    "waiting_hosts": ("h10", 100),
    "due_deliveries": ("h0", LATER, 4),
    "drop_deliveries": (id_of(OVER),),
    "put_chunk": (id_of(OVER), 1, 0, b"{}"),
    "drop_chunks": (id_of(OVER), 2),
    "chunk": (id_of(OVER), 1, 0),
    "insert_line": (id_of(OVER), 2, b"{}"),
    "put_key": ("flood", "/r", f"k{OVER}", NEW, "f", 1),
    "put_resource": ("flood", f"p{OVER}", NEW),
    "resource": ("flood", f"p{OVER}"),
    "put_lease": ("w1", 1, b"{}"),
    "drop_worker": ("w9",),
    "drop_lost_workers": (NOW.tick + 2 * DAY,),
    "expire_leases": (),
    "add_to_tally": ("flood", "report", "COMPLETED", 1),
    "put_duration": ("report", 1, 1),
    "put_statistic": ("flood", 1, "report", "w1", b"{}"),
    "drop_statistics": (5,),
    "statistics": ("flood", 5),
    "running_now": (100,),
    "durations": ("report",),
    "insert_tombstone": (NEW, "flood", 1),
    "drop_operation": (id_of(OVER),),
    "drop_events": (id_of(OVER),),
    "drop_payloads": (id_of(OVER),),
    "drop_lines": (id_of(OVER),),
    "free_key": (1, "flood", "/r", f"k{OVER}", id_of(OVER)),
    "forget_resources": (LATER, 100),
    "forget_tombstones": (LATER, 100),
    "forget_keys": (LATER, 100),
    "newest": ("flood", "report", "COMPLETED", "op-~", "op-", 10),
    "events": (id_of(OVER), 0, 100),
    "news": (_AFTER, 100),
    "lines": (id_of(OVER), 0, 100),
    "queue": ("report", "flood", 100),
    "workers": (NOW.tick,),
    "fact": ("boot",),
    "put_fact": ("boot", "x"),
    "partitions_of_owner": ("flood",),
    "keys_after": (NUMBER - SPARSE - 1,),
    "key_by_id": ("key0",),
    "put_api_key": ("new", b"{}"),
    "put_ticket": (b"new", 1, b"{}"),
    "drop_tickets": (LATER,),
    "take_ticket": (b"ticket0",),
}
INSTRUCTIONS = 60 * ROWS  # of SQLite's machine: a row takes a few dozen


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    path: Path = tmp_path_factory.mktemp("million") / "accepted.db"
    connection = connect(str(path))
    migrate(connection, Clock())
    fill_sqlite(connection)
    yield connection
    connection.close()


def test_sqlite_reads_what_it_is_asked_for(file: apsw.Connection) -> None:
    assert SQLITE.keys() == SQLITE_CASES.keys() | (NOT_ASKED & SQLITE.keys())
    found = {
        name: count
        for name, bindings in SQLITE_CASES.items()
        if (count := _instructions(file, name, bindings)) > INSTRUCTIONS
    }
    assert found == {}


def _instructions(file: apsw.Connection, name: str, bindings: tuple[object, ...]) -> int:
    """How many a statement takes, to the hundred; it is taken back."""
    hundreds = 0

    def count() -> bool:
        nonlocal hundreds
        hundreds += 1
        return False

    file.execute("SAVEPOINT asked")
    file.set_progress_handler(count, 100)
    try:
        file.execute(SQLITE[name], bindings).fetchall()
    finally:
        file.set_progress_handler(None)
        file.execute("ROLLBACK TO asked; RELEASE asked")
    return hundreds * 100
