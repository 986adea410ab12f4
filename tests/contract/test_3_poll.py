"""When to ask again, and when it may be done (contract, section 3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accepted.contract.policy import poll_interval, remaining, typical

spans = st.floats(0, 10**7)


@pytest.mark.parametrize(
    ("age", "left", "minimum", "advice"),
    [
        (0, None, 1, 1),
        (9.9, None, 1, 1),
        (20, None, 1, 2),
        (55, None, 1, 5),
        (299, None, 1, 29),
        (3600, None, 1, 30),
        (300, 10, 1, 5),
        (300, 1.5, 1, 1),
        (300, 0, 1, 1),
        (20, 1000, 1, 2),
        (0, None, 5, 5),
        (0, None, 2.5, 3),
        (0, None, 0, 1),
        (3600, 2, 60, 60),
    ],
)
def test_it_grows_with_the_age_and_shrinks_near_the_end(
    age: float, left: float | None, minimum: float, advice: float
) -> None:
    assert poll_interval(age, left, minimum) == advice


@given(spans, st.none() | spans, st.floats(0, 30))
def test_it_is_whole_seconds_from_the_minimum_to_30(age: float, left: float | None, minimum: float) -> None:
    advice = poll_interval(age, left, minimum)
    assert advice == int(advice)
    assert max(1.0, minimum) <= advice <= 30


@given(spans, spans, st.floats(0, 30))
def test_it_never_shrinks_as_time_passes(age: float, more: float, minimum: float) -> None:
    assert poll_interval(age, None, minimum) <= poll_interval(age + more, None, minimum)


@pytest.mark.parametrize(
    ("durations", "median"),
    [([], None), ([1.0], None), ([1.0, 2.0], None), ([3.0, 1.0, 2.0], 2.0), ([4.0, 1.0, 2.0, 3.0], 2.5)],
)
def test_history_says_something_from_three_runs_on(durations: list[float], median: float | None) -> None:
    assert typical(durations) == median


@pytest.mark.parametrize(
    ("elapsed", "share", "usual", "left"),
    [
        (10, None, None, None),
        (10, None, 30, 20),
        (10, 0.25, None, 30),
        (10, 0.5, 30, 15),
        (0, 0.5, None, None),
        (0, None, 30, 30),
        (40, None, 30, None),
        (30, None, 30, None),
        (40, 0.8, 30, 10),
        (10, 0.0, 30, 20),
        (10, 1.0, None, 0),
    ],
)
def test_what_is_left_follows_from_history_and_pace(
    elapsed: float, share: float | None, usual: float | None, left: float | None
) -> None:
    assert remaining(elapsed, share, usual) == left


@given(spans, st.none() | st.floats(0.01, 1), st.none() | spans)
def test_what_is_left_is_never_negative(elapsed: float, share: float | None, usual: float | None) -> None:
    left = remaining(elapsed, share, usual)
    assert left is None or left >= 0
