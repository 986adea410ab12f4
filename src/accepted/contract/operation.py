"""The operation: the one noun everything else reads, and its id (contract, sections 1 to 3).

Times are integers: milliseconds since the epoch, UTC. Spans stored with an operation are milliseconds too. Only
`wire.py` writes them as RFC 3339 and seconds.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from .policy import AGEING_MS
from .problem import Problem
from .progress import Progress

NO_JSON = msgspec.Raw()
"""Where a JSON value may be missing. (msgspec reads no `Raw | None`, and a function may well return null.)"""


class Status(StrEnum):
    """Where an operation is in its life (contract, section 2)."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    COMPLETED_WITH_ERRORS = "COMPLETED_WITH_ERRORS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    __hash__ = str.__hash__  # that of Enum is written in Python, and every commit counts by status


TERMINAL = frozenset({Status.COMPLETED, Status.COMPLETED_WITH_ERRORS, Status.FAILED, Status.CANCELLED})
SUCCEEDED = frozenset({Status.COMPLETED, Status.COMPLETED_WITH_ERRORS})


class Now(msgspec.Struct, frozen=True, gc=False):
    """The store's time inside one transaction, both in milliseconds.

    `wall` dates what clients see. `tick` never jumps and judges leases (guarantee T2): the boot clock of the machine
    on SQLite, the database's clock on PostgreSQL.
    """

    wall: int
    tick: int


class Warning(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something that went wrong without failing the operation; it then ends COMPLETED_WITH_ERRORS."""

    code: str
    message: str
    affected_records: int | None = None


class Artifact(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A stored result of bytes: `size` bytes in chunks written by attempt `attempt`, `digest` their SHA-256 in hex."""

    media_type: str
    size: int
    digest: str
    attempt: int
    filename: str | None = None
    details: dict[str, Any] = {}
    is_value: bool = False
    """True for a JSON value too large to be kept in the record; it has no filename and no details of its own."""


class Result(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a function returned: `value` (JSON, verbatim) or an artifact; `path` where it has a resource of its own."""

    value: msgspec.Raw = NO_JSON
    artifact: Artifact | None = None
    path: str | None = None
    identity: dict[str, str] = {}
    """The member that names the result's own resource, such as {"reportId": "rpt-..."}."""


class Cancellation(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A cancel request that was committed while an attempt ran; at tick `settle_at` the operation ends without it."""

    at: int
    settle_at: int
    reason: str | None = None


class Subscription(msgspec.Struct, frozen=True):
    """What the record knows of an operation's webhook: `host` (and port) it goes to, and the events it wants.

    URL and secrets are stored apart, so that nobody reads them by reading the operation.
    """

    host: str
    events: tuple[str, ...]


class Group(msgspec.Struct, frozen=True, gc=False):
    """A concurrency key: of operations of one type that bear it, at most `limit` are PROCESSING at once."""

    key: str
    limit: int


class Operation(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One operation, whole. `version` grows by one with each transition, `sequence` is the number of its last event."""

    id: str
    type: str
    owner: str
    status: Status
    created_at: int
    updated_at: int
    retention: int
    cancel_grace: int
    version: int = 1
    sequence: int = 1
    attempt: int = 0
    due_at: int = 0
    crashes: int = 0
    failures: int = 0
    lines: int = 0
    worker: str | None = None
    started_at: int | None = None
    attempt_at: int | None = None
    progress: Progress | None = None
    warnings: tuple[Warning, ...] = ()
    cancellation: Cancellation | None = None
    ended_at: int | None = None
    expires_at: int | None = None
    result: Result | None = None
    error: Problem | None = None
    reason: str | None = None
    work_stopped: bool | None = None
    partial: msgspec.Raw = NO_JSON
    retry_of: str | None = None
    retried_by: str | None = None
    key: tuple[str, str] | None = None
    """(route, idempotency key) it was submitted with."""
    trace: str | None = None
    """The W3C `traceparent` of the submit."""
    webhook: Subscription | None = None
    priority: int = 0
    group: Group | None = None
    parked: bool = False
    """PENDING, and its group is full: it has no turn until one of the group leaves."""
    delayed: bool = False
    """PENDING, and not due yet when it was put back: it has its turn again once a claim has found it due."""
    undelivered: int = 0
    """Deliveries that are pending; while there are any it does not expire (guarantee R1)."""

    @property
    def terminal(self) -> bool:
        """Whether it has ended; then nothing about it changes any more, but `retried_by` may be added."""
        return self.status in TERMINAL

    @property
    def turn(self) -> int:
        """Its place among those of its owner, the lowest first (ms): since when it waits, less what its priority is
        worth. It never changes, so whatever is handed back or tried again has its old place.
        """
        return self.created_at - self.priority * AGEING_MS

    @property
    def active(self) -> bool:
        """Whether it counts in its group: it runs, or may be claimed at any moment."""
        return self.status is Status.PROCESSING or self.ready

    @property
    def ready(self) -> bool:
        """Whether it waits for nothing but its turn."""
        return self.status is Status.PENDING and not self.parked and not self.delayed

    def expired(self, wall: int) -> bool:
        """Whether its retention is over at this wall time."""
        return self.expires_at is not None and self.expires_at <= wall and not self.undelivered


class LogLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of an operation's log; `line` counts from 1 over all attempts."""

    line: int
    at: int
    level: str
    message: str
    attempt: int
    fields: dict[str, Any] = {}


# Crockford's base 32 without i, l, o, u, in two digits at a time. The first ten digits are the time alone.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(a + b for a in _DIGITS for b in _DIGITS)


def operation_id(at: int, entropy: int) -> str:
    """`op-` and a UUIDv7 (RFC 9562, section 5.7) in 26 digits: `at` in milliseconds, `entropy` of which 74 bits
    are used.
    """
    number = 0x7 << 76 | (entropy >> 62 & 0xFFF) << 64 | 0b10 << 62 | entropy & 0x3FFF_FFFF_FFFF_FFFF
    return _time_digits(at & 0xFFFF_FFFF_FFFF) + _eight_digits(number >> 40) + _eight_digits(number & 0xFF_FFFF_FFFF)


def _eight_digits(bits: int) -> str:
    pairs = _PAIRS
    return f"{pairs[bits >> 30]}{pairs[bits >> 20 & 1023]}{pairs[bits >> 10 & 1023]}{pairs[bits & 1023]}"


@lru_cache(maxsize=4)  # many ids are made within a millisecond
def _time_digits(at: int) -> str:
    return "op-" + "".join([_PAIRS[at >> shift & 1023] for shift in (40, 30, 20, 10, 0)])


def is_operation_id(text: str) -> bool:
    """Whether `text` has the form of an operation's id; the database is not asked about anything else."""
    return len(text) == 29 and text.startswith("op-") and not text[3:].strip(_DIGITS)


def renamed(id: str, prefix: str) -> str:
    """The same 26 digits behind another prefix: `job-...` is the record of `op-...`."""
    return prefix + id[id.index("-") :]
