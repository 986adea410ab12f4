"""What the tests measure: kept with each test's report and printed at the end of the run, also from other processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

MARK = "figure: "
SHOWN = pytest.StashKey[bool]()


class Figures:
    """A test's own measurements."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record

    def milliseconds(self, name: str, seconds: Sequence[float]) -> None:
        """The median, the 99th percentile and the slowest of some times."""
        ordered = sorted(seconds)
        parts = [("median", ordered[len(ordered) // 2]), ("99th", quantile(ordered, 0.99)), ("slowest", ordered[-1])]
        self.note(name, ", ".join(f"{word} {value * 1000:.1f} ms" for word, value in parts) + f" of {len(ordered)}")

    def note(self, name: str, value: object) -> None:
        """Anything else."""
        self._record(MARK + name, str(value))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all lie."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def summarise(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """The hook `pytest_terminal_summary`."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    found = [pair for report in reports if report.when == "call" for pair in report.user_properties]
    lines = [f"{name.removeprefix(MARK)}: {value}" for name, value in found if name.startswith(MARK)]
    if lines and not config.stash.get(SHOWN, False):  # each folder's conftest brings this hook
        config.stash[SHOWN] = True
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(lines))
