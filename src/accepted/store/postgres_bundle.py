"""Statements that go to PostgreSQL as one.

A round trip costs both sides as much as some ten rows, and a commit writes to half a dozen tables. So what it writes is
collected here, and goes out as a single statement that has all the others in its WITH clause. They see the same
snapshot and none sees what the others write: nothing here may depend on another, nor change a row that another changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from .postgres_schema import SQL

_PARAMETER = re.compile(r"\$(\d+)")


class Bundle:
    """Statements by name, with their parameters, in the order in which they shall be carried out."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._bindings: list[Any] = []

    def add(self, name: str, rows: Sequence[tuple[Any, ...]], *further: Any) -> None:
        """A statement that takes a column for each member of the rows, and then `further`; none where there are no
        rows.
        """
        if rows:
            self._names.append(name)
            self._bindings += columns(rows)
            self._bindings += further

    def __bool__(self) -> bool:
        return bool(self._names)

    async def fetch(self, connection: Any, name: str, *bindings: Any) -> list[Any]:
        """Carry them out with the statement `name`, a query, and give back its rows."""
        found: list[Any] = await connection.fetch(_together(*self._names, name), *self._bindings, *bindings)
        return found


def columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as arrays, which is how many of them go in."""
    return [list(column) for column in zip(*rows, strict=True)]


@cache
def _together(*names: str) -> str:
    """One statement out of many. PostgreSQL says that they are carried out in any order. It does the query first and
    then the last of the others, so they are named from the back; if ever it did otherwise, two commits might now and
    then wait for each other, and one of them would be tried again.
    """
    parts, before = [], 0
    for name in names:
        parts.append(_shifted(SQL[name], before))
        before += max(int(number) for number in _PARAMETER.findall(SQL[name]))
    *written, query = parts
    clauses = [f"{name} AS ({part})" for name, part in zip(names, written, strict=False)]
    return f"WITH {', '.join(reversed(clauses))} {query}"


def _shifted(sql: str, by: int) -> str:
    return _PARAMETER.sub(lambda parameter: f"${int(parameter[1]) + by}", sql)
