"""The outbox: what a batch does to deliveries, decided inside of the same transaction as everything else.

A delivery is made by the very commit that starts or ends its operation, whichever transition that is (guarantee W1).
The operation counts its pending deliveries, so that it does not expire before the last of them has been settled
(guarantee R1), and is found by nobody who looks for what has expired.
"""

from __future__ import annotations

from itertools import chain, islice, zip_longest

from msgspec.structs import replace

from .delivery import (
    Delivery,
    DeliveryStatus,
    claimed,
    delivery_of,
    postponed,
    redelivered,
    settled,
)
from .ledger import Changes, Facts
from .operation import Now, Operation, Status
from .problem import DeliveryNotFound, OperationNotFound, StaleAttempt
from .transition import ClaimDeliveries, ClaimedDeliveries, PostponeDelivery, Redeliver, SettledDelivery, SettleDelivery


class Outbox:
    """The deliveries of one fold."""

    def __init__(self, facts: Facts, changes: Changes, now: Now) -> None:
        self._facts = facts
        self._changes = changes
        self._now = now

    def told(self, before: Operation, after: Operation) -> Operation:
        """`after`, with the delivery counted that tells of it: an end, or the first start."""
        if after.status is Status.PROCESSING and before.started_at is not None:
            return after
        delivery = delivery_of(after, self._now)
        if delivery is None:
            return after
        self._keep(delivery)
        after = replace(after, undelivered=after.undelivered + 1)
        self._changes.summons[after.id] = after
        return after

    # --- senders

    def claim(self, claim: ClaimDeliveries) -> ClaimedDeliveries:
        """One of each host in turn, as far as there is room."""
        found = self._facts.due_deliveries.pop(0)
        turns = zip_longest(*([id for id in ids if self._is_due(id)] for ids in found.by_host.values()))
        taken = [
            self._keep(claimed(self._facts.deliveries[id], claim.visibility, self._now))
            for id in islice(filter(None, chain.from_iterable(turns)), claim.room)
        ]
        return ClaimedDeliveries(tuple(taken), found.resume)

    def _is_due(self, id: str) -> bool:
        delivery = self._facts.deliveries[id]
        return delivery.status is DeliveryStatus.PENDING and delivery.due_at <= self._now.wall

    def settle(self, settle: SettleDelivery) -> SettledDelivery:
        """What came of a try."""
        before = self._held(settle)
        after = self._keep(settled(before, settle.number, settle.answer, settle.chance, self._now))
        if after.status is not DeliveryStatus.PENDING:
            self._count(self._facts.operations[after.operation_id], -1)
        return SettledDelivery(after)

    def postpone(self, postpone: PostponeDelivery) -> Delivery:
        """A claim that was not used."""
        return self._keep(postponed(self._held(postpone), postpone.number, postpone.wait, self._now))

    def _held(self, transition: SettleDelivery | PostponeDelivery) -> Delivery:
        delivery = self._facts.deliveries.get(transition.delivery_id)
        if delivery is None or transition.operation_id not in self._facts.operations:
            raise StaleAttempt(f"there is no delivery {transition.delivery_id} any more")
        return delivery

    # --- callers

    def redeliver(self, redeliver: Redeliver) -> Delivery:
        """Due now."""
        operation = self._facts.operations.get(redeliver.operation_id)
        if operation is None:
            raise OperationNotFound
        before = self._facts.deliveries.get(redeliver.delivery_id)
        if before is None or before.operation_id != operation.id:
            raise DeliveryNotFound("The operation has no delivery with this id.")
        after = redelivered(before, self._now)
        if after is before:
            return after
        self._keep(after)
        if before.status is not DeliveryStatus.PENDING:
            operation = self._count(operation, 1)
        self._changes.summons[operation.id] = operation
        return after

    # --- the overlay

    def _keep(self, delivery: Delivery) -> Delivery:
        self._facts.deliveries[delivery.id] = self._changes.deliveries[delivery.id] = delivery
        return delivery

    def _count(self, operation: Operation, by: int) -> Operation:
        """Clients see nothing of it: no event, and the version stays."""
        after = replace(operation, undelivered=operation.undelivered + by)
        self._facts.operations[after.id] = after
        (self._changes.created if after.id in self._changes.created else self._changes.changed)[after.id] = after
        if after.expires_at is not None:
            self._changes.moved.add(after.id)
        return after
