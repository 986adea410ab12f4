"""Gives a PostgreSQL database a long history and a long queue, fast: operations that are there are copied with all
their rows, by the database itself.

As in `seed.py` nothing is invented and little of the schema is known: what belongs to an operation is found by its
column `operation`, and a copy is its original with another id in it. A copy's number is in the last
digits of its id, so it is of the same millisecond.
"""

from collections.abc import Iterator

from bench.postgres import Asking

KEPT_IDS = 20_000
TAIL = 8  # so many digits of an id are the copy's number, and the rest its original's


def seed(url: str, each: int) -> list[str]:
    """Copy every operation of the database so many times; half of them wait. Nobody else may use it meanwhile.

    Returns ids of copies that have ended, from all over the history.
    """
    with Asking(url) as asking:
        asking.run("SET synchronous_commit = off; SET search_path = accepted")
        originals = [
            row[0] for row in asking.rows("SELECT id FROM operation ORDER BY expires_at")
        ]  # who waits has none
        tables = list(_tables(asking))
        for first, id in enumerate(originals):
            for table, key, columns in tables:
                asking.run(_copy(table, key, columns, id, range(first * each, (first + 1) * each)))
        asking.run("DELETE FROM tally")
        asking.run(
            "INSERT INTO tally SELECT owner, type, status, 0, count(*) FROM operation GROUP BY owner, type, status"
        )
        asking.run("VACUUM ANALYZE")
        asking.run("CHECKPOINT")
    ended = range(0, each * len(originals) // 2, max(each * len(originals) // KEPT_IDS, 1))
    return [f"{originals[number // each][:-TAIL]}{number:0{TAIL}x}" for number in ended]


def _tables(asking: Asking) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each table that has rows of an operation, the column that names it, and all its columns by type."""
    found: dict[str, dict[str, str]] = {}
    query = """SELECT table_name, column_name, data_type FROM information_schema.columns JOIN information_schema.tables
        USING (table_schema, table_name) WHERE table_schema = 'accepted' AND table_type = 'BASE TABLE'"""
    for table, column, type in asking.rows(query):
        found.setdefault(table, {})[column] = type
    for table, columns in found.items():
        if table == "operation" or "operation" in columns:
            yield table, "id" if table == "operation" else "operation", columns


def _copy(table: str, key: str, columns: dict[str, str], id: str, numbers: range) -> str:
    """An operation and its job share the digits of their ids, so only those are replaced."""
    old = f"'{id.partition('-')[2]}'"
    new = f"'{id.partition('-')[2][:-TAIL]}' || lpad(to_hex(n), {TAIL}, '0')"
    values = {
        "text": f"replace({{}}, {old}, {new})",
        "bytea": f"convert_to(replace(convert_from({{}}, 'UTF8'), {old}, {new}), 'UTF8')",
    }
    chosen = ", ".join(values.get(type, "{}").format(f"o.{column}") for column, type in columns.items())
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} "
        f"FROM {table} AS o CROSS JOIN generate_series({numbers[0]}, {numbers[-1]}) AS n WHERE o.{key} = '{id}'"
    )
