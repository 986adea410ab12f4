"""The judge is shown bad histories first: each rule catches its own offence, and a good day passes."""

from __future__ import annotations

import pytest

from accepted import history
from accepted.history import Close, End, Harm, Listed, Open, Read, Record, Start, Submit, Told, Write, judge

A = "op-a"
LIFE = ((1, "PENDING"), (2, "PROCESSING"), (3, "COMPLETED"))
TWO_LIVES = ((1, "PENDING"), (2, "PROCESSING"), (3, "PENDING"), (4, "PROCESSING"), (5, "COMPLETED"))


def submit(at: float = 0, *, key: str = "key-1", status: int = 202, id: str = A, problem: str = "") -> Submit:
    operation = id if status == 202 else ""
    return Submit(key=key, status=status, operation_id=operation, problem=problem, began=at, ended=at + 0.1)


def read(at: float, state: str = "COMPLETED", *, version: int = 3, attempt: int = 1, body: str = "") -> Read:
    body = body or f"{state}-{version}"
    return Read(operation_id=A, began=at, ended=at + 0.1, state=state, version=version, attempt=attempt, body=body)


def missing(at: float, status: int = 404) -> Read:
    return Read(operation_id=A, began=at, ended=at + 0.1, status=status)


def listed(state: str = "COMPLETED", *, id: str = A, attempt: int = 1, events: object = LIFE, key: str = "") -> Listed:
    return Listed(operation_id=id, state=state, attempt=attempt, events=events, key=key)  # type: ignore[arg-type]


def start(at: float, attempt: int = 1, process: str = "7", key: str = "") -> Start:
    return Start(operation_id=A, attempt=attempt, process=process, at=at, key=key)


def end(at: float, attempt: int = 1, process: str = "7", *, returned: bool = True) -> End:
    return End(operation_id=A, attempt=attempt, process=process, at=at, returned=returned)


def wrote(at: float, attempt: int = 1) -> Write:
    return Write(operation_id=A, attempt=attempt, began=at, ended=at + 0.1)


def opened(at: float = 1, *, after: int | None = 0, connection: str = "s") -> Open:
    return Open(operation_id=A, connection=connection, at=at, after=after)


def told(sequence: int, state: str, at: float = 2, *, connection: str = "s", reset: bool = False) -> Told:
    return Told(operation_id=A, connection=connection, sequence=sequence, state=state, at=at, reset=reset)


def closed(at: float) -> Close:
    return Close(connection="s", at=at)


DONE = read(9)
STREAM: list[Record] = [opened(), told(1, "PENDING"), told(2, "PROCESSING"), told(3, "COMPLETED"), closed(3)]

GOOD_DAYS: dict[str, list[Record]] = {
    "nothing": [],
    "quiet": [submit(), read(0.5, "PENDING", version=1), start(1), wrote(1.2), end(2), DONE, *STREAM],
    "listed": [submit(), start(1), end(2), listed()],
    "told twice": [submit(), submit(1), DONE, listed()],
    "an answer that was lost": [submit(status=0), submit(1), DONE],
    "refused, then taken": [submit(status=503, problem="overloaded"), submit(1), DONE],
    "a bare 503 of a proxy, and it exists": [submit(status=503), listed(key="key-1")],
    "a key that is known": [submit(status=422, problem="idempotency-key-reused"), listed(key="key-1")],
    "refused for good": [submit(status=422, problem="invalid-request")],
    "expired": [submit(), DONE, missing(20, 410), missing(30, 404)],
    "killed, and run again": [
        submit(),
        start(1),
        Harm(process="7", at=3),
        start(5, 2, "8"),
        end(6, 2, "8"),
        read(7, attempt=2),
    ],
    "frozen, and woken too late": [
        submit(),
        start(1),
        wrote(1.1),
        Harm(process="7", at=2, kind="frozen", until=6),
        start(5, 2, "8"),
        wrote(5.5, 2),
        end(6.2, returned=False),
        end(7, 2, "8"),
        read(8, attempt=2),
    ],
    "a write on its way when it lost its lease": [
        submit(),
        start(1),
        wrote(4.95),
        Harm(process="7", at=5),
        start(5, 2),
        end(6, 2),
        read(9, attempt=2),
    ],
    "reads that overlap": [submit(), read(1, "PROCESSING", version=3), read(1.05, "PROCESSING", version=2), DONE],
    "resumed": [
        submit(),
        DONE,
        opened(),
        told(1, "PENDING"),
        opened(after=1, connection="t"),
        told(2, "PROCESSING", connection="t"),
    ],
    "from the present on": [submit(), DONE, opened(after=None), told(2, "PROCESSING"), told(3, "COMPLETED")],
    "compacted": [submit(), DONE, opened(), told(2, "PROCESSING", reset=True), told(3, "COMPLETED")],
    "events are late": [submit(), read(1), told(2, "PROCESSING", 2), told(3, "COMPLETED", 3)],
    "retried": [
        submit(),
        read(9, "FAILED"),
        Read(operation_id=A, began=10, ended=11, state="FAILED", body="with a link", retried=True),
    ],
    "another machine's clock": [
        submit(),
        DONE,
        Read(operation_id=A, began=90, ended=91, state="PENDING", version=1, clock="b"),
    ],
}

OFFENCES: dict[str, tuple[str, list[Record], str]] = {
    "an acknowledged operation is gone": (
        "nothing lost",
        [submit(), listed(id="op-b")],
        "op-a was acknowledged and is lost",
    ),
    "a poll after the 202 finds nothing": (
        "nothing lost",
        [submit(), missing(1), DONE],
        "op-a was acknowledged, and a later read did not find it",
    ),
    "an operation that never ends": (
        "all ended",
        [submit(), listed("PROCESSING", events=LIFE[:2])],
        "op-a is stuck as PROCESSING",
    ),
    "nobody has seen its end": (
        "all ended",
        [submit(), read(1, "PENDING", version=1)],
        "op-a has no end: last seen PENDING",
    ),
    "nobody has seen it": ("all ended", [submit()], "op-a has no end: nobody has seen it again"),
    "two answers for a key": (
        "one key, one operation",
        [submit(), submit(1, id="op-b"), listed(), listed(id="op-b")],
        "key key-1 has 2 operations: op-a, op-b",
    ),
    "a second operation that nobody was told of": (
        "one key, one operation",
        [submit(), listed(), listed(id="op-b", key="key-1")],
        "key key-1 has 2 operations: op-a, op-b",
    ),
    "one that only its function knows": (
        "one key, one operation",
        [submit(id="op-b"), listed(id="op-b"), start(1, key="key-1"), end(2)],
        "key key-1 has 2 operations: op-a, op-b",
    ),
    "refused, and it exists": (
        "refused is not there",
        [submit(status=503, problem="overloaded"), listed(key="key-1")],
        "key key-1 was refused, and op-a exists",
    ),
    "two ends": ("one end", [submit(), read(1, "FAILED"), read(2)], "op-a was seen to end as COMPLETED and as FAILED"),
    "two documents of the end": (
        "the end stays",
        [submit(), DONE, read(10, body="other")],
        "op-a has ended, and 2 different documents of it were read",
    ),
    "a life after the end": ("the end stays", [submit(), DONE, read(10, "PROCESSING")], "op-a had ended, and goes on"),
    "an old version": (
        "versions grow",
        [submit(), DONE, read(0.5, "PROCESSING"), read(1, "PROCESSING", version=2)],
        "op-a was read with version 2 after version 3",
    ),
    "a lower attempt": (
        "attempts grow",
        [submit(), read(1, "PROCESSING", attempt=2), read(2, "PROCESSING"), read(9, attempt=2)],
        "op-a was read with attempt 1 after attempt 2",
    ),
    "a gap on a connection": (
        "numbered without gaps",
        [submit(), opened(), told(1, "PENDING"), told(3, "COMPLETED")],
        "op-a: connection s was told event 3 after 1",
    ),
    "an event twice": (
        "numbered without gaps",
        [submit(), DONE, opened(after=1), told(2, "PROCESSING"), told(2, "PROCESSING")],
        "op-a: connection s was told event 2 again",
    ),
    "out of order": (
        "numbered without gaps",
        [submit(), opened(after=None), told(2, "PROCESSING"), told(1, "PENDING"), DONE],
        "op-a: connection s was told event 1 again",
    ),
    "resumed elsewhere than it ended": (
        "numbered without gaps",
        [submit(), opened(after=1), told(3, "COMPLETED")],
        "op-a: connection s was told event 3 after 1",
    ),
    "a gap in the store": (
        "numbered without gaps",
        [submit(), listed(events=(LIFE[0], LIFE[2]))],
        "op-a has events [1, 3]",
    ),
    "no event at all": ("numbered without gaps", [submit(), listed(events=())], "op-a has events []"),
    "two ends in the store": (
        "the end is last",
        [submit(), listed(events=(*LIFE, (4, "CANCELLED")))],
        "op-a is COMPLETED and its terminal events are ['COMPLETED', 'CANCELLED']",
    ),
    "an end without an event": (
        "the end is last",
        [submit(), listed(events=LIFE[:2])],
        "op-a is COMPLETED and its terminal events are []",
    ),
    "a life after the last event": (
        "the end is last",
        [submit(), listed("PROCESSING", events=(*LIFE, (4, "PROCESSING")))],
        "op-a has events after its end",
    ),
    "told more after the end": (
        "the end is last",
        [submit(), opened(after=2), told(3, "COMPLETED"), told(4, "PENDING")],
        "op-a: connection s was told event 4 after the end",
    ),
    "an event that is two": (
        "all told the same",
        [submit(), DONE, told(2, "PROCESSING"), told(2, "PENDING", connection="t")],
        "event 2 of op-a is PENDING and PROCESSING",
    ),
    "an event that the store has otherwise": (
        "all told the same",
        [submit(), told(2, "PENDING"), listed()],
        "event 2 of op-a is PENDING and PROCESSING",
    ),
    "never told of the end": (
        "told in time",
        [submit(), read(9), opened(), told(1, "PENDING"), closed(20)],
        "op-a: connection s was not told of the end for 10.9 s",
    ),
    "told late": (
        "told in time",
        [submit(), read(9), opened(after=2), told(3, "COMPLETED", 15.1), closed(16)],
        "op-a: connection s was not told of the end for 6.0 s",
    ),
    "completed without having run": (
        "work was done",
        [submit(), start(1), end(2, returned=False), DONE],
        "op-a is COMPLETED, but its attempt 1 never returned",
    ),
    "the work of an older attempt counted": (
        "work was done",
        [submit(), start(1), end(2), start(3, 2), end(4, 2, returned=False), read(9, attempt=2)],
        "op-a is COMPLETED, but its attempt 2 never returned",
    ),
    "completed before it returned": (
        "work was done",
        [submit(), start(1), read(2), end(4)],
        "op-a was COMPLETED 1.900 s before its attempt 1 returned",
    ),
    "an attempt begun twice": (
        "attempts begin once",
        [submit(), start(0.5, process="8"), end(0.6, process="8"), start(1), end(2), DONE],
        "op-a began its attempt 1 2 times",
    ),
    "attempts that fall": (
        "attempts begin once",
        [submit(), start(1, 2), end(2, 2), start(3), end(4), DONE],
        "op-a began attempt 1 after attempt 2",
    ),
    "two attempts at once": (
        "one at a time",
        [submit(), start(1), start(3, 2, "8"), end(4), end(5, 2, "8"), read(9, attempt=2)],
        "op-a: attempt 2 began before attempt 1 was over",
    ),
    "a successor before the death": (
        "one at a time",
        [submit(), start(1), Harm(process="7", at=5), start(4, 2, "8"), end(6, 2, "8"), read(9, attempt=2)],
        "op-a: attempt 2 began before attempt 1 was over",
    ),
    "frozen only afterwards": (
        "one at a time",
        [
            submit(),
            start(1),
            Harm(process="7", at=4, kind="frozen", until=5),
            start(3, 2, "8"),
            end(6),
            end(6, 2, "8"),
            read(9, attempt=2),
        ],
        "op-a: attempt 2 began before attempt 1 was over",
    ),
    "a stale write": (
        "stale writes",
        [
            submit(),
            start(1),
            Harm(process="7", at=2, kind="frozen", until=6),
            start(5, 2, "8"),
            wrote(6.1),
            end(7),
            end(8, 2, "8"),
            read(9, attempt=2),
        ],
        "op-a: attempt 1 wrote after attempt 2 had begun",
    ),
    "a function that vanished": (
        "only harm leaves no end",
        [submit(), start(1), start(5, 2, "8"), end(6, 2, "8"), read(9, attempt=2)],
        "op-a: attempt 1 vanished in process 7, which nobody killed",
    ),
}


def day(records: list[Record]) -> list[history.Entry]:
    """As they come out of a file, and so through their lines."""
    return list(history.read("day", [history.write(record) for record in records]))


@pytest.mark.parametrize("name", GOOD_DAYS)
def test_a_good_day_passes(name: str) -> None:
    assert [violation.sentence for violation in judge(day(GOOD_DAYS[name])).violations] == []


@pytest.mark.parametrize("name", OFFENCES)
def test_an_offence_is_caught(name: str) -> None:
    rule, records, sentence = OFFENCES[name]
    found = [violation for violation in judge(day(records)).violations if violation.rule == rule]
    assert [violation.sentence for violation in found] == [sentence]
    assert found[0].evidence


def test_work_that_cannot_fail_has_not_failed() -> None:
    failed: list[Record] = [submit(), Listed(operation_id=A, state="FAILED", problem="worker-lost")]
    assert judge(day(failed)).kept
    verdict = judge(day(failed), meant=frozenset({"COMPLETED"}))
    assert [violation.sentence for violation in verdict.violations] == ["op-a ended FAILED worker-lost"]


def test_every_rule_has_an_offence() -> None:
    assert len({rule for rule, _, _ in OFFENCES.values()}) == len(history.RULES) + 1, "and told_in_time"


def test_the_verdict_says_over_how_much() -> None:
    verdict = judge(day(GOOD_DAYS["quiet"]))
    assert (verdict.records, verdict.operations, verdict.acknowledged, verdict.kept) == (11, 1, 1, True)


def test_it_takes_a_day_of_many_operations_in_little_time() -> None:
    """Every rule is nearly linear: a hundred thousand records are seconds, not hours."""
    many: list[Record] = [read(at, "PROCESSING", version=at) for at in range(100_000)]
    assert {violation.rule for violation in judge(day(many)).violations} == {"all ended"}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{\n", "day:2: "),
        (b'{"what": "poem"}\n', "day:2: Invalid value 'poem'"),
        (b'{"what": "close", "connection": 1, "at": 2}\n', "day:2: Expected `str`, got `int`"),
    ],
)
def test_what_is_no_record_is_said(line: bytes, complaint: str) -> None:
    with pytest.raises(history.Unreadable) as refused:
        list(history.read("day", [history.write(DONE), line]))
    assert str(refused.value).startswith(complaint)


def test_a_last_line_that_was_cut_off_is_left_out() -> None:
    assert len(list(history.read("day", [history.write(DONE), b"\n", history.write(DONE)[:-20]]))) == 1
