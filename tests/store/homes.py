"""Where stores keep what they are given, by the name of the backend; tests of the promises know nothing else of it.

A home makes any number of stores on one database of its own, as so many processes would.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from accepted.store.clock import Clock
from accepted.store.postgres import PostgresStore
from accepted.store.protocol import Store
from accepted.store.sqlite import SqliteStore
from tests.store.server import the_server

MakeStore = Callable[..., Store]
"""Makes one more store on the same database, not yet open; options are the store's own."""


def sqlite(folder: Path, clock: Clock) -> MakeStore:
    """One file."""

    def make(**options: Any) -> Store:
        return SqliteStore(str(folder / "accepted.db"), clock=clock, **options)

    return make


def postgres(folder: Path, clock: Clock) -> MakeStore:
    """One database on the server of this test process."""
    url = the_server().database()

    def make(**options: Any) -> Store:
        return PostgresStore(url, clock=clock, **options)

    return make


HOMES: dict[str, Callable[[Path, Clock], MakeStore]] = {"sqlite": sqlite, "postgres": postgres}
