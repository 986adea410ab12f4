"""Operations as bars: what is drawn for which state, in how much room; and how fast they are said to go."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from accepted.client import Event, State
from accepted.command.bars import Bars
from accepted.command.pace import Pace

PHASES = [
    {"name": "VALIDATION", "status": "COMPLETED", "duration": 30.2},
    {"name": "DATA_PROCESSING", "status": "IN_PROGRESS", "percentage": 45},
    {"name": "REPORT_GENERATION", "status": "PENDING"},
]


def state(status: str = "PROCESSING", id: str = "op-1", **members: Any) -> State:
    return State.read({"operationId": id, "type": "sales-report", "status": status, **members})


def moving(current: int, total: int = 1000, **members: Any) -> dict[str, Any]:
    return {"current": current, "total": total, "percentage": 100 * current // total, **members}


class Screen:
    """Bars on a screen of so many lines and columns, at a time that the test sets."""

    def __init__(self, *states: State, height: int = 30, width: int = 100) -> None:
        self.now = 0.0
        self.bars = Bars(list(states), lambda: self.now)
        self._size = (width, height)

    def take(self, state: State, now: float) -> None:
        self.now = now
        self.bars.take(Event(name="status-update", document={}, state=state))

    def lines(self) -> list[str]:
        width, height = self._size
        console = Console(file=io.StringIO(), width=width, height=height, color_system=None, force_terminal=True)
        with console.capture() as capture:
            console.print(self.bars)
        return [line.rstrip() for line in capture.get().splitlines()]


def test_phases_rate_and_time_left() -> None:
    screen = Screen(state(progress=moving(100, phase="DATA_PROCESSING", phases=PHASES)))
    screen.take(state(progress=moving(450, phase="DATA_PROCESSING", message="Processing orders", phases=PHASES)), 7)
    first, *phases = screen.lines()
    assert "sales-report op-1" in first
    assert "45 % 7.0 s, 11 s left" in first
    assert phases[0].split() == ["✓", "VALIDATION", "30", "s"]
    assert phases[1].endswith("45 % 450/1,000  50/s  Processing orders")
    assert phases[2].split() == ["·", "REPORT_GENERATION"]


def test_the_reason_of_an_end_stands_beside_it() -> None:
    failed = state("FAILED", "op-1", error={"title": "Warehouse Closed", "detail": "It does not answer."})
    cancelled = state("CANCELLED", "op-2", reason="no need")
    warned = state("COMPLETED_WITH_ERRORS", "op-3", result={"warnings": [{"code": "A"}, {"code": "B"}]})
    lines = Screen(failed, cancelled, warned).lines()
    assert "FAILED  It does not answer." in lines[0]
    assert "CANCELLED  no need" in lines[1]
    assert "COMPLETED_WITH_ERRORS  2 warnings" in lines[2]


def test_what_goes_on_is_shown_where_there_is_no_room_for_all() -> None:
    ended = [state("COMPLETED", f"op-ended-{number}") for number in range(9)]
    lines = Screen(*ended, state(id="op-running", progress=moving(1, phases=PHASES)), height=6).lines()
    assert len(lines) == 5
    assert "-running" in lines[0]
    assert lines[-1].strip() == "and 6 more"


def test_a_narrow_screen_keeps_the_numbers() -> None:
    lines = Screen(state(progress=moving(450)), width=50).lines()
    assert len(lines) == 1
    assert "45 %" in lines[0]


def test_a_new_phase_has_a_pace_of_its_own() -> None:
    pace = Pace()
    for second in range(5):
        pace.feed(state(progress={"current": second * 100, "phase": "A", "percentage": second}), second)
    assert pace.rate == 100
    pace.feed(state(progress={"current": 0, "phase": "B", "percentage": 5}), 5)
    pace.feed(state(progress={"current": 3, "phase": "B", "percentage": 5}), 6)
    assert pace.rate == 3


def test_the_servers_promise_stands_until_there_is_a_pace() -> None:
    dates = {"updatedAt": "2026-11-25T00:00:00.000Z", "estimatedCompletion": "2026-11-25T00:00:40.000Z"}
    pace = Pace()
    promised = state("PENDING", **dates)
    pace.feed(promised, 100)
    assert pace.left(promised, 110) == 30
    assert pace.left(promised, 1000) == 0


def test_nothing_is_promised_without_a_reason() -> None:
    pace = Pace()
    standing = state(progress=moving(5))
    for second in range(3):
        pace.feed(standing, second)
    assert (pace.rate, pace.left(standing, 3)) == (None, None)
