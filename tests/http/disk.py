"""Trouble with the database for real: it is the database itself that refuses.

SQLite does so on all connections of this process, old and new; PostgreSQL by a trigger that finds no room, or by
letting nobody in.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import apsw

from tests.databases import Database
from tests.store.server import the_server

Trouble = Callable[[apsw.Connection], object]


def _none(connection: apsw.Connection) -> None:
    connection.set_progress_handler(None)


def _full(connection: apsw.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 1")  # no page more than there are


def _broken(connection: apsw.Connection) -> None:
    connection.set_progress_handler(lambda: True, 1)  # every statement is interrupted


def _between_statements(trouble: Trouble, connection: apsw.Connection) -> None:
    """As soon as the thread that works with this connection lets it go; every statement is short."""
    deadline = time.monotonic() + 10
    while True:
        try:
            trouble(connection)
            return
        except apsw.ThreadingViolationError:
            if time.monotonic() > deadline:
                raise


class Disk(Protocol):
    """What a database lies on."""

    def fills(self) -> None:
        """Nothing large fits any more."""

    def breaks(self) -> None:
        """Nothing works any more."""

    def is_mended(self) -> None:
        """All is well again."""


class File:
    """What is the matter with all connections opened under it."""

    def __init__(self) -> None:
        self._connections: list[apsw.Connection] = []
        self._trouble: Trouble = _none

    def fills(self) -> None:
        self._turns(_full)

    def breaks(self) -> None:
        self._turns(_broken)

    def is_mended(self) -> None:
        self._turns(_none)

    def _turns(self, trouble: Trouble) -> None:
        self._trouble = trouble
        for connection in self._connections:
            with contextlib.suppress(apsw.ConnectionClosedError):
                _between_statements(trouble, connection)

    def _opened(self, connection: apsw.Connection) -> None:
        self._connections.append(connection)
        self._trouble(connection)

    @contextlib.contextmanager
    def mounted(self) -> Iterator["File"]:
        """See every connection that is opened meanwhile."""
        apsw.connection_hooks.append(self._opened)
        try:
            yield self
        finally:
            self.is_mended()
            apsw.connection_hooks.remove(self._opened)


_NO_ROOM = (
    """CREATE FUNCTION accepted.no_room() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$""",
    """CREATE TRIGGER no_room BEFORE INSERT ON accepted.payload FOR EACH ROW
    WHEN (octet_length(NEW.body) > 100000) EXECUTE FUNCTION accepted.no_room()""",
)


class Volume:
    """That of a database of PostgreSQL's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fills(self) -> None:
        for statement in _NO_ROOM:
            self._database.run(statement)

    def breaks(self) -> None:
        the_server().shut(self._database.url)

    def is_mended(self) -> None:
        the_server().reopen(self._database.url)
        self._database.run("DROP FUNCTION IF EXISTS accepted.no_room CASCADE")


@contextlib.contextmanager
def disk_of(database: Database) -> Iterator[Disk]:
    """Of everything that starts meanwhile."""
    if database.url.startswith("postgresql:"):
        yield Volume(database)
    else:
        with File().mounted() as file:
            yield file
