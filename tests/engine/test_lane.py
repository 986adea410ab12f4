"""One host's lane: few at once, longer claims for the quick, and peace for the dead."""

from __future__ import annotations

from accepted.engine.lane import AHEAD, AT_ONCE, COOL_DOWN, FAILURES, MEMORY, QUICK, Lane


def tried(lane: Lane, now: float = 0.0, *, well: bool = True, took: float = 0.01) -> None:
    lane.sending += 1
    lane.ended(now, well=well, took=took)


def broken() -> Lane:
    lane = Lane()
    for _ in range(FAILURES):
        tried(lane, well=False)
    return lane


def test_a_new_host_gets_a_few() -> None:
    assert Lane().room(0.0) == AT_ONCE


def test_one_that_answers_quickly_is_claimed_for_ahead_but_not_without_end() -> None:
    lane = Lane()
    for _ in range(20):
        tried(lane)
    assert lane.room(0.0) == AHEAD
    lane.sending = AT_ONCE
    assert not lane.free(0.0)
    assert lane.room(0.0) == AHEAD - AT_ONCE


def test_one_that_becomes_slow_or_fails_is_not() -> None:
    for trouble in ({"took": QUICK * 2}, {"well": False}):
        lane = Lane()
        for _ in range(20):
            tried(lane)
        tried(lane, **trouble)
        assert lane.room(0.0) == AT_ONCE


def test_after_failures_in_a_row_nothing_is_sent_for_a_while() -> None:
    lane = broken()
    assert lane.is_open(0.0)
    assert (lane.room(0.0), lane.free(0.0), lane.until_open(0.0)) == (0, False, COOL_DOWN)


def test_then_one_goes_first() -> None:
    lane = broken()
    assert lane.room(COOL_DOWN) == 1
    lane.sending = 1
    assert not lane.free(COOL_DOWN)
    lane.ended(COOL_DOWN, well=True, took=0.01)
    assert lane.room(COOL_DOWN) > 1


def test_and_if_it_fails_the_others_go_on_waiting() -> None:
    lane = broken()
    tried(lane, COOL_DOWN, well=False)
    assert lane.is_open(COOL_DOWN + 1)


def test_a_success_between_failures_keeps_it_closed() -> None:
    lane = Lane()
    for _ in range(3 * FAILURES):
        tried(lane, well=False)
        tried(lane)
    assert not lane.is_open(0.0)


def test_one_with_nothing_in_hand_and_nothing_to_remember_is_forgotten() -> None:
    assert Lane().forgettable(0.0)
    assert not broken().forgettable(COOL_DOWN)
    assert broken().forgettable(MEMORY + 1)
    failed_once = Lane()
    tried(failed_once, 1000.0, well=False)
    assert not failed_once.forgettable(1001.0), "or failures with pauses between them would never count"
    busy = Lane()
    busy.sending = 1
    assert not busy.forgettable(0.0)
