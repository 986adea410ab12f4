"""Nodes on databases of the test's own, with a clock that the test moves."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.clock import MovableClock
from tests.databases import Database
from tests.engine.gate import Gates
from tests.engine.stage import Stage, staged


@pytest.fixture
def clock() -> MovableClock:
    """The time of all nodes of a test that have no other."""
    return MovableClock()


@pytest.fixture
def gates() -> Iterator[Gates]:
    """Where the slow functions wait for the test."""
    gates = Gates()
    yield gates
    gates.started.open()
    gates.go.open()


@pytest.fixture
async def stage(database: Database, clock: MovableClock, gates: Gates) -> AsyncIterator[Stage]:
    """A database and the nodes on it."""
    async with staged(database.url, clock) as stage:
        yield stage
        gates.go.open()
