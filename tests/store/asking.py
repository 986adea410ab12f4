"""Short forms for what nearly every test of a store does: commit and look at the outcome, read and expect to find."""

from __future__ import annotations

from typing import Any

from accepted.contract.ledger import Tombstone
from accepted.contract.operation import Operation
from accepted.contract.transition import Renew, Transition
from accepted.store.protocol import Store
from tests.contract.given import DAY, accept, claim

TTL = 30_000


async def ask(store: Store, *batch: Transition) -> list[Any]:
    """The outcomes of one commit."""
    return list((await store.commit(batch)).outcomes)


async def ask_one(store: Store, transition: Transition) -> Any:
    """The outcome of one transition alone."""
    (outcome,) = await ask(store, transition)
    return outcome


async def found(store: Store, id: str) -> Operation:
    """The operation, which has to be there."""
    operation = await store.operation(id)
    assert isinstance(operation, Operation), operation
    return operation


async def buried(store: Store, id: str) -> Tombstone:
    """What is left of an operation that has expired."""
    tombstone = await store.operation(id)
    assert isinstance(tombstone, Tombstone), tombstone
    return tombstone


async def register(store: Store, worker: str = "w1", ttl: int = TTL, **about: Any) -> None:
    """A worker with a lease of `ttl` milliseconds."""
    await store.commit([Renew(worker, ttl, True, about)])


async def running(store: Store, *numbers: int, worker: str = "w1", **changes: Any) -> list[Operation]:
    """Operations with these numbers, claimed by a worker whose lease lasts for a day."""
    await store.commit([Renew(worker, DAY, True), *(accept(number, **changes) for number in numbers)])
    type = changes.get("type", "report")
    claimed = await ask_one(store, claim(worker, (type,), len(numbers)))
    assert len(claimed.operations) == len(numbers)
    return list(claimed.operations)
