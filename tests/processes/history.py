"""Judges a bad day after the fact: what clients were told, what functions did, and what the file holds, side by side.

Each rule takes the whole history and returns its complaints, a sentence each; none means that it is kept. The rules
know nothing of the engine: they would judge any other server as well. IDs are those of the guarantees.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.processes.api import TERMINAL
from tests.processes.diary import Entry
from tests.processes.process import Kill


class Ack(NamedTuple):
    """A client has read a 202 for this key, naming this operation."""

    key: str
    operation: str


class Stored(NamedTuple):
    """An operation as the file holds it in the end; `events` are (sequence, status) in the order of reading."""

    id: str
    key: str
    status: str
    attempt: int
    events: tuple[tuple[int, str], ...]
    problem: str = ""


class History(NamedTuple):
    """A bad day, whole."""

    acks: Sequence[Ack]
    operations: Sequence[Stored]
    diary: Sequence[Entry] = ()
    kills: Sequence[Kill] = ()


class Interval(NamedTuple):
    """When an attempt ran; one that was killed ran until its process died."""

    attempt: int
    start: float
    end: float


Rule = Callable[[History], Iterable[str]]


def nothing_lost(history: History) -> Iterator[str]:
    """D1: what was acknowledged is there."""
    known = {operation.id for operation in history.operations}
    yield from (f"{ack.operation} was acknowledged and is lost" for ack in history.acks if ack.operation not in known)


def one_key_one_operation(history: History) -> Iterator[str]:
    """I1: all answers for a key name one operation, and the file has no second one for it."""
    named: dict[str, set[str]] = defaultdict(set)
    for ack in history.acks:
        named[ack.key].add(ack.operation)
    for operation in history.operations:
        named[operation.key].add(operation.id)
    yield from (f"key {key} has {len(ids)} operations" for key, ids in named.items() if len(ids) > 1)


def none_stuck(history: History) -> Iterator[str]:
    """D1: each operation has ended."""
    yield from (f"{o.id} is stuck as {o.status}" for o in history.operations if o.status not in TERMINAL)


def numbered_without_gaps(history: History) -> Iterator[str]:
    """E1: events are 1, 2, 3 ..."""
    for operation in history.operations:
        numbers = [sequence for sequence, _ in operation.events]
        if numbers != list(range(1, len(numbers) + 1)) or not numbers:
            yield f"{operation.id} has events {numbers}"


def ended_once(history: History) -> Iterator[str]:
    """S3: exactly one terminal event, the last one, and it says what the operation says."""
    for operation in history.operations:
        ends = [status for _, status in operation.events if status in TERMINAL]
        if operation.status in TERMINAL and ends != [operation.status]:
            yield f"{operation.id} is {operation.status} and its terminal events are {ends}"
        elif ends and operation.events[-1][1] != ends[-1]:
            yield f"{operation.id} has events after its end"


def only_what_was_meant(history: History) -> Iterator[str]:
    """Work that cannot fail by itself has not failed."""
    for operation in history.operations:
        if operation.status in TERMINAL - {"COMPLETED"}:
            yield f"{operation.id} ended {operation.status} {operation.problem}".rstrip()


def work_was_done(history: History) -> Iterator[str]:
    """D3: whatever is COMPLETED has really run to its end, in the attempt that counts."""
    done = {(entry.operation, entry.attempt) for entry in history.diary if entry.edge == "end"}
    for operation in history.operations:
        if operation.status == "COMPLETED" and (operation.id, operation.attempt) not in done:
            yield f"{operation.id} is COMPLETED, but its attempt {operation.attempt} never came to its end"


def attempts_run_once(history: History) -> Iterator[str]:
    """L1: no attempt begins twice."""
    begun: dict[tuple[str, int], int] = defaultdict(int)
    for entry in history.diary:
        begun[entry.operation, entry.attempt] += entry.edge == "start"
    yield from (f"{id} began its attempt {n} {times} times" for (id, n), times in begun.items() if times > 1)


def attempts_do_not_overlap(history: History) -> Iterator[str]:
    """L1: one attempt at a time, in the order of their numbers."""
    for id, intervals in _intervals(history).items():
        for earlier, later in pairwise(sorted(intervals)):
            if later.start < earlier.end:
                yield f"{id}: attempt {later.attempt} began before attempt {earlier.attempt} was over"


def only_kills_leave_no_end(history: History) -> Iterator[str]:
    """A function that began and never ended was in a process that we have killed."""
    ended = {(entry.operation, entry.attempt) for entry in history.diary if entry.edge == "end"}
    killed = {kill.pid for kill in history.kills}
    for entry in history.diary:
        if entry.edge == "start" and (entry.operation, entry.attempt) not in ended and entry.pid not in killed:
            yield f"{entry.operation}: attempt {entry.attempt} vanished in process {entry.pid}, which nobody killed"


RULES: tuple[Rule, ...] = (
    nothing_lost,
    one_key_one_operation,
    none_stuck,
    numbered_without_gaps,
    ended_once,
    only_what_was_meant,
    work_was_done,
    attempts_run_once,
    attempts_do_not_overlap,
    only_kills_leave_no_end,
)


def complaints(history: History, rules: Iterable[Rule] = RULES) -> list[str]:
    """Everything that speaks against this history."""
    return [complaint for rule in rules for complaint in rule(history)]


def _intervals(history: History) -> dict[str, list[Interval]]:
    ends = {(entry.operation, entry.attempt): entry.at for entry in history.diary if entry.edge == "end"}
    deaths = {kill.pid: kill.at for kill in history.kills}
    found: dict[str, list[Interval]] = defaultdict(list)
    for entry in history.diary:
        if entry.edge == "start":
            end = ends.get((entry.operation, entry.attempt), deaths.get(entry.pid, float("inf")))
            found[entry.operation].append(Interval(entry.attempt, entry.at, end))
    return found
