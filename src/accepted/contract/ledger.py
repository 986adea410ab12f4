"""What one group commit reads and what it writes, as values: the seam between the pure lifecycle and a store.

A store's `commit` is always the same recipe: work out `needs(batch)`, load those rows into `Facts`, let `fold`
decide, save the `Changes`. Neither side knows how the other does its part.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, NamedTuple

import msgspec

from .delivery import Delivery
from .event import Event
from .operation import Group, LogLine, Operation, Status
from .problem import Refusal
from .statistic import StatisticRow
from .transition import (
    Accept,
    Advance,
    Cancel,
    Claim,
    ClaimDeliveries,
    Complete,
    Expire,
    Fail,
    Forget,
    Held,
    Keep,
    Key,
    Observe,
    PostponeDelivery,
    Redeliver,
    Release,
    Renew,
    Rescue,
    Resign,
    Retry,
    Settle,
    SettleDelivery,
    Stop,
    Transition,
)
from .webhook import Registration


class KeyId(NamedTuple):
    """What an idempotency key is unique under."""

    owner: str
    route: str
    value: str


class KeyRow(NamedTuple):
    """What a store remembers of a key: its operation, the digest of the body, and until when (ms) at the least."""

    operation_id: str
    fingerprint: str
    keep_until: int


class Tombstone(NamedTuple):
    """All that is left of an expired operation."""

    id: str
    owner: str
    expired_at: int


class GroupId(NamedTuple):
    """What a concurrency key is unique under."""

    type: str
    key: str


class GroupNeed(NamedTuple):
    """What a group of `limit` places may see: so many of it `leaving`. Its owners take turns from behind `after`."""

    limit: int
    leaving: int = 0
    after: str = ""

    def heads(self, active: int) -> int:
        """How many of the parked may be let in."""
        return max(self.limit - active, 0) + self.leaving


class GroupRow(msgspec.Struct):
    """How many operations of a group are `active`, and ids of the next ones `parked` in it, behind `after`."""

    active: int = 0
    parked: list[str] = msgspec.field(default_factory=list)
    after: str = ""


class Place(NamedTuple):
    """Where a store finds an operation, if at all: ready by its `turn`, delayed by `due_at`, parked by `parked` and
    `turn`, and all that are active in a group by `group`.
    """

    turn: int | None = None
    due_at: int | None = None
    group: str | None = None
    parked: str | None = None


NOWHERE = Place()
WOKEN_AT_ONCE = 100


class DueDeliveries(NamedTuple):
    """Ids of deliveries that are due, in order, by host; `resume` is the last host looked at, where more may follow."""

    by_host: dict[str, list[str]]
    resume: str | None


class Needs(msgspec.Struct):
    """The rows that a batch has to see. Numbers are limits: 0 means "none asked for".

    `due` is how many are wanted of a type, its owners taking turns from behind `after`, and how many that were delayed
    and are due now. `groups` are those that somebody enters; beside them those of all operations in `leaving` are
    wanted, and of whatever is found delayed or orphaned. `owners` are those of whom the operations that wait or run are
    to be counted; `deliveries` are operations of which all deliveries are wanted.
    """

    operations: set[str] = msgspec.field(default_factory=set)
    keys: set[KeyId] = msgspec.field(default_factory=set)
    workers: set[str] = msgspec.field(default_factory=set)
    holdings: set[str] = msgspec.field(default_factory=set)
    due: dict[str, int] = msgspec.field(default_factory=dict)
    after: str = ""
    groups: dict[GroupId, GroupNeed] = msgspec.field(default_factory=dict)
    leaving: set[str] = msgspec.field(default_factory=set)
    running: set[str] = msgspec.field(default_factory=set)
    owners: set[str] = msgspec.field(default_factory=set)
    orphans: int = 0
    expiring: int = 0
    deliveries: set[str] = msgspec.field(default_factory=set)
    due_deliveries: list[ClaimDeliveries] = msgspec.field(default_factory=list)

    def woken(self, type: str) -> int:
        """How many of a type to look at that were delayed and are due now."""
        return max(self.due[type], WOKEN_AT_ONCE)


class Facts(msgspec.Struct):
    """What the store found for `Needs`. `leases` maps a worker to the tick at which its lease ends.

    `due`, `woken`, `holdings`, `orphans` and `expiring` are ids in order; their operations are in `operations`, as are
    those parked in `groups` and the operation of each key, unless it has expired. `due_deliveries` are answers to those
    of `Needs`, in order; their deliveries are in `deliveries`. `standing` counts operations that wait or run by owner
    and status.
    """

    operations: dict[str, Operation] = msgspec.field(default_factory=dict)
    keys: dict[KeyId, KeyRow] = msgspec.field(default_factory=dict)
    leases: dict[str, int] = msgspec.field(default_factory=dict)
    holdings: dict[str, list[str]] = msgspec.field(default_factory=dict)
    due: dict[str, list[str]] = msgspec.field(default_factory=dict)
    woken: dict[str, list[str]] = msgspec.field(default_factory=dict)
    next_due: dict[str, int] = msgspec.field(default_factory=dict)
    groups: dict[GroupId, GroupRow] = msgspec.field(default_factory=dict)
    running: Counter[str] = msgspec.field(default_factory=Counter)
    standing: Counter[tuple[str, Status]] = msgspec.field(default_factory=Counter)
    orphans: list[str] = msgspec.field(default_factory=list)
    expiring: list[str] = msgspec.field(default_factory=list)
    deliveries: dict[str, Delivery] = msgspec.field(default_factory=dict)
    due_deliveries: list[DueDeliveries] = msgspec.field(default_factory=list)


class Changes(msgspec.Struct):
    """What the store has to write, and the outcome of each transition in its order: a value, or the `Refusal`.

    `created` and `changed` map ids to operations as they are at the end of the batch; `moved` are those among the
    changed whose status or place (and so some index) is another than before. `compacted` maps an operation to the last
    event that goes. `dropped_chunks` maps an operation to the one attempt whose chunks stay (0: none). `freed_keys` may
    go once their minimal lifetime is over, for their operations are `buried`. `tally` holds differences of how many
    operations there are by (owner, type, status). `deliveries` are new or changed; `summons` are operations of which a
    delivery has become due by this very commit.
    """

    outcomes: list[Any | Refusal] = msgspec.field(default_factory=list)
    created: dict[str, Operation] = msgspec.field(default_factory=dict)
    changed: dict[str, Operation] = msgspec.field(default_factory=dict)
    moved: set[str] = msgspec.field(default_factory=set)
    events: list[Event] = msgspec.field(default_factory=list)
    compacted: dict[str, int] = msgspec.field(default_factory=dict)
    inputs: dict[str, bytes] = msgspec.field(default_factory=dict)
    webhooks: dict[str, Registration] = msgspec.field(default_factory=dict)
    copied_inputs: dict[str, str] = msgspec.field(default_factory=dict)
    """New operation to the old one that it takes its input, and its webhook, from."""
    deliveries: dict[str, Delivery] = msgspec.field(default_factory=dict)
    summons: dict[str, Operation] = msgspec.field(default_factory=dict)
    checkpoints: dict[str, bytes] = msgspec.field(default_factory=dict)
    chunks: list[tuple[str, int, int, bytes]] = msgspec.field(default_factory=list)
    dropped_chunks: dict[str, int] = msgspec.field(default_factory=dict)
    lines: list[tuple[str, LogLine]] = msgspec.field(default_factory=list)
    keys: dict[KeyId, KeyRow] = msgspec.field(default_factory=dict)
    resources: dict[tuple[str, str], str] = msgspec.field(default_factory=dict)
    leases: dict[str, tuple[int, dict[str, Any]]] = msgspec.field(default_factory=dict)
    resigned: set[str] = msgspec.field(default_factory=set)
    claimed: list[str] = msgspec.field(default_factory=list)
    tally: Counter[tuple[str, str, Status]] = msgspec.field(default_factory=Counter)
    buried: list[Tombstone] = msgspec.field(default_factory=list)
    freed_keys: list[tuple[KeyId, str]] = msgspec.field(default_factory=list)
    statistics: dict[tuple[str, int, str, str], StatisticRow] = msgspec.field(default_factory=dict)
    forget: tuple[int, int] | None = None
    """(tombstones that expired before this wall time, at most so many)"""


def key_id(owner: str, key: Key) -> KeyId:
    """Under what a key is stored (guarantee I5: never across owners)."""
    return KeyId(owner, key.route, key.value)


def resource_name(path: str) -> str:
    """Under what a result's own path is stored: a digest, for it outlives the operation's data until the tombstone
    goes.
    """
    return hashlib.sha256(path.encode("utf-8", "replace")).hexdigest()


def needs(batch: list[Transition]) -> Needs:
    """Which rows `fold` has to see to decide about `batch`."""
    found = Needs()
    for transition in batch:
        match transition:
            case Accept():
                _need_entry(found, transition)
            case Advance() | Keep() | Complete() | Fail() | Release() | Stop():
                _need_held(found, transition)
            case Claim():
                _need_due(found, transition)
            case Renew(worker=worker):
                found.workers.add(worker)
                found.holdings.add(worker)
            case Cancel(operation_id=id) | Settle(operation_id=id):
                found.operations.add(id)
                found.leaving.add(id)
            case Retry(operation_id=id, share=share):
                found.operations.add(id)
                found.leaving.add(id)
                found.owners.update([share.owner] if share is not None else [])
            case Rescue(limit=limit):
                found.orphans = max(found.orphans, limit)
            case ClaimDeliveries() | SettleDelivery() | PostponeDelivery() | Redeliver():
                _need_deliveries(found, transition)
            case Expire(limit=limit):
                found.expiring = max(found.expiring, limit)
            case Resign() | Forget() | Observe():
                pass
    return found


def groups_needed(wanted: Needs, facts: Facts) -> dict[GroupId, GroupNeed]:
    """The groups that operations may leave or enter, as far as those are loaded by now."""
    found = dict(wanted.groups)
    further = [id for ids in facts.woken.values() for id in ids] + facts.orphans
    for id in [*sorted(wanted.leaving), *further]:
        operation = facts.operations.get(id)
        if operation is not None and operation.group is not None:
            _widen(found, operation.type, operation.group, operation.owner, leaving=1)
    return found


def _widen(found: dict[GroupId, GroupNeed], type: str, group: Group, owner: str, *, leaving: int) -> None:
    id = GroupId(type, group.key)
    before = found.get(id, GroupNeed(0))
    found[id] = GroupNeed(max(before.limit, group.limit), before.leaving + leaving, owner)


def place_of(operation: Operation) -> Place:
    """Where it is to be found as it is now."""
    group = operation.group.key if operation.group is not None else None
    if operation.status is Status.PROCESSING:
        return Place(group=group) if group is not None else NOWHERE
    if operation.status is not Status.PENDING:
        return NOWHERE
    if operation.delayed:
        return Place(due_at=operation.due_at)
    return Place(operation.turn, None, None, group) if operation.parked else Place(operation.turn, None, group)


def _need_entry(found: Needs, accept: Accept) -> None:
    if accept.share is not None:
        found.owners.add(accept.share.owner)
    if accept.key is not None:
        found.keys.add(key_id(accept.owner, accept.key))
    if accept.group is not None:
        _widen(found.groups, accept.type, accept.group, accept.owner, leaving=0)


def _need_held(found: Needs, held: Held) -> None:
    found.operations.add(held.operation_id)
    found.workers.add(held.worker)
    if not isinstance(held, (Advance, Keep)):
        found.leaving.add(held.operation_id)


def _need_deliveries(found: Needs, transition: ClaimDeliveries | SettleDelivery | PostponeDelivery | Redeliver) -> None:
    if isinstance(transition, ClaimDeliveries):
        found.due_deliveries.append(transition)
    else:
        found.operations.add(transition.operation_id)
        found.deliveries.add(transition.operation_id)


def _need_due(found: Needs, claim: Claim) -> None:
    found.workers.add(claim.worker)
    found.after = found.after or claim.after
    for type in claim.types:
        found.due[type] = found.due.get(type, 0) + claim.room + claim.beyond
    found.running.update(type for type in claim.limits if type in claim.types)
