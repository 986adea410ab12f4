"""Databases of a test's own, on each kind that there is a store for: `backend` names the kind.

A test that asks for `database` (or for something that does) runs once on each. What is about one kind alone says so
with `on_sqlite`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import apsw
import pytest

from tests.store.pooler import the_pooler
from tests.store.server import Server, the_server

BACKENDS = ("sqlite", "postgres")
POOLED = "pooler"
"""PostgreSQL behind PgBouncer: for what shows that nothing depends on whose connection it is."""

on_sqlite = pytest.mark.parametrize("backend", ["sqlite"])
on_postgres = pytest.mark.parametrize("backend", ["postgres"])
on_pooler = pytest.mark.parametrize("backend", [POOLED])


class Database(Protocol):
    """One that is empty but for our schema (or a file that is still to be made), and a way past the store into it."""

    url: str
    settings: Mapping[str, Any]
    """What has to be set for it, beside its URL."""

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement that both kinds understand, through a connection of its own."""

    def content(self) -> bytes:
        """All that can be read in it: the bytes of files, or of rows, whose traces go with PostgreSQL's VACUUM."""


class File:
    """A file of SQLite's."""

    settings: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._path = str(path)

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(apsw.Connection(self._path)) as file:
            file.set_busy_timeout(5000)
            return list(file.execute(statement))

    def content(self) -> bytes:
        files = sorted(Path(self._path).parent.glob(f"{Path(self._path).name}*"))  # and its write-ahead log
        return b"".join(path.read_bytes() for path in files if path.is_file())


class Schema:
    """A database on the PostgreSQL server of this process, behind its pooler or not."""

    def __init__(self, server: Server, *, pooled: bool) -> None:
        self._direct = server.lend()
        self.url = the_pooler().url(self._direct) if pooled else self._direct
        self.settings: Mapping[str, Any] = {"prepared_statements": False, "listen_url": self._direct} if pooled else {}
        self._server = server
        self._whole = True

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        self._whole = self._whole and statement.startswith("SELECT")
        return self._server.run(self._direct, statement)

    def content(self) -> bytes:
        values = [value for table in rows(self) for row in self.run(f"SELECT * FROM {table}") for value in row]
        return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)

    def close(self) -> None:
        """Whoever changes a schema leaves it to nobody."""
        if self._whole:
            self._server.take_back(self._direct)
        else:
            self._server.drop(self._direct)


MakeDatabase = Callable[[str], Database]
"""The database of this name, made when it is asked for first."""


@contextlib.contextmanager
def databases(backend: str, folder: Path) -> Iterator[MakeDatabase]:
    """Any number of them, gone at the end."""
    made: dict[str, Database] = {}
    with contextlib.ExitStack() as stack:

        def named(name: str) -> Database:
            if name not in made:
                made[name] = File(folder / f"{name}.db") if backend == "sqlite" else _schema(stack, backend == POOLED)
            return made[name]

        yield named


def _schema(stack: contextlib.ExitStack, pooled: bool) -> Schema:
    return stack.enter_context(contextlib.closing(Schema(the_server(), pooled=pooled)))


def rows(database: Database) -> dict[str, int]:
    """How many rows each table of ours has."""
    sqlite = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    postgres = "SELECT tablename FROM pg_tables WHERE schemaname = 'accepted'"
    tables = [row[0] for row in database.run(sqlite if isinstance(database, File) else postgres)]
    return {table: database.run(f"SELECT count(*) FROM {table}")[0][0] for table in tables}
