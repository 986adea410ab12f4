"""The databases that tests of all rooms run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import BACKENDS, Database, MakeDatabase, databases


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database that a test runs on: each in turn."""
    return str(request.param)


@pytest.fixture(name="databases")
def databases_of_a_test(backend: str, tmp_path: Path) -> Iterator[MakeDatabase]:
    """Databases of the test's own, by name."""
    with databases(backend, tmp_path) as named:
        yield named


@pytest.fixture
def database(databases: MakeDatabase) -> Database:
    """The one database of a test."""
    return databases("accepted")
