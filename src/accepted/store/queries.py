"""Statements by name, out of `.sql` files, and numbered migrations.

A file holds statements as

    -- name: operation_by_id
    -- One sentence about it.
    SELECT ...;

Both databases use the same names; a statement that has to differ in kind says why above itself.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class Migration(NamedTuple):
    """One numbered step of the schema; `checksum` tells whether it was changed after it was applied."""

    version: int
    name: str
    sql: str
    checksum: str


@cache
def statements(database: str) -> dict[str, str]:
    """All named statements for `database` ("sqlite" or "postgres")."""
    parts = _NAME.split(_read(f"{database}.sql"))
    return {name: _stripped(sql) for name, sql in zip(parts[1::2], parts[2::2], strict=True)}


def migrations(database: str) -> list[Migration]:
    """The migrations for `database` in order."""
    folder = files(__package__) / "migrations"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(f".{database}.sql"))
    return [_migration(name) for name in names]


def _migration(file: str) -> Migration:
    sql = _read(f"migrations/{file}")
    number, _, name = file.removesuffix(".sql").rpartition(".")[0].partition("_")
    return Migration(int(number), name, sql, hashlib.sha256(sql.encode()).hexdigest())


def _read(file: str) -> str:
    return (files(__package__) / file).read_text(encoding="utf-8")


def _stripped(sql: str) -> str:
    lines = [line for line in sql.splitlines() if not line.startswith("--")]
    return "\n".join(lines).strip().rstrip(";")
