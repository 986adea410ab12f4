"""What the tests with real processes share; and their figures, printed at the end of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.api import Api
from tests.processes.diary import Diary
from tests.processes.figures import Figures, summarise
from tests.processes.serving import Server


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    """What the functions of this test's server did."""
    return Diary(tmp_path / "diary")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the menu with one worker."""
    with Server(tmp_path) as server:
        yield server


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    """A client of `server`."""
    with server.api() as api:
        yield api


@pytest.fixture
def figures(record_property: pytest.RecordProperty) -> Figures:  # type: ignore[name-defined]
    """Where a test puts what it has measured."""
    return Figures(record_property)


pytest_terminal_summary = summarise
