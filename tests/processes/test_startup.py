"""Starting is cheap: a command line is typed often, every process pays an import (0.25 s of processor time)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.processes.serving import ACCEPTED, environment

LIMIT = 0.25  # seconds of processor time, however busy the machine is


@pytest.mark.parametrize(
    "command",
    [[*ACCEPTED, "--help"], [*ACCEPTED, "watch", "--help"], [sys.executable, "-c", "import accepted"]],
    ids=["accepted --help", "accepted watch --help", "import accepted"],
)
def test_a_start_costs_little(command: list[str]) -> None:
    assert min(_cost(command) for _ in range(3)) < LIMIT


def _cost(command: list[str]) -> float:
    before = os.times()
    subprocess.run(command, env=environment({}), stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system
