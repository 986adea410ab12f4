"""Stores on databases of their own, under a clock that only tests move."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from accepted.store.protocol import Store
from tests.databases import BACKENDS, POOLED, Database
from tests.store.clock import MovableClock
from tests.store.homes import MakeStore, stores_on

OpenStore = Callable[..., Awaitable[Store]]


@pytest.fixture(params=[*BACKENDS, POOLED])
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database that a test runs on: what any store promises holds behind a pooler too."""
    return str(request.param)


@pytest.fixture
def clock() -> MovableClock:
    """The time of all stores of a test."""
    return MovableClock()


@pytest.fixture
def make_store(database: Database, clock: MovableClock) -> MakeStore:
    """Makes stores on the one database of a test."""
    return stores_on(database.url, clock, **database.settings)


@pytest.fixture
async def open_store(make_store: MakeStore) -> AsyncIterator[OpenStore]:
    """Opens one more store on that database; all are closed at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin(**options: Any) -> Store:
            store = make_store(**options)
            await store.open()
            stack.push_async_callback(store.close)
            return store

        yield begin


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    """An open store on an empty database."""
    return await open_store()
