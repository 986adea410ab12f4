"""Ids of one process grow, so that lists and queues keep the order of the submits."""

from __future__ import annotations

from accepted.contract.operation import is_operation_id
from accepted.service import Ids


def test_within_one_millisecond() -> None:
    ids = Ids()
    made = [ids.next(1_000) for _ in range(1_000)]
    assert made == sorted(made)
    assert len(set(made)) == 1_000
    assert all(map(is_operation_id, made))


def test_when_the_clock_is_set_back() -> None:
    ids = Ids()
    assert ids.next(2_000) < ids.next(1_000) < ids.next(2_000) < ids.next(2_001)


def test_two_processes_do_not_meet() -> None:
    assert Ids().next(1_000) != Ids().next(1_000)
