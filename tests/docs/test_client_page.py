"""The pages of the client and the command line begin with what is typed and what it prints, at the README's server."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.pages import blocks
from tests.house.tree import ROOT
from tests.processes.serving import Server, environment, run

PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("client", "command-line")}
REPORTS = blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python")[0]
SLOW = "await asyncio.sleep(1)"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The README's server; its months are shorter."""
    assert SLOW in REPORTS
    (tmp_path / "reports.py").write_text(REPORTS.replace(SLOW, "await asyncio.sleep(0.05)"), encoding="utf-8")
    with Server(tmp_path, target="reports:app", PYTHONPATH=str(tmp_path)) as server:
        yield server


def test_the_first_program_prints_what_is_below_it(server: Server) -> None:
    program = blocks(PAGES["client"], "python")[0].replace("http://localhost:8000", server.url)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, env=environment({})
    )
    printed, shown = run.stdout.splitlines(), blocks(PAGES["client"], "text")[0].splitlines()
    assert printed[-2:] == shown[-2:]
    moving = [line for line in printed if line.startswith("PROCESSING ") and line.endswith(" of 12")]
    assert shown[1] == "PROCESSING 0 of 12"
    assert moving


def test_the_first_command_prints_what_is_below_it(server: Server) -> None:
    export, command = blocks(PAGES["command-line"], "sh")[0].splitlines()
    assert export == "export ACCEPTED_URL=http://localhost:8000"
    done = run(*shlex.split(command)[1:], settings={"ACCEPTED_URL": server.url})
    shown = blocks(PAGES["command-line"], "text")[0].splitlines()
    assert (done.returncode, done.stdout) == (0, f"{shown[-1]}\n")
    assert done.stderr.splitlines()[0].endswith(" is accepted.")
    assert shown[0].endswith(" is accepted.")
