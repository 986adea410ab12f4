"""Gives a file a long history, fast: operations that really ran are copied, with all their rows, under older ids.

Nothing is invented and little of the schema is known: what belongs to an operation is found by its column
`operation`, and a copy is its original with another id in it. Times stay those of the originals, so that nothing
expires while it is measured. The ids are spread over the last hours, since the newest come first by id.
"""

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
import msgspec

from accepted.contract.operation import operation_id

HOURS = 20
BATCH = 5_000
KEPT_IDS = 20_000

Value = str | bytes | int | float | None


class Seeded(msgspec.Struct, frozen=True):
    """How many operations were written, and the ids of some of them, spread over the whole history."""

    count: int
    ids: list[str]


class Original(msgspec.Struct, frozen=True):
    """One operation as it lies in the file: its id, and its rows by table."""

    id: str
    rows: dict[str, list[tuple[Value, ...]]]


def seed(database: Path, n: int) -> Seeded:
    """Copy the operations that ended in this file, in turn, until there are n more. Nobody else may have the file open.

    Raises LookupError where none has ended.
    """
    connection = apsw.Connection(str(database))
    connection.execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")
    originals = list(_originals(connection))
    if not originals:
        raise LookupError(f"no operation has ended in {database}, so there is nothing to copy")
    ids = _ids(n)
    for start in range(0, n, BATCH):
        with connection:
            _copy(connection, originals, ids[start : start + BATCH])
    _count(connection)
    connection.close()
    return Seeded(n, ids[:: max(n // KEPT_IDS, 1)])


def _originals(connection: apsw.Connection) -> Iterator[Original]:
    tables = list(_tables(connection))
    for id in _texts(connection, "SELECT id FROM operation WHERE expires_at IS NOT NULL"):
        rows = {table: connection.execute(f"SELECT * FROM {table} WHERE {key} = ?", (id,)) for table, key in tables}
        yield Original(id, {table: found.fetchall() for table, found in rows.items()})


def _tables(connection: apsw.Connection) -> Iterator[tuple[str, str]]:
    """Each table that has rows of an operation, and the column that names it."""
    for table in _texts(connection, "SELECT name FROM sqlite_schema WHERE type = 'table'"):
        columns = _texts(connection, f"SELECT name FROM pragma_table_info('{table}')")
        if table == "operation" or "operation" in columns:
            yield table, "id" if table == "operation" else "operation"


def _texts(connection: apsw.Connection, query: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(query)]


def _ids(n: int) -> list[str]:
    """Ids in the order of time, the newest a minute old."""
    chance, newest, step = random.Random(n), int(time.time() * 1000) - 60_000, HOURS * 3_600_000 / n
    return [operation_id(int(newest - step * (n - number)), chance.getrandbits(74)) for number in range(n)]


def _copy(connection: apsw.Connection, originals: Sequence[Original], ids: Sequence[str]) -> None:
    pairs = [(originals[number % len(originals)], id) for number, id in enumerate(ids)]
    for table in originals[0].rows:
        rows = [_renamed(row, original.id, id) for original, id in pairs for row in original.rows[table]]
        if rows:
            places = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)


def _renamed(row: tuple[Value, ...], old: str, new: str) -> tuple[Value, ...]:
    """The row with one id in the place of the other, in whatever form: an operation and its job share the digits."""
    return tuple(_replaced(value, old.partition("-")[2], new.partition("-")[2]) for value in row)


def _replaced(value: Value, old: str, new: str) -> Value:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, bytes):
        return value.replace(old.encode(), new.encode())
    return value


def _count(connection: apsw.Connection) -> None:
    """Set right what is counted as it goes, and fold the log back into the file, as the store leaves it."""
    of_partition = "o.owner = tally.owner AND o.type = tally.type AND o.status = tally.status"
    connection.execute(f"UPDATE tally SET number = (SELECT count(*) FROM operation AS o WHERE {of_partition})")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
