"""A batch of transitions, decided one after the other inside of one transaction.

`fold` sees what the store has loaded (`Facts`) and what earlier transitions of the same batch have done, and collects
everything to write in one `Changes`. A refusal is an outcome like any other: it spoils nothing around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from .event import event_of
from .groups import Groups
from .ledger import Changes, Facts, KeyId, KeyRow, Tombstone, key_id, resource_name
from .lifecycle import accepted, step, successor
from .operation import SUCCEEDED, LogLine, Now, Operation, Status
from .outbox import Outbox
from .policy import EVENTS_KEPT, EVENTS_SLACK
from .problem import IdempotencyKeyReused, OperationExpired, OperationNotFound, Refusal, StaleAttempt, WorkerLost
from .traffic import QuotaExceeded
from .transition import (
    Accept,
    Accepted,
    Advance,
    Cancel,
    Claim,
    ClaimDeliveries,
    Claimed,
    Complete,
    Expire,
    Fail,
    Forget,
    Held,
    Keep,
    Observe,
    PostponeDelivery,
    Redeliver,
    Release,
    Renew,
    Renewed,
    Report,
    Rescue,
    Resign,
    Retried,
    Retry,
    Settle,
    SettleDelivery,
    Share,
    Stop,
    Transition,
)
from .turns import lines


def fold(batch: list[Transition], facts: Facts, now: Now) -> Changes:
    """Decides about each transition of `batch` in order. Raises only `InvariantViolation`, for a bug."""
    folding = _Folding(facts, now)
    for transition in batch:
        try:
            outcome = _DECISIONS[type(transition)](folding, transition)
        except Refusal as refusal:
            outcome = refusal
        folding.changes.outcomes.append(outcome)
    return folding.changes


class _Folding:
    """The state of one fold: what is loaded, overlaid with what has changed."""

    def __init__(self, facts: Facts, now: Now) -> None:
        self.facts = facts
        self.now = now
        self.changes = Changes()
        self.operations = facts.operations
        self.fresh: list[str] = []
        self.outbox = Outbox(facts, self.changes, now)
        self.groups = Groups(facts, self._place)

    # --- submits

    def accept(self, accept: Accept) -> Accepted:
        if (known := self._known(accept)) is not None:
            return self._replay(accept, known)
        self._check_share(accept.share)
        operation = accepted(accept, self.now)
        self._create(operation)
        self.changes.inputs[operation.id] = accept.input
        if accept.webhook is not None:
            self.changes.webhooks[operation.id] = accept.webhook
        if accept.key is not None:
            row = KeyRow(operation.id, accept.key.fingerprint, self.now.wall + accept.key.lifetime)
            self.changes.keys[key_id(accept.owner, accept.key)] = row
            self.facts.keys[key_id(accept.owner, accept.key)] = row
        return Accepted(self.operations[operation.id])

    def _known(self, accept: Accept) -> KeyRow | None:
        """What this key has made, while the key lives: until its operation expires, and for its minimal lifetime."""
        known = self.facts.keys.get(key_id(accept.owner, accept.key)) if accept.key is not None else None
        if known is None or known.keep_until > self.now.wall:
            return known
        operation = self.operations.get(known.operation_id)
        return known if operation is not None and not operation.expired(self.now.wall) else None

    def _replay(self, accept: Accept, known: KeyRow) -> Accepted:
        if accept.key is not None and known.fingerprint != accept.key.fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key came before with another body.")
        operation = self.operations.get(known.operation_id)
        if operation is None or operation.expired(self.now.wall):
            detail = "The operation of this Idempotency-Key has expired."
            raise OperationExpired(detail, operationId=known.operation_id)
        return Accepted(operation, replayed=True)

    def retry(self, retry: Retry) -> Retried:
        before = self._operation(retry.operation_id)
        after = step(before, retry, self.now)
        if after is before:
            return Retried(before.retried_by or "")
        self._check_share(retry.share)
        self._put(before, after)
        made = successor(before, retry, self.now)
        self._create(made)
        self.changes.copied_inputs[made.id] = before.id
        return Retried(made.id, self.operations[made.id])

    def _check_share(self, share: Share | None) -> None:
        if share is None:
            return
        queued = self.facts.standing[share.owner, Status.PENDING]
        if queued >= share.queued:
            raise QuotaExceeded(f"{queued} operations of yours wait already, and {share.queued} may.")
        active = queued + self.facts.standing[share.owner, Status.PROCESSING]
        if active >= share.active:
            raise QuotaExceeded(f"{active} operations of yours wait or run already, and {share.active} may.")

    # --- workers

    def claim(self, claim: Claim) -> Claimed:
        self._check_lease(claim.worker)
        self._wake(claim.types)
        taken: list[Operation] = []
        passed_over: list[Operation] = []
        queues = deque(lines(self._candidates(claim), claim.after))
        while queues and len(taken) < claim.room:
            queue = queues.popleft()
            if (before := self._first(queue, claim, taken, passed_over)) is not None:
                taken.append(self._put(before, step(before, claim, self.now)))
                queues.append(queue)
        self.changes.claimed.extend(operation.id for operation in taken)
        upcoming = [self.facts.next_due[type] for type in claim.types if type in self.facts.next_due]
        return Claimed(tuple(taken), min(upcoming, default=None), len(passed_over))

    def _first(
        self, queue: deque[Operation], claim: Claim, taken: list[Operation], passed_over: list[Operation]
    ) -> Operation | None:
        """The first of an owner's line that this claim may have."""
        while queue:
            first = queue.popleft()
            limit = claim.limits.get(first.type)
            if limit is not None and self.facts.running[first.type] >= limit:
                continue
            if first.crashes < claim.last_chance or sum(o.crashes > claim.last_chance for o in taken) < claim.suspects:
                return first
            passed_over.append(first)
        return None

    def _candidates(self, claim: Claim) -> list[Operation]:
        known = [id for type in claim.types for id in self.facts.due.get(type, ())]
        found = [self.operations[id] for id in {*known, *self.fresh} if id in self.operations]
        return [operation for operation in found if operation.ready and operation.type in claim.types]

    def _wake(self, types: tuple[str, ...]) -> None:
        """What was delayed and is due has its old turn again, or has to see whether there is room in its group."""
        for id in [id for type in types for id in self.facts.woken.pop(type, ())]:
            operation = self.operations[id]
            if operation.status is Status.PENDING and operation.due_at <= self.now.wall:
                self._place(replace(operation, delayed=False, parked=operation.group is not None))
                self._arrived(operation)

    def renew(self, renew: Renew) -> Renewed:
        if not renew.first:
            self._check_lease(renew.worker)
        until = self.now.tick + renew.ttl
        self.changes.leases[renew.worker] = (until, renew.about)
        self.changes.resigned.discard(renew.worker)
        self.facts.leases[renew.worker] = until
        held = [self.operations[id] for id in self.facts.holdings.get(renew.worker, ())]
        return Renewed(tuple(operation for operation in held if operation.worker == renew.worker))

    def resign(self, resign: Resign) -> None:
        self.changes.resigned.add(resign.worker)
        self.facts.leases.pop(resign.worker, None)

    def _check_lease(self, worker: str) -> None:
        if self.facts.leases.get(worker, 0) <= self.now.tick:
            raise WorkerLost(f"the lease of worker {worker} has run out")

    # --- attempts

    def held(self, held: Held) -> Operation:
        before = self._operation(held.operation_id)
        if self.facts.leases.get(held.worker, 0) <= self.now.tick:
            raise StaleAttempt(f"the lease of worker {held.worker} has run out")
        after = self._put(before, step(before, held, self.now))
        self._note(before, held.report)
        return after

    def keep(self, keep: Keep) -> Operation:
        operation = self.held(keep)
        self.changes.chunks.append((keep.operation_id, keep.attempt, keep.number, keep.data))
        return operation

    def complete(self, complete: Complete) -> Operation:
        after = self.held(complete)
        artifact = complete.result.artifact
        if artifact is not None or after.attempt > 1:
            self.changes.dropped_chunks[after.id] = artifact.attempt if artifact and after.status in SUCCEEDED else 0
        if complete.result.path is not None and after.status in SUCCEEDED:
            self.changes.resources[after.owner, resource_name(complete.result.path)] = after.id
        return after

    def _note(self, before: Operation, report: Report) -> None:
        if report.checkpoint is not None:
            self.changes.checkpoints[before.id] = report.checkpoint
        for number, entry in enumerate(report.lines, before.lines + 1):
            line = LogLine(number, entry.at, entry.level, entry.message, before.attempt, entry.fields)
            self.changes.lines.append((before.id, line))

    # --- callers and the sweeper

    def asked(self, transition: Cancel | Settle) -> Operation:
        before = self._operation(transition.operation_id)
        return self._put(before, step(before, transition, self.now))

    def rescue(self, rescue: Rescue) -> int:
        orphans = [self.operations[id] for id in self.facts.orphans]
        taken = [operation for operation in orphans if operation.status is Status.PROCESSING][: rescue.limit]
        for before in taken:
            self._put(before, step(before, rescue, self.now))
            self.facts.orphans.remove(before.id)  # a claim later in this batch may give it to somebody who lives
        return len(taken)

    def expire(self, expire: Expire) -> int:
        buried = [id for id in self.facts.expiring if self.operations[id].expired(self.now.wall)][: expire.limit]
        for operation in [self.operations.pop(id) for id in buried]:
            self.changes.buried.append(Tombstone(operation.id, operation.owner, operation.expires_at or self.now.wall))
            self.changes.tally[operation.owner, operation.type, operation.status] -= 1
            if operation.key is not None:
                self.changes.freed_keys.append((KeyId(operation.owner, *operation.key), operation.id))
        self.facts.expiring = [id for id in self.facts.expiring if id in self.operations]
        return len(buried)

    def forget(self, forget: Forget) -> None:
        self.changes.forget = (self.now.wall - forget.lifetime, forget.limit)

    def observe(self, observe: Observe) -> None:
        self.changes.statistics |= {row[:4]: row for row in observe.rows}

    # --- the overlay

    def _operation(self, id: str) -> Operation:
        if (operation := self.operations.get(id)) is None:
            raise OperationNotFound
        return operation

    def _create(self, operation: Operation) -> None:
        self.operations[operation.id] = operation
        self.changes.created[operation.id] = operation
        self.changes.events.append(event_of(operation))
        self.changes.tally[operation.owner, operation.type, operation.status] += 1
        self.facts.standing[operation.owner, operation.status] += 1
        self._arrived(operation)

    def _arrived(self, operation: Operation) -> None:
        if operation.group is not None and self.operations[operation.id].parked:
            self.groups.entered(operation)
        self.fresh.append(operation.id)

    def _place(self, operation: Operation) -> None:
        """It is found elsewhere from now on; nothing that anybody sees has happened to it."""
        self.operations[operation.id] = operation
        (self.changes.created if operation.id in self.changes.created else self.changes.changed)[operation.id] = (
            operation
        )
        self.changes.moved.add(operation.id)
        self.fresh.append(operation.id)

    def _put(self, before: Operation, after: Operation) -> Operation:
        if after is before:
            return after
        if after.webhook is not None and after.status is not before.status:
            after = self.outbox.told(before, after)
        self.operations[after.id] = after
        self._note_change(after)
        if after.sequence != before.sequence:
            self.changes.events.append(event_of(after, began=after.attempt != before.attempt))
            if after.sequence > EVENTS_KEPT and after.sequence % EVENTS_SLACK == 0:
                self.changes.compacted[after.id] = after.sequence - EVENTS_KEPT
        if after.status is not before.status:
            self._move(before, after)
        elif after.cancellation is not before.cancellation:
            self.changes.moved.add(after.id)
        return after

    def _note_change(self, operation: Operation) -> None:
        changes = self.changes
        (changes.created if operation.id in changes.created else changes.changed)[operation.id] = operation

    def _move(self, before: Operation, after: Operation) -> None:
        self.changes.moved.add(after.id)
        self.changes.tally[before.owner, before.type, before.status] -= 1
        self.changes.tally[after.owner, after.type, after.status] += 1
        self.facts.standing[before.owner, before.status] -= 1
        self.facts.standing[after.owner, after.status] += 1
        if before.status is Status.PROCESSING:
            self.facts.running[before.type] -= 1
        if after.status is Status.PROCESSING:
            self.facts.running[after.type] += 1
        if after.status is Status.PENDING:
            self.fresh.append(after.id)
        if before.group is not None:
            self.groups.moved(before, after)


_DECISIONS: dict[type[Transition], Callable[[_Folding, Any], Any]] = {
    Accept: _Folding.accept,
    Retry: _Folding.retry,
    Claim: _Folding.claim,
    Renew: _Folding.renew,
    Resign: _Folding.resign,
    Advance: _Folding.held,
    Keep: _Folding.keep,
    Complete: _Folding.complete,
    Fail: _Folding.held,
    Release: _Folding.held,
    Stop: _Folding.held,
    Cancel: _Folding.asked,
    Settle: _Folding.asked,
    Rescue: _Folding.rescue,
    Expire: _Folding.expire,
    Forget: _Folding.forget,
    Observe: _Folding.observe,
    ClaimDeliveries: lambda folding, claim: folding.outbox.claim(claim),
    SettleDelivery: lambda folding, settle: folding.outbox.settle(settle),
    PostponeDelivery: lambda folding, postpone: folding.outbox.postpone(postpone),
    Redeliver: lambda folding, redeliver: folding.outbox.redeliver(redeliver),
}
