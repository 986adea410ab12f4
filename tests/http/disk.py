"""Trouble with the database for real: SQLite itself refuses, on all connections of this process, old and new."""

import contextlib
import time
from collections.abc import Callable, Iterator

import apsw

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


class Disk:
    """What is the matter with all connections opened under it."""

    def __init__(self) -> None:
        self._connections: list[apsw.Connection] = []
        self._trouble: Trouble = _none

    def fills(self) -> None:
        """Nothing large fits any more."""
        self._turns(_full)

    def breaks(self) -> None:
        """Nothing works any more."""
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
    def mounted(self) -> Iterator["Disk"]:
        """See every connection that is opened meanwhile."""
        apsw.connection_hooks.append(self._opened)
        try:
            yield self
        finally:
            self.is_mended()
            apsw.connection_hooks.remove(self._opened)
