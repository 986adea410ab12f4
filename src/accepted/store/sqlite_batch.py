"""One statement for many rows, run as few times as can be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

import apsw

from .sqlite_schema import SQL

_PLACES = re.compile(r"(?<=VALUES )\([?, ]+\)")
_AT_ONCE = (64, 32, 16, 8, 4, 2)  # rows in one statement


@cache
def _statement(name: str, rows: int) -> str:
    return _PLACES.sub(lambda place: ", ".join([place[0]] * rows), SQL[name])


def write(connection: apsw.Connection, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement for each row, as few times as can be.

    Every step of SQLite gives up the interpreter lock and has to win it back from the event loop. So rows for a
    statement with VALUES go in by the dozen: that made an accept a third cheaper.
    """
    start = 0
    if "VALUES (" in SQL[name]:
        for size in _AT_ONCE:
            while len(rows) - start >= size:
                connection.execute(_statement(name, size), tuple(chain.from_iterable(rows[start : start + size])))
                start += size
    if start < len(rows):
        connection.executemany(SQL[name], rows[start:])
