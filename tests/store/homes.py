"""Stores on a database, by its URL; tests of the promises know nothing else of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accepted.store.clock import Clock
from accepted.store.postgres import PostgresStore
from accepted.store.protocol import Store
from accepted.store.sqlite import SqliteStore

MakeStore = Callable[..., Store]
"""Makes one more store on the same database, not yet open; options are the store's own."""


def stores_on(url: str, clock: Clock, **settings: Any) -> MakeStore:
    """Any number of them, as so many processes would have."""

    def make(**options: Any) -> Store:
        if url.startswith("sqlite:///"):
            return SqliteStore(url.removeprefix("sqlite:///"), clock=clock, **options)
        return PostgresStore(url, clock=clock, **settings | options)

    return make
