"""The judge is shown bad histories first: each rule catches its own offence, and a good day passes."""

from __future__ import annotations

import pytest

from tests.processes import history
from tests.processes.diary import Edge, Entry
from tests.processes.history import Ack, History, Rule, Stored, complaints
from tests.processes.process import Kill

LIFE = ((1, "PENDING"), (2, "PROCESSING"), (3, "COMPLETED"))
TWO_LIVES = ((1, "PENDING"), (2, "PROCESSING"), (3, "PENDING"), (4, "PROCESSING"), (5, "COMPLETED"))


def entry(edge: Edge, at: float, *, attempt: int = 1, pid: int = 7, operation: str = "op-1") -> Entry:
    return Entry(operation, attempt, edge, at, pid)


def stored(status: str = "COMPLETED", *, events: tuple[tuple[int, str], ...] = LIFE, attempt: int = 1) -> Stored:
    return Stored("op-1", "key-1", status, attempt, events)


ACK = Ack("key-1", "op-1")
RUN = [entry("start", 1), entry("end", 2)]
GOOD = History([ACK], [stored()], RUN)
SURVIVED = History(
    acks=[ACK, ACK],
    operations=[stored(events=TWO_LIVES, attempt=2)],
    diary=[entry("start", 1), entry("start", 5, attempt=2, pid=8), entry("end", 6, attempt=2, pid=8)],
    kills=[Kill(7, "worker", 3)],
)

OFFENCES: dict[str, tuple[Rule, History, str]] = {
    "an acknowledged operation is gone": (
        history.nothing_lost,
        GOOD._replace(acks=[ACK, Ack("key-2", "op-2")]),
        "op-2 was acknowledged and is lost",
    ),
    "two answers for a key": (
        history.one_key_one_operation,
        GOOD._replace(acks=[ACK, Ack("key-1", "op-2")]),
        "key key-1 has 2 operations",
    ),
    "a second operation that nobody was told of": (
        history.one_key_one_operation,
        GOOD._replace(operations=[stored(), stored()._replace(id="op-2")]),
        "key key-1 has 2 operations",
    ),
    "an operation that never ends": (
        history.none_stuck,
        GOOD._replace(operations=[stored("PROCESSING", events=LIFE[:2])]),
        "op-1 is stuck as PROCESSING",
    ),
    "a gap": (
        history.numbered_without_gaps,
        GOOD._replace(operations=[stored(events=(LIFE[0], LIFE[2]))]),
        "op-1 has events [1, 3]",
    ),
    "a number twice": (
        history.numbered_without_gaps,
        GOOD._replace(operations=[stored(events=(LIFE[0], LIFE[1], LIFE[1], LIFE[2]))]),
        "op-1 has events [1, 2, 2, 3]",
    ),
    "no event at all": (
        history.numbered_without_gaps,
        GOOD._replace(operations=[stored(events=())]),
        "op-1 has events []",
    ),
    "two ends": (
        history.ended_once,
        GOOD._replace(operations=[stored(events=(*LIFE, (4, "CANCELLED")))]),
        "op-1 is COMPLETED and its terminal events are ['COMPLETED', 'CANCELLED']",
    ),
    "an end without an event": (
        history.ended_once,
        GOOD._replace(operations=[stored(events=LIFE[:2])]),
        "op-1 is COMPLETED and its terminal events are []",
    ),
    "an event that says otherwise": (
        history.ended_once,
        GOOD._replace(operations=[stored("FAILED")]),
        "op-1 is FAILED and its terminal events are ['COMPLETED']",
    ),
    "a life after the end": (
        history.ended_once,
        GOOD._replace(operations=[stored("PROCESSING", events=(*LIFE, (4, "PROCESSING")))]),
        "op-1 has events after its end",
    ),
    "a failure of work that cannot fail": (
        history.only_what_was_meant,
        GOOD._replace(operations=[stored("FAILED")._replace(problem="worker-lost")]),
        "op-1 ended FAILED worker-lost",
    ),
    "completed without having run": (
        history.work_was_done,
        GOOD._replace(diary=RUN[:1]),
        "op-1 is COMPLETED, but its attempt 1 never came to its end",
    ),
    "the work of an older attempt counted": (
        history.work_was_done,
        SURVIVED._replace(diary=RUN),
        "op-1 is COMPLETED, but its attempt 2 never came to its end",
    ),
    "an attempt begun twice": (
        history.attempts_run_once,
        GOOD._replace(diary=[entry("start", 0.5, pid=8), *RUN]),
        "op-1 began its attempt 1 2 times",
    ),
    "two attempts at once": (
        history.attempts_do_not_overlap,
        SURVIVED._replace(diary=[*SURVIVED.diary, entry("end", 5.5)]),
        "op-1: attempt 2 began before attempt 1 was over",
    ),
    "a successor before the death": (
        history.attempts_do_not_overlap,
        SURVIVED._replace(kills=[Kill(7, "worker", 5.5)]),
        "op-1: attempt 2 began before attempt 1 was over",
    ),
    "a function that vanished": (
        history.only_kills_leave_no_end,
        SURVIVED._replace(kills=[]),
        "op-1: attempt 1 vanished in process 7, which nobody killed",
    ),
}


@pytest.mark.parametrize("day", [GOOD, SURVIVED], ids=["quiet", "survived"])
def test_a_good_day_passes(day: History) -> None:
    assert complaints(day) == []


@pytest.mark.parametrize("offence", OFFENCES)
def test_an_offence_is_caught(offence: str) -> None:
    rule, day, complaint = OFFENCES[offence]
    assert list(rule(day)) == [complaint]
    assert complaint in complaints(day)


def test_every_rule_has_an_offence() -> None:
    assert {rule for rule, _, _ in OFFENCES.values()} == set(history.RULES)
