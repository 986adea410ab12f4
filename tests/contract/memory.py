"""The whole record in plain dictionaries: what `fold` decides, kept as simply as it can be said.

Tests of the contract commit to it, and the model test of the stores compares a store with it. It loads what `needs`
names and applies what `Changes` holds, as a store has to, with comprehensions in the place of SQL.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from accepted.contract.delivery import Delivery, DeliveryStatus
from accepted.contract.event import Event
from accepted.contract.fold import fold
from accepted.contract.ledger import (
    Changes,
    DueDeliveries,
    Facts,
    GroupId,
    GroupRow,
    KeyId,
    KeyRow,
    Needs,
    Tombstone,
    groups_needed,
    needs,
)
from accepted.contract.operation import LogLine, Now, Operation, Status
from accepted.contract.transition import ClaimDeliveries, Transition
from accepted.contract.turns import in_turn
from accepted.contract.webhook import Registration


class Memory:
    """All that is known; `commit` is its only way to change."""

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self.tombstones: dict[str, Tombstone] = {}
        self.keys: dict[KeyId, KeyRow] = {}
        self.freed: dict[KeyId, int] = {}
        self.leases: dict[str, int] = {}
        self.resources: dict[tuple[str, str], str] = {}
        self.events: defaultdict[str, list[Event]] = defaultdict(list)
        self.lines: defaultdict[str, list[LogLine]] = defaultdict(list)
        self.inputs: dict[str, bytes] = {}
        self.checkpoints: dict[str, bytes] = {}
        self.chunks: dict[tuple[str, int, int], bytes] = {}
        self.webhooks: dict[str, Registration] = {}
        self.deliveries: dict[str, Delivery] = {}

    def commit(self, batch: list[Transition], now: Now) -> Changes:
        changes = fold(batch, self._facts(needs(batch), now), now)
        self._apply(changes, now)
        return changes

    def ask(self, batch: list[Transition], now: Now) -> list[Any]:
        """The outcomes of a commit."""
        return self.commit(batch, now).outcomes

    def recount(self) -> Counter[tuple[str, Status]]:
        return Counter((operation.type, operation.status) for operation in self.operations.values())

    # --- what a batch has to see

    def _facts(self, wanted: Needs, now: Now) -> Facts:
        facts = Facts(
            keys={key: self.keys[key] for key in wanted.keys & self.keys.keys()},
            leases={worker: self.leases[worker] for worker in wanted.workers & self.leases.keys()},
            holdings={worker: [o.id for o in self._all() if o.worker == worker] for worker in wanted.holdings},
            due={type: self.queue(type, wanted.after)[:room] for type, room in wanted.due.items()},
            woken={type: self._woken(type, now)[: wanted.woken(type)] for type in wanted.due},
            next_due={type: due_at for type in wanted.due if (due_at := self._next_due(type, now)) is not None},
            running=Counter(o.type for o in self._all() if o.status is Status.PROCESSING and o.type in wanted.running),
            orphans=self._orphans(now) if wanted.orphans else [],
            expiring=self._expiring(now)[: wanted.expiring],
            deliveries=dict(self.deliveries),
            due_deliveries=[self._due_deliveries(claim, now) for claim in wanted.due_deliveries],
        )
        facts.operations = dict(self.operations)
        facts.groups = {id: self._group(id, need.after) for id, need in groups_needed(wanted, facts).items()}
        return facts

    def _all(self) -> list[Operation]:
        return sorted(self.operations.values(), key=lambda operation: operation.id)

    def queue(self, type: str, after: str = "") -> list[str]:
        """Who waits for nothing but a turn, in the order of the turns."""
        return [o.id for o in in_turn([o for o in self._all() if o.type == type and o.ready], after)]

    def oldest_due(self) -> dict[str, int]:
        """By type, the earliest date of the first in each owner's line and of what waits for a date."""
        first = {
            (o.type, o.owner): o for o in sorted(self._all(), key=lambda o: (o.turn, o.id), reverse=True) if o.ready
        }
        delayed = [o for o in self._all() if o.status is Status.PENDING and o.delayed]
        waiting = sorted([*first.values(), *delayed], key=lambda operation: operation.due_at, reverse=True)
        return {operation.type: operation.due_at for operation in waiting}

    def _delayed(self, type: str) -> list[Operation]:
        delayed = [o for o in self._all() if o.type == type and o.status is Status.PENDING and o.delayed]
        return sorted(delayed, key=lambda operation: operation.due_at)

    def _woken(self, type: str, now: Now) -> list[str]:
        return [operation.id for operation in self._delayed(type) if operation.due_at <= now.wall]

    def _next_due(self, type: str, now: Now) -> int | None:
        return min((o.due_at for o in self._delayed(type) if o.due_at > now.wall), default=None)

    def _group(self, id: GroupId, after: str) -> GroupRow:
        """All of it."""
        group = [o for o in self._all() if o.type == id.type and o.group is not None and o.group.key == id.key]
        parked = in_turn([operation for operation in group if operation.parked], after)
        return GroupRow(sum(operation.active for operation in group), [operation.id for operation in parked], after)

    def _orphans(self, now: Now) -> list[str]:
        running = [o for o in self._all() if o.status is Status.PROCESSING]
        lost = [o.id for o in running if self.leases.get(o.worker or "", 0) <= now.tick]
        overdue = [o.id for o in running if o.cancellation is not None and o.cancellation.settle_at <= now.tick]
        return list(dict.fromkeys(lost + overdue))

    def _expiring(self, now: Now) -> list[str]:
        over = [(o.expires_at, o.id) for o in self._all() if o.expires_at is not None and o.expires_at <= now.wall]
        return [id for _, id in sorted(over) if not self.pending(id)]

    def deliveries_of(self, id: str) -> list[Delivery]:
        return sorted((d for d in self.deliveries.values() if d.operation_id == id), key=lambda d: d.sequence)

    def pending(self, id: str | None = None) -> list[Delivery]:
        """Deliveries that are still to be made, of one operation or of all, in the order of their turn."""
        found = [d for d in self.deliveries.values() if d.status is DeliveryStatus.PENDING]
        return sorted((d for d in found if id in (None, d.operation_id)), key=lambda d: (d.due_at, d.id))

    def _due_deliveries(self, claim: ClaimDeliveries, now: Now) -> DueDeliveries:
        hosts = sorted({d.host for d in self.pending() if d.host > claim.after})[: claim.hosts]
        by_host: dict[str, list[str]] = {}
        for host in hosts:
            due = [d.id for d in self.pending() if d.host == host and d.due_at <= now.wall]
            if taken := due[: claim.rooms.get(host, claim.share)]:
                by_host[host] = taken
            if sum(map(len, by_host.values())) >= claim.room:
                return DueDeliveries(by_host, host)
        return DueDeliveries(by_host, hosts[-1] if len(hosts) == claim.hosts else None)

    # --- what comes of it

    def _apply(self, changes: Changes, now: Now) -> None:
        self.operations |= changes.created | changes.changed
        for event in changes.events:
            self.events[event.operation_id].append(event)
        for id, line in changes.lines:
            self.lines[id].append(line)
        self.inputs |= changes.inputs
        self.inputs |= {new: self.inputs[old] for new, old in changes.copied_inputs.items()}
        self.webhooks |= changes.webhooks
        self.webhooks |= {n: self.webhooks[old] for n, old in changes.copied_inputs.items() if old in self.webhooks}
        self.deliveries |= changes.deliveries
        self.checkpoints |= changes.checkpoints
        self.resources |= changes.resources
        self.keys |= changes.keys
        self.freed = {key: at for key, at in self.freed.items() if key not in changes.keys}
        self._apply_chunks(changes)
        self.leases |= {worker: until for worker, (until, _) in changes.leases.items()}
        self.leases = {worker: until for worker, until in self.leases.items() if worker not in changes.resigned}
        self._bury(changes, now)
        self._forget(changes, now)

    def _apply_chunks(self, changes: Changes) -> None:
        self.chunks |= {(id, attempt, number): body for id, attempt, number, body in changes.chunks}
        for id, kept in changes.dropped_chunks.items():
            self.chunks = {place: body for place, body in self.chunks.items() if place[0] != id or place[1] == kept}

    def _bury(self, changes: Changes, now: Now) -> None:
        for tombstone in changes.buried:
            self.tombstones[tombstone.id] = tombstone
            for shelf in (self.operations, self.events, self.lines, self.inputs, self.checkpoints, self.webhooks):
                shelf.pop(tombstone.id, None)
        gone = {tombstone.id for tombstone in changes.buried}
        self.deliveries = {id: kept for id, kept in self.deliveries.items() if kept.operation_id not in gone}
        self.chunks = {place: body for place, body in self.chunks.items() if place[0] not in gone}
        self.resources = {path: id for path, id in self.resources.items() if id not in gone}
        for key, id in changes.freed_keys:
            if key in self.keys and self.keys[key].operation_id == id:
                self.freed[key] = max(self.keys[key].keep_until, now.wall)

    def _forget(self, changes: Changes, now: Now) -> None:
        if changes.forget is None:
            return
        before, _ = changes.forget  # tests stay under the limit of one bite
        self.tombstones = {id: stone for id, stone in self.tombstones.items() if stone.expired_at > before}
        over = {key for key, drop_at in self.freed.items() if drop_at <= now.wall}
        self.keys = {key: row for key, row in self.keys.items() if key not in over}
        self.freed = {key: drop_at for key, drop_at in self.freed.items() if key not in over}
