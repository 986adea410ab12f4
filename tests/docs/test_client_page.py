"""The client's page begins with a program and what it prints: it is run, against the README's server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.house.pages import blocks
from tests.house.tree import ROOT
from tests.processes.serving import Server, environment

PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
REPORTS = blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python")[0]


def test_the_first_program_prints_what_is_below_it(tmp_path: Path) -> None:
    waiting = "await asyncio.sleep(1)"
    assert waiting in REPORTS
    (tmp_path / "reports.py").write_text(REPORTS.replace(waiting, "await asyncio.sleep(0.05)"), encoding="utf-8")
    with Server(tmp_path, target="reports:app", PYTHONPATH=str(tmp_path)) as server:
        program = blocks(PAGE, "python")[0].replace("http://localhost:8000", server.url)
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, env=environment({})
        )
    printed, shown = run.stdout.splitlines(), blocks(PAGE, "text")[0].splitlines()
    assert printed[-2:] == shown[-2:]
    moving = [line for line in printed if line.startswith("PROCESSING ") and line.endswith(" of 12")]
    assert shown[1] == "PROCESSING 0 of 12"
    assert moving
