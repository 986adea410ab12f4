"""Durations as users write them, and the backoff between attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accepted.contract.policy import Backoff, milliseconds, seconds

chances = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("duration", "value"),
    [
        ("90s", 90),
        ("10m", 600),
        ("24h", 86_400),
        ("7d", 604_800),
        ("1h30m", 5400),
        ("1d2h3m4s5ms", 93_784.005),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        (" 90s ", 90),
        ("90", 90),
        ("0.5", 0.5),
        ("0", 0),
        (90, 90),
        (0.25, 0.25),
        (0, 0),
        (timedelta(minutes=2), 120),
        (timedelta(milliseconds=1), 0.001),
    ],
)
def test_a_duration_reads_as_it_is_written(duration: Any, value: float) -> None:
    assert seconds(duration) == pytest.approx(value, abs=1e-9)
    assert milliseconds(duration) == round(value * 1000)


@pytest.mark.parametrize(
    "duration",
    [
        "",
        " ",
        "s",
        "ten minutes",
        "10 m",
        "10m ago",
        "m10",
        "10w",
        "10M",
        "1h-30m",
        "-5s",
        "+5s5",
        "-1",
        "nan",
        "inf",
        "1e999",
        "10s\n1",
        -1,
        -0.001,
        float("nan"),
        float("inf"),
        10**400,
        True,
        False,
        None,
        [],
        b"90s",
        timedelta(seconds=-1),
    ],
    ids=repr,
)
def test_what_is_no_duration_is_a_value_error(duration: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(duration)


@given(st.text(max_size=12))
def test_no_text_does_worse_than_a_value_error(text: str) -> None:
    try:
        value = seconds(text)
    except ValueError:
        value = 0
    assert 0 <= value < float("inf")


@pytest.mark.parametrize(
    ("text", "first", "longest"),
    [("1s..60s", 1, 60), ("500ms..10m", 0.5, 600), ("5s", 5, 5), ("0s", 0, 0), ("5s..5s", 5, 5)],
)
def test_a_backoff_reads_as_it_is_written(text: str, first: float, longest: float) -> None:
    assert Backoff.parse(text) == Backoff(first, longest)
    assert Backoff.parse(Backoff(first, longest)) == Backoff(first, longest)


@pytest.mark.parametrize("text", ["", "..", "..60s", "60s..1s", "1s..x", "1s...60s", "1s..60s..90s"])
def test_what_is_no_backoff_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|backoff"):
        Backoff.parse(text)


def test_it_doubles_up_to_its_longest() -> None:
    backoff = Backoff(1, 60)
    almost_one = 1 - 2**-53
    ceilings = [round(backoff.delay(failures, almost_one), 6) for failures in range(1, 10)]
    assert ceilings == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert backoff.delay(10**6, almost_one) <= 60


@given(st.integers(1, 10**6), chances)
def test_its_jitter_is_full(failures: int, chance: float) -> None:
    backoff = Backoff(1, 60)
    assert 0 <= backoff.delay(failures, chance) < 60 or backoff.delay(failures, chance) == 60 * chance
    assert backoff.delay(failures, 0) == 0


@given(st.integers(1, 100), chances, st.floats(0, 10_000))
def test_retry_after_is_the_least_to_wait_and_jitter_comes_on_top(
    failures: int, chance: float, retry_after: float
) -> None:
    delay = Backoff(1, 60).delay(failures, chance, retry_after)
    assert retry_after <= delay <= retry_after + 1
