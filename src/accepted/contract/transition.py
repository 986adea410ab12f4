"""Everything that may be asked of the record, as values; `lifecycle.py` decides what comes of it.

A transition is built by whoever wants change (service, worker, sweeper), handed to the committer and decided inside
the store's transaction. `Held` transitions come from an attempt and bear its fence: (worker, attempt). Spans are
milliseconds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .delivery import VISIBILITY, Answer, Delivery
from .operation import NO_JSON, Group, Operation, Result, Warning
from .policy import KEY_LIFETIME_MS, TOMBSTONE_LIFETIME_MS
from .problem import Problem
from .progress import Progress
from .statistic import StatisticRow
from .webhook import Registration


class Transition(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="transition", tag=True, gc=False):
    """Base of all transitions."""


class Key(msgspec.Struct, frozen=True, gc=False):
    """An idempotency key as it came with a submit: same owner, route and `value` name one request.

    `fingerprint` is a digest of the body as JSON values.
    """

    route: str
    value: str
    fingerprint: str
    lifetime: int = KEY_LIFETIME_MS


class Share(msgspec.Struct, frozen=True, gc=False):
    """How many operations of an owner may wait (`queued`), and wait or run (`active`), before no more are let in."""

    owner: str
    queued: int
    active: int


class Accept(Transition, frozen=True):
    """A new operation, with its input verbatim; outcome `Accepted`."""

    id: str
    type: str
    owner: str
    input: bytes
    retention: int
    cancel_grace: int
    progress: Progress | None = None
    key: Key | None = None
    trace: str | None = None
    webhook: Registration | None = None
    share: Share | None = None
    priority: int = 0
    group: Group | None = None


class Claim(Transition, frozen=True):
    """A worker has room for `room` operations of these types; `limits` caps a type over all workers.

    Of operations that bear `last_chance` crash marks or more it takes at most `suspects`, because whoever runs beside
    one of them may die for it. `beyond` more are looked at where such operations block the head of the queue. Owners
    take turns, in the order of their names, from behind `after`, who was served last. Outcome `Claimed`.
    """

    worker: str
    types: tuple[str, ...]
    room: int
    limits: dict[str, int] = {}
    last_chance: int = 2
    suspects: int = 1
    beyond: int = 0
    after: str = ""


class Renew(Transition, frozen=True):
    """A worker holds on to all it has for another `ttl`; `first` registers it.

    Outcome `Renewed`; `WorkerLost` when too late.
    """

    worker: str
    ttl: int
    first: bool = False
    about: dict[str, Any] = {}


class Resign(Transition, frozen=True):
    """A worker is gone: whatever it still holds is an orphan at once. Outcome None."""

    worker: str


class LogEntry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A line that a function logged, before it has its number."""

    at: int
    level: str
    message: str
    fields: dict[str, Any] = {}


class Report(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an attempt has said since its last write; None, empty and NO_JSON mean nothing new.

    `checkpoint` and `partial` are JSON.
    """

    progress: Progress | None = None
    warnings: tuple[Warning, ...] = ()
    lines: tuple[LogEntry, ...] = ()
    checkpoint: bytes | None = None
    partial: msgspec.Raw = NO_JSON


NOTHING = Report()


class Held(Transition, frozen=True, kw_only=True):
    """A write of attempt `attempt` on `worker`; refused `StaleAttempt` once that lease is gone (guarantee L2)."""

    operation_id: str
    worker: str
    attempt: int
    report: Report = NOTHING


class Advance(Held, frozen=True, kw_only=True):
    """The attempt goes on. Outcome: the operation."""


class Keep(Held, frozen=True, kw_only=True):
    """One chunk of an artifact, durable before the operation completes with it."""

    number: int
    data: bytes


class Complete(Held, frozen=True, kw_only=True):
    """The function returned."""

    result: Result


class Fail(Held, frozen=True, kw_only=True):
    """The function failed; tried again after `delay` if the problem is retryable and fewer than `attempts` failed."""

    problem: Problem
    attempts: int = 1
    delay: int = 0


class Release(Held, frozen=True, kw_only=True):
    """The worker hands the operation back unfinished; this charges nothing (guarantee D6)."""


class Stop(Held, frozen=True, kw_only=True):
    """The function stopped because it was asked to: CANCELLED, `workStopped: true`."""


class Cancel(Transition, frozen=True):
    """A caller cancels. Outcome: the operation, CANCELLED or with its cancellation noted."""

    operation_id: str
    reason: str | None = None


class Settle(Transition, frozen=True):
    """The grace after a cancel is over: the attempt is fenced off, CANCELLED, `workStopped: false`."""

    operation_id: str


class Retry(Transition, frozen=True):
    """A caller retries; `new_id` names the new operation. Outcome: `Retried`."""

    operation_id: str
    new_id: str
    trace: str | None = None
    share: Share | None = None


class Rescue(Transition, frozen=True):
    """Take orphans (lease expired) back, and settle cancels that are overdue, at most `limit` each.

    Outcome: how many.
    """

    max_crashes: int
    limit: int = 100


class Expire(Transition, frozen=True):
    """Turn operations whose retention is over into tombstones, at most `limit`. Outcome: how many."""

    limit: int = 100


class Forget(Transition, frozen=True):
    """Drop tombstones older than `lifetime` and keys whose time is over, at most `limit` of each. Outcome None."""

    limit: int = 100
    lifetime: int = TOMBSTONE_LIFETIME_MS


class Observe(Transition, frozen=True):
    """A process has counted this so far; it takes the place of what it has said of the same minutes. Outcome None."""

    rows: tuple[StatisticRow, ...]


class ClaimDeliveries(Transition, frozen=True):
    """A sender has room for `room` deliveries that are due, at most `share` of each host.

    `rooms` says otherwise for some hosts: 0 for one that is not to be sent to now. At most `hosts` hosts behind the
    host `after` are looked at, so that the cost does not grow with how many there are. What is not settled within
    `visibility` is due again. Outcome `ClaimedDeliveries`.
    """

    room: int
    share: int
    rooms: dict[str, int] = {}
    after: str = ""
    hosts: int = 100
    visibility: int = VISIBILITY


class SettleDelivery(Transition, frozen=True):
    """A try is over; `number` is the fence of its claim, `chance` the jitter in [0, 1). Outcome `SettledDelivery`."""

    operation_id: str
    delivery_id: str
    number: int
    answer: Answer
    chance: float = 0.0


class PostponeDelivery(Transition, frozen=True):
    """A claim is handed back without a try, due again after `wait`; charges nothing. Outcome: the delivery."""

    operation_id: str
    delivery_id: str
    number: int
    wait: int = 0


class Redeliver(Transition, frozen=True):
    """A caller wants a delivery made now. Outcome: the delivery; refused `DeliveryNotFound`."""

    operation_id: str
    delivery_id: str


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """Outcome of `Accept`: the operation, which is an older one if the key was `replayed`."""

    operation: Operation
    replayed: bool = False


class Claimed(msgspec.Struct, frozen=True):
    """Outcome of `Claim`. `next_due` is the wall time (ms) at which more becomes due, if any is known.

    `passed_over` counts suspects that have to wait for another one to end.
    """

    operations: tuple[Operation, ...]
    next_due: int | None = None
    passed_over: int = 0


class ClaimedDeliveries(msgspec.Struct, frozen=True):
    """Outcome of `ClaimDeliveries`. `resume` is the last host looked at where more hosts may follow."""

    deliveries: tuple[Delivery, ...]
    resume: str | None = None


class SettledDelivery(msgspec.Struct, frozen=True):
    """Outcome of `SettleDelivery`: the delivery after the try; PENDING where there will be another."""

    delivery: Delivery


class Renewed(msgspec.Struct, frozen=True):
    """Outcome of `Renew`: what the worker holds, as the store sees it."""

    held: tuple[Operation, ...]


class Retried(msgspec.Struct, frozen=True):
    """Outcome of `Retry`: the id of the new operation; `operation` is None where an earlier retry made it."""

    operation_id: str
    operation: Operation | None = None
