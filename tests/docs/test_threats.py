"""Each line of the page of threats names tests, and they are there."""

from __future__ import annotations

import re

import pytest

from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "threats.md"
LINES = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and "`" in line]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[1].strip()[:40])
def test_what_is_said_to_be_defended_is_shown(line: str) -> None:
    *_, shown, _ = line.split("|")
    named = re.findall(r"`([\w./*-]+)`", shown)
    assert named
    for name in named:
        pattern = name if "/" in name or name[0].isupper() or name.endswith(".lock") else f"tests/*/{name}"
        assert list(ROOT.glob(pattern)), f"there is no {name}"
