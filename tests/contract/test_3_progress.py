"""Progress: it never falls, stays within 0 to 100, and says 100 only at the end (contract, section 3; P1, P2, P4)."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accepted.contract.progress import (
    Phase,
    PhaseStatus,
    Progress,
    advance,
    announced,
    enter,
    finished,
    leave,
    restarted,
)

NAMES = ["LOAD", "PROCESS", "SAVE"]

numbers = st.one_of(
    st.none(),
    st.integers(-10, 2000),
    st.integers(),
    st.floats(-10, 2000),
    st.floats(),
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 10**400, 5e-324, True]),
)
reports = st.tuples(st.just("advance"), numbers, numbers, numbers)
moves = st.one_of(
    reports,
    st.tuples(st.just("enter"), st.sampled_from([*NAMES, "UNANNOUNCED"])),
    st.tuples(st.just("leave")),
)
starts = st.one_of(
    st.just(Progress()),
    st.sampled_from([NAMES, ["LOAD"]]).map(lambda names: announced(names) or Progress()),
    st.dictionaries(st.sampled_from(NAMES), st.floats(0.001, 1000), min_size=1).map(
        lambda w: announced(w) or Progress()
    ),
)


def moved(progress: Progress, move: Any, at: int) -> Progress:
    match move:
        case ("advance", current, total, percentage):
            return advance(progress, current=current, total=total, percentage=percentage)
        case ("enter", name):
            return enter(progress, name, at)
        case _:
            return leave(progress, at) if progress.phases else progress


@given(starts, st.lists(moves, max_size=30))
def test_whatever_is_reported_it_stays_decent(start: Progress, history: list[Any]) -> None:
    progress = start
    for at, move in enumerate(history):
        before, progress = progress, moved(progress, move, at * 1000)
        assert 0 <= (progress.percentage or 0) <= 99
        assert (progress.percentage or 0) >= (before.percentage or 0)
        assert progress.current is None or 0 <= progress.current < math.inf
        assert progress.total is None or (progress.current or 0) <= progress.total < math.inf
        if progress.phase == before.phase and move[0] == "advance":
            assert (progress.current or 0) >= (before.current or 0)
        assert len({phase.name for phase in progress.phases}) == len(progress.phases)
        running = [phase.name for phase in progress.phases if phase.status is PhaseStatus.IN_PROGRESS]
        assert running == ([] if progress.phase is None else [progress.phase])
    end = finished(progress, 10**6)
    assert end is not None
    assert (end.percentage, end.phase) == (100, None)
    assert msgspec.json.decode(msgspec.json.encode(end), type=Progress) == end


@pytest.mark.parametrize("current", range(101))
def test_a_percentage_is_rounded_down_and_exact_where_it_is_whole(current: int) -> None:
    assert advance(Progress(), current=current, total=100).percentage == min(current, 99)
    assert advance(Progress(), percentage=current).percentage == min(current, 99)
    assert advance(Progress(), current=current + 0.9, total=100).percentage == min(current, 99)


def test_the_last_item_does_not_say_100_yet() -> None:
    assert advance(Progress(), current=7, total=7) == Progress(current=7, total=7, percentage=99)


def test_a_report_without_a_total_has_no_percentage() -> None:
    assert advance(Progress(), current=7, message="counting") == Progress(current=7, message="counting")
    assert advance(Progress(), current=0, total=0).percentage is None


def test_what_was_said_before_stands_until_something_else_is_said() -> None:
    progress = advance(Progress(), current=1, total=4, message="first")
    assert advance(progress, current=2) == Progress(current=2, total=4, percentage=50, message="first")
    assert advance(progress, message="second") == Progress(current=1, total=4, percentage=25, message="second")
    assert advance(progress, message="").message == ""
    assert advance(progress) == progress


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -1, -0.5, 2**63, 10**400, "5", b"5", [], Decimal(5)])
def test_what_is_no_number_is_not_taken(number: Any) -> None:
    progress = advance(Progress(), current=1, total=4)
    assert advance(progress, current=number, total=number) == progress


@pytest.mark.parametrize("number", [True, Fraction(3, 2), type("F", (float,), {})(1.5), type("I", (int,), {})(3)])
def test_what_only_behaves_like_a_number_becomes_a_plain_one(number: Any) -> None:
    progress = advance(Progress(), current=number, total=number)
    assert progress.current == progress.total == number
    assert type(progress.current) in (int, float)


@pytest.mark.parametrize(
    ("percentage", "shown"), [(math.nan, 25), (math.inf, 25), (10**400, 25), (-5, 25), (24, 25), (250, 99), (50.9, 50)]
)
def test_a_percentage_that_makes_no_sense_is_bounded_or_not_taken(percentage: float, shown: int) -> None:
    progress = advance(Progress(), current=1, total=4)
    assert advance(progress, percentage=percentage).percentage == shown


def test_current_passes_no_total() -> None:
    assert advance(Progress(), current=120, total=100) == Progress(current=100, total=100, percentage=99)
    counting = advance(Progress(), current=50, total=100)
    assert advance(counting, current=150).current == 100


def test_a_total_that_shrinks_lets_nothing_fall() -> None:
    counting = advance(Progress(), current=50, total=100)
    assert advance(counting, total=20) == Progress(current=50, total=50, percentage=99)
    assert advance(counting, current=60, total=20) == Progress(current=50, total=50, percentage=99)


def test_a_total_that_grows_keeps_the_percentage() -> None:
    counting = advance(Progress(), current=50, total=100)
    assert advance(counting, total=1000) == Progress(current=50, total=1000, percentage=50)
    assert advance(counting, current=600, total=1000).percentage == 60


class TestPhases:
    def test_they_are_announced_with_equal_or_given_weights(self) -> None:
        assert announced(NAMES) == Progress(phases=tuple(Phase(name) for name in NAMES))
        assert announced({"LOAD": 3}) == Progress(phases=(Phase("LOAD", weight=3.0),))
        assert announced([]) is announced({}) is None

    @pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf])
    def test_a_weight_is_positive_and_finite(self, weight: float) -> None:
        with pytest.raises(ValueError, match="positive, finite"):
            announced({"LOAD": weight})

    def test_they_roll_up_into_one_percentage(self) -> None:
        progress = enter(announced(NAMES) or Progress(), "LOAD", 0)
        assert progress.percentage == 0
        progress = advance(progress, current=1, total=2)
        assert progress.percentage == 16
        progress = enter(progress, "PROCESS", 30_200)
        assert (progress.percentage, progress.current, progress.total) == (33, None, None)
        assert progress.phases[0] == Phase("LOAD", PhaseStatus.COMPLETED, started_at=0, duration=30.2)
        progress = advance(progress, current=45, total=100)
        assert (progress.percentage, progress.phases[1].percentage) == (48, 45)
        progress = leave(enter(leave(progress, 40_000), "SAVE", 40_000), 50_000)
        assert progress.percentage == 99

    def test_by_their_weights(self) -> None:
        progress = leave(enter(announced({"LOAD": 1, "PROCESS": 8, "SAVE": 1}) or Progress(), "LOAD", 0), 1)
        assert progress.percentage == 10
        assert advance(enter(progress, "PROCESS", 2), percentage=50).percentage == 50

    def test_three_thirds_lose_nothing_to_rounding(self) -> None:
        weights = {"LOAD": 0.1, "PROCESS": 0.2, "SAVE": 0.7}
        progress = leave(enter(announced(weights) or Progress(), "SAVE", 0), 1)
        assert progress.percentage == 70

    def test_one_that_was_not_announced_joins_at_the_end(self) -> None:
        progress = enter(announced(["LOAD"]) or Progress(), "EXTRA", 0)
        assert [phase.name for phase in progress.phases] == ["LOAD", "EXTRA"]
        assert progress.phase == "EXTRA"

    def test_one_that_joins_late_does_not_let_the_whole_fall(self) -> None:
        progress = leave(enter(announced(["LOAD"]) or Progress(), "LOAD", 0), 1)
        assert progress.percentage == 99
        assert enter(progress, "EXTRA", 2).percentage == 99

    def test_entering_the_next_completes_the_one_that_still_runs(self) -> None:
        progress = enter(enter(announced(NAMES) or Progress(), "LOAD", 0), "SAVE", 500)
        assert [p.status for p in progress.phases] == [
            PhaseStatus.COMPLETED,
            PhaseStatus.PENDING,
            PhaseStatus.IN_PROGRESS,
        ]

    def test_one_that_is_entered_again_adds_up_its_durations(self) -> None:
        progress = enter(announced(["LOAD"]) or Progress(), "LOAD", 0)
        progress = leave(advance(progress, percentage=80), 1000)
        progress = enter(progress, "LOAD", 5000)
        (phase,) = progress.phases
        assert (phase.status, phase.percentage, progress.percentage) == (PhaseStatus.IN_PROGRESS, 0, 99)
        assert leave(progress, 7000).phases[0].duration == 3.0

    def test_a_clock_that_goes_back_makes_no_negative_duration(self) -> None:
        progress = leave(enter(announced(["LOAD"]) or Progress(), "LOAD", 5000), 1000)
        assert progress.phases[0].duration == 0.0

    def test_a_message_is_the_phases_own(self) -> None:
        progress = advance(enter(announced(NAMES) or Progress(), "LOAD", 0), message="reading")
        assert enter(progress, "SAVE", 1).message is None


class TestTheEnd:
    def test_it_says_100_and_counts_to_the_total(self) -> None:
        assert finished(advance(Progress(), current=90, total=100), 0) == Progress(100, 100, 100)
        assert finished(Progress(), 0) == Progress(percentage=100)
        assert finished(None, 0) is None

    def test_it_completes_what_runs_and_lets_be_what_never_began(self) -> None:
        end = finished(enter(announced(["LOAD", "SAVE"]) or Progress(), "LOAD", 0), 1500)
        assert end is not None
        assert [(p.status, p.duration) for p in end.phases] == [
            (PhaseStatus.COMPLETED, 1.5),
            (PhaseStatus.PENDING, None),
        ]

    def test_another_attempt_starts_from_the_announced_phases(self) -> None:
        start = announced({"LOAD": 2, "SAVE": 1})
        assert restarted(leave(enter(start or Progress(), "LOAD", 0), 1)) == start
        assert restarted(advance(Progress(), current=1, total=2)) is None
        assert restarted(None) is None
