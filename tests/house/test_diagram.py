"""docs/lifecycle.md shows the table that the code decides by: the generated diagram, and a word on every transition."""

from __future__ import annotations

import subprocess
import sys

import pytest

from accepted.contract.diagram import mermaid
from accepted.contract.lifecycle import TABLE
from accepted.contract.operation import TERMINAL, Status
from tests.house.pages import blocks, row
from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")


def test_the_page_shows_the_generated_diagram() -> None:
    assert blocks(PAGE, "mermaid") == [mermaid()]


def test_the_command_on_the_page_prints_it() -> None:
    assert "python -m accepted.contract.diagram" in PAGE
    run = subprocess.run(
        [sys.executable, "-m", "accepted.contract.diagram"], capture_output=True, text=True, check=True
    )
    assert run.stdout == mermaid()


def test_every_edge_of_the_table_is_drawn_and_no_other() -> None:
    drawn = {
        (before.strip(), after.strip(), transition)
        for before, after, transitions in edges()
        for transition in transitions.split(", ")
    }
    assert drawn == {
        (before or "[*]", after, transition.__name__)
        for transition, moves in TABLE.items()
        for before, afters in moves.items()
        for after in afters
    }


def test_what_is_terminal_ends_the_diagram() -> None:
    ends = {line.split(" --> ")[0].strip() for line in mermaid().splitlines() if line.endswith("--> [*]")}
    assert ends == set(TERMINAL)


@pytest.mark.parametrize("name", [transition.__name__ for transition in TABLE])
def test_every_transition_is_explained(name: str) -> None:
    assert len(row(PAGE, name)) == 3


@pytest.mark.parametrize("status", Status)
def test_every_status_is_explained(status: Status) -> None:
    assert len(row(PAGE, status)) == 2


def edges() -> list[tuple[str, str, str]]:
    """(from, to, label) of each labelled line of the diagram."""
    found = []
    for line in mermaid().splitlines():
        arrow, separator, label = line.partition(" : ")
        if separator:
            before, after = arrow.split(" --> ")
            found.append((before, after, label))
    return found
