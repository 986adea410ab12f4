"""All checks as the table of docs/verify.md: `python -m accepted.verify.catalogue` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from .check import CHECKS, SECTIONS
from .run import chosen


def lines() -> Iterator[str]:
    """The table, section by section."""
    for group, title in SECTIONS.items():
        yield f"**{title}**"
        yield ""
        yield "| check | level | what it shows | needs |"
        yield "|---|---|---|---|"
        for check in chosen(sections=[group]):
            needs = [f"`{each}`" for each in (*check.uses, *check.needs) if each != "quick"]
            yield f"| `{check.id}` | {check.level} | {check.shows} | {', '.join(needs)} |"
        yield ""


def summary() -> str:
    """How many there are of each level."""
    levels = [check.level for check in CHECKS.values()]
    told = ", ".join(
        f"{levels.count(level)} {level}" for level in dict.fromkeys(sorted(levels, key=lambda x: x.height))
    )
    return f"{len(levels)} checks: {told}."


if __name__ == "__main__":
    print(summary(), *lines(), sep="\n")  # noqa: T201
