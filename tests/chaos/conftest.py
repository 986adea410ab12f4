"""How long the bad days are: CHAOS_SCALE, 1 in `make test` and 10 in `make chaos`."""

from __future__ import annotations

import os

import pytest

from tests.processes.conftest import figures, pytest_terminal_summary

__all__ = ["figures", "pytest_terminal_summary"]


@pytest.fixture(scope="session")
def scale() -> int:
    """1 is a short round, 10 the figures of the guarantees."""
    return int(os.environ.get("CHAOS_SCALE", "1"))
