"""A million operations in seconds: rows as the stores lay them out, made by the databases themselves.

Half of them have ended. Of those that wait one owner has flooded the line, one concurrency key is full with most of the
rest parked behind it, and some wait for a date; a few hundred run. Indexes are made after the rows, which is faster.
"""

from __future__ import annotations

from typing import Any

import apsw

from tests.contract.given import DAY, NOW, op_id

NUMBER = 1_000_000
RUNNING, DELAYED, LINE, ENDED = 300, 5_000, 200_000, 500_000  # all others are parked
WORKERS, OWNERS, HOSTS, SINCE = 10, 500, 50, NOW.wall - NUMBER
SPARSE = 50  # one in so many has rows in the other tables: 20,000, of which no statement may read more than a few
GROWING = (
    "operation", "event", "payload", "log_line", "chunk", "idempotency_key", "resource", "tombstone", "delivery",
    "api_key", "ticket",
)  # fmt: skip

ID = f"'op-{'0' * 19}' || ({NUMBER} + n)"
_KIND = f"""CASE WHEN n < {RUNNING} THEN 'run' WHEN n < {RUNNING + DELAYED} THEN 'delay'
    WHEN n < {RUNNING + DELAYED + LINE} THEN 'line' WHEN n < {NUMBER - ENDED} THEN 'park' ELSE 'end' END"""
_FILL = (
    f"""INSERT INTO $operation
        (id, owner, type, status, due_at, worker, expires_at, turn, counted, parked, record)
    SELECT {ID}, CASE WHEN n % 1000 = 7 THEN 'o' || (n / 1000 % {OWNERS}) ELSE 'flood' END,
        CASE WHEN n % 1000 = 8 THEN 'import' ELSE 'report' END,
        CASE kind WHEN 'run' THEN 'PROCESSING' WHEN 'end' THEN CASE WHEN n % 20 = 0 THEN 'FAILED' ELSE 'COMPLETED' END
            ELSE 'PENDING' END,
        CASE WHEN kind = 'delay' THEN {NOW.wall} + n END, CASE WHEN kind = 'run' THEN 'w' || n % {WORKERS} END,
        CASE WHEN kind = 'end' THEN {NOW.wall} + n END, CASE WHEN kind IN ('line', 'park') THEN {SINCE} + n END,
        CASE WHEN n < 2 THEN 'full' END, CASE WHEN kind = 'park' THEN 'full' END, $record
    FROM (SELECT n, {_KIND} AS kind FROM $numbers) AS kinds""",
    f"INSERT INTO $event (operation, sequence, body) SELECT {ID}, 1, $record FROM $few",
    f"INSERT INTO $payload (operation, name, body) SELECT {ID}, 'input', $record FROM $few",
    f"INSERT INTO $log_line (operation, line, body) SELECT {ID}, 1, $record FROM $few",
    f"INSERT INTO $chunk (operation, attempt, number, body) SELECT {ID}, 1, 0, $record FROM $few",
    f"""INSERT INTO $idempotency_key (owner, route, key, operation, fingerprint, keep_until, drop_at)
    SELECT 'flood', '/r', 'k' || n, {ID}, 'f', {NOW.wall}, CASE WHEN n % {2 * SPARSE} = 0 THEN {NOW.wall} + n END
    FROM $few""",
    f"INSERT INTO $resource (owner, path, operation) SELECT 'flood', 'p' || n, {ID} FROM $few",
    f"""INSERT INTO $tombstone (id, owner, expired_at)
    SELECT 'gone' || n, 'flood', {NOW.wall} + n FROM $few""",
    f"""INSERT INTO $delivery (operation, id, host, due_at, record)
    SELECT {ID}, 'd', 'h' || n / {2 * SPARSE} % {HOSTS}, CASE WHEN n % {2 * SPARSE} = 0 THEN {NOW.wall} + n END, $record
    FROM $few""",
    "INSERT INTO $api_key (id, revision, record) SELECT 'key' || n, n, $record FROM $few",
    f"""INSERT INTO $ticket (digest, expires_at, record)
    SELECT CAST('ticket' || n AS $bytes), {NOW.wall} + n, $record FROM $few""",
    f"""INSERT INTO $worker (id, lease_until, about)
    SELECT 'w' || n, {NOW.tick + DAY}, $record FROM $numbers WHERE n < {WORKERS}""",
)


def id_of(number: int) -> str:
    """The id of the operation with this number, from 0."""
    return op_id(NUMBER + number)


async def fill_postgres(connection: Any) -> None:
    """A migrated, empty database; its statistics are those of the full one."""
    indexes = await connection.fetch(
        """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'accepted' AND tablename = ANY($1)
        AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = indexname)""",
        list(GROWING),
    )
    await connection.execute("SET maintenance_work_mem = '256MB'")
    for name, _ in indexes:
        await connection.execute(f"DROP INDEX accepted.{name}")
    await connection.execute(f"CREATE TEMPORARY TABLE numbers AS SELECT generate_series(0, {NUMBER - 1}) AS n")
    for statement in _FILL:
        await connection.execute(_written(statement, "accepted.", r"'{}'::bytea"))
    for _, definition in indexes:
        await connection.execute(definition)
    await connection.execute(
        """INSERT INTO accepted.tally (owner, type, status, stripe, number)
        SELECT owner, type, status, stripe, number / 4 FROM generate_series(0, 3) AS stripe,  -- of four nodes
        (SELECT owner, type, status, count(*) AS number FROM accepted.operation GROUP BY owner, type, status) AS counted
        """
    )
    await connection.execute("ANALYZE")


def fill_sqlite(connection: apsw.Connection) -> None:
    """The same in a migrated, empty file."""
    run = connection.execute
    run("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA cache_size = -200000; PRAGMA secure_delete = OFF")
    indexes: list[Any] = run("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    run("BEGIN")
    for name, _ in indexes:
        run(f"DROP INDEX {name}")
    run("CREATE TEMPORARY TABLE numbers (n INTEGER PRIMARY KEY)")
    up = f"WITH RECURSIVE up (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM up WHERE n < {NUMBER - 1})"
    run(f"INSERT INTO numbers {up} SELECT n FROM up")
    for statement in _FILL:
        run(_written(statement, "", "x'7b7d'"))
    for _, definition in indexes:
        run(definition)
    run(
        """INSERT INTO tally (owner, type, status, number)
        SELECT owner, type, status, count(*) FROM operation GROUP BY owner, type, status"""
    )
    run("COMMIT")


def _written(statement: str, schema: str, record: str) -> str:
    words = {
        "$numbers": "numbers",
        "$few": f"numbers WHERE n % {SPARSE} = 0",
        "$record": record,
        "$bytes": "bytea" if schema else "BLOB",
        "$": schema,
    }
    for word, meaning in words.items():
        statement = statement.replace(word, meaning)
    return statement
