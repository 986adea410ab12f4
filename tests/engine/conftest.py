"""Nodes on files in a temporary directory, with a clock that the test moves."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.clock import MovableClock
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
async def stage(tmp_path: Path, clock: MovableClock, gates: Gates) -> AsyncIterator[Stage]:
    """A file and the nodes on it."""
    async with staged(tmp_path, clock) as stage:
        yield stage
        gates.go.open()
