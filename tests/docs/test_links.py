"""Links between the pages lead somewhere: the file is there, and so is the heading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)


def links(text: str) -> list[str]:
    """The targets of all links outside of code, but for those to other sites."""
    return [target for target in _LINK.findall(_FENCED.sub("", text)) if "://" not in target]


def anchors(text: str) -> set[str]:
    """The fragments of all headings, as the usual renderers make them."""
    headings = _HEADING.findall(_FENCED.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    return [target for target in links(text) if not _leads(page, target)]


def _leads(page: Path, target: str) -> bool:
    name, _, fragment = target.partition("#")
    there = page.parent / name if name else page
    return there.exists() and (not fragment or fragment in anchors(there.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_broken(page: Path) -> None:
    assert broken(page) == []


def test_broken_links_are_caught(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Loop-bound resources: `lifespan`\n", encoding="utf-8")
    page = tmp_path / "page.md"
    good = "[a](other.md) [b](other.md#loop-bound-resources-lifespan) [c](https://example.com/x) [d](#here)\n# Here\n"
    page.write_text(f"{good}```\n[e](nowhere.md)\n```\n[f](gone.md) [g](other.md#gone) [h](#gone)\n", encoding="utf-8")
    assert broken(page) == ["gone.md", "other.md#gone", "#gone"]


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page not in seen:
            seen.add(page)
            named = {target.partition("#")[0] for target in links(page.read_text(encoding="utf-8"))} - {""}
            waiting += [(page.parent / name).resolve() for name in named]
    assert set(PAGES) - seen == set()
