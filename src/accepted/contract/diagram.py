"""The lifecycle's table as a Mermaid state diagram: docs/lifecycle.md shows it, a test compares the two.

Nothing is drawn by hand. An edge is there because `TABLE` has it, and bears the names of all transitions that may take
it. `python -m accepted.contract.diagram` prints what belongs into the page.
"""

from __future__ import annotations

from collections.abc import Iterator

from .lifecycle import TABLE
from .operation import TERMINAL, Status

OUTSIDE = "[*]"
"""Mermaid's name for what is before the first state and after the last one."""

Edge = tuple[Status | None, Status]


def mermaid() -> str:
    """The diagram, ending in a line break; always the same text for the same table."""
    lines = ["stateDiagram-v2", *map(_line, _edges().items()), *_ends()]
    return "\n    ".join(lines) + "\n"


def _edges() -> dict[Edge, list[str]]:
    """Which transitions lead from one state to another, edges in the order of a life."""
    found: dict[Edge, list[str]] = {}
    for transition, row in TABLE.items():
        for before, afters in row.items():
            for after in afters:
                found.setdefault((before, after), []).append(transition.__name__)
    return dict(sorted(found.items(), key=lambda item: _turn(item[0])))


def _turn(edge: Edge) -> tuple[int, int]:
    order = (None, *Status)
    before, after = edge
    return order.index(before), order.index(after)


def _line(edge: tuple[Edge, list[str]]) -> str:
    (before, after), transitions = edge
    return f"{before or OUTSIDE} --> {after} : {', '.join(transitions)}"


def _ends() -> Iterator[str]:
    return (f"{status} --> {OUTSIDE}" for status in Status if status in TERMINAL)


if __name__ == "__main__":
    print(mermaid(), end="")  # noqa: T201  (printing is what it was called for)
