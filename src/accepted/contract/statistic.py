"""Statistics: what happened to operations minute by minute, and how it is told.

Each process counts what it commits itself, by minute, owner and type, and stores its counts under its own name, as they
stand: writing them twice does no harm, and the sum over all processes counts each transition once, on whatever node it
happened. Times are counted in buckets that grow by a quarter of an octave, so percentiles of any sum can be read from
it to within 9 %.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from .operation import SUCCEEDED, Operation, Status, renamed
from .wire import Document, timestamp

K = TypeVar("K")

MINUTE = 60_000
HISTORY = 60
"""Minutes that are told, the present one among them."""
KEPT_MINUTES = 2 * HISTORY

EVERYBODY = "all"
"""The scope of who may see everything."""

_PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def scope_of(owner: str | None) -> str:
    """Under what the counts of an owner are stored; None is everybody's."""
    return EVERYBODY if owner is None else f"owner:{owner}"


class Tallies(msgspec.Struct, omit_defaults=True):
    """Counts of one minute. `ended` is by status; `waited` and `ran` are numbers of times by bucket."""

    submitted: int = 0
    ended: dict[str, int] = {}
    waited: dict[int, int] = {}
    ran: dict[int, int] = {}

    def add(self, other: Tallies) -> None:
        """Count what the other has counted too."""
        self.submitted += other.submitted
        _add(self.ended, other.ended)
        _add(self.waited, other.waited)
        _add(self.ran, other.ran)


class StatisticRow(NamedTuple):
    """What one process (`source`) has counted of a type within a minute since the epoch, for a scope."""

    scope: str
    minute: int
    type: str
    source: str
    tallies: Tallies


class WorkerState(NamedTuple):
    """A worker that has registered, and what it runs."""

    id: str
    alive: bool
    about: Mapping[str, Any]
    running: Sequence[Operation]


class Snapshot(msgspec.Struct, frozen=True):
    """All that is told at one moment.

    `counts` is by (type, status); `oldest` says since when the first of each type has been due (ms); `workers` is None
    for who does not operate the server.
    """

    at: int
    counts: Mapping[tuple[str, Status], int]
    oldest: Mapping[str, int]
    rows: Sequence[StatisticRow]
    workers: Sequence[WorkerState] | None


def _add(own: dict[K, int], others: Mapping[K, int]) -> None:
    for key, number in others.items():
        own[key] = own.get(key, 0) + number


def bucket(milliseconds: int) -> int:
    """The bucket of a time: 0 up to one millisecond, then four to an octave."""
    return 0 if milliseconds <= 1 else round(4 * math.log2(milliseconds))


def percentile(counted: Mapping[int, int], share: float) -> float | None:
    """Seconds within which this share of the times lies; None where there are none."""
    rank = math.ceil(sum(counted.values()) * share)
    for found in sorted(counted):
        rank -= counted[found]
        if rank <= 0:
            return round(2 ** (found / 4) / 1000, 4)
    return None


# --- how it is told


def statistics_document(snapshot: Snapshot) -> Document:
    """`GET /statistics`."""
    hour = _sum(row.tallies for row in snapshot.rows)
    document: Document = {
        "timestamp": timestamp(snapshot.at),
        "operations": _by_status(snapshot.counts),
        "queue": _queue(snapshot, None),
        "lastHour": _tallies_document(hour),
        "types": [_type_document(snapshot, type) for type in _types(snapshot)],
        "minutes": _minutes(snapshot),
    }
    if snapshot.workers is not None:
        document["workers"] = [_worker_document(worker) for worker in snapshot.workers]
    return document


def _types(snapshot: Snapshot) -> list[str]:
    return sorted({type for type, _ in snapshot.counts} | {row.type for row in snapshot.rows})


def _type_document(snapshot: Snapshot, type: str) -> Document:
    counts = {(of, status): number for (of, status), number in snapshot.counts.items() if of == type}
    hour = _sum(row.tallies for row in snapshot.rows if row.type == type)
    return {
        "type": type,
        "operations": _by_status(counts),
        "queue": _queue(snapshot, type),
        "lastHour": _tallies_document(hour),
    }


def _by_status(counts: Mapping[tuple[str, Status], int]) -> Document:
    found: Counter[Status] = Counter()
    for (_, status), number in counts.items():
        found[status] += number
    return {status: found[status] for status in Status}


def _queue(snapshot: Snapshot, type: str | None) -> Document:
    """How many wait, and since when the first of those whose turn it is has waited."""
    counts = snapshot.counts.items()
    depth = sum(n for (of, status), n in counts if status is Status.PENDING and type in {None, of})
    due = [at for of, at in snapshot.oldest.items() if type in {None, of} and at <= snapshot.at]
    return {"depth": depth} | ({"oldestDueAt": timestamp(min(due))} if due else {})


def _minutes(snapshot: Snapshot) -> list[Document]:
    """The last hour, oldest minute first; a minute in which nothing happened is only its time."""
    by_minute: dict[int, Tallies] = {}
    for row in snapshot.rows:
        by_minute.setdefault(row.minute, Tallies()).add(row.tallies)
    last = snapshot.at // MINUTE
    return [
        {"at": timestamp(minute * MINUTE), **_tallies_document(by_minute.get(minute, Tallies()))}
        for minute in range(last - HISTORY + 1, last + 1)
    ]


def _tallies_document(tallies: Tallies) -> Document:
    document: Document = {}
    if tallies.submitted:
        document["submitted"] = tallies.submitted
    if ended := {status: number for status in Status if (number := tallies.ended.get(status))}:
        document["ended"] = ended
    succeeded = sum(ended.get(status, 0) for status in SUCCEEDED)
    if judged := succeeded + ended.get(Status.FAILED, 0):  # a cancelled operation is neither a success nor a failure
        document["successRate"] = round(succeeded / judged, 4)
    for name, counted in (("wait", tallies.waited), ("run", tallies.ran)):
        if counted:
            document[name] = {key: percentile(counted, share) for key, share in _PERCENTILES.items()}
    return document


def _worker_document(worker: WorkerState) -> Document:
    known = {name: worker.about[name] for name in ("host", "pid", "slots", "types") if name in worker.about}
    return {"workerId": worker.id, "alive": worker.alive, **known, "running": [_running(o) for o in worker.running]}


def _running(operation: Operation) -> Document:
    since = operation.attempt_at or operation.updated_at
    return {"jobId": renamed(operation.id, "job"), "type": operation.type, "since": timestamp(since)}


def _sum(all: Iterable[Tallies]) -> Tallies:
    total = Tallies()
    for tallies in all:
        total.add(tallies)
    return total
