"""A commit whose answer is lost: what became of it is found out, and nothing is done twice (guarantee D4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from accepted.contract.operation import Status
from accepted.contract.transition import Claim, Renew
from accepted.store import postgres_doubt
from accepted.store.postgres import PostgresStore
from accepted.store.protocol import FateUnknown
from tests.contract.given import accept, cancel, key, op_id, pending
from tests.store.asking import ask, ask_one, found
from tests.store.clock import MovableClock
from tests.store.server import the_server
from tests.store.wire import Break, Wire


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with Wire(the_server().database()).laid() as wire:
        yield wire


@pytest.fixture
async def store(wire: Wire, clock: MovableClock) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(wire.url, clock=clock, notify=False)
    await store.open()
    yield store
    await store.close()


@pytest.mark.parametrize("breaks", ["before", "after"])
async def test_what_became_of_a_commit_is_found_out(store: PostgresStore, wire: Wire, breaks: Break) -> None:
    await ask(store, accept(9))
    wire.breaks = breaks
    first, second = await ask(store, accept(1, key=key()), accept(2))
    assert (first.operation.id, second.operation.id, first.replayed) == (op_id(1), op_id(2), False)
    assert wire.broken == 1
    assert [event.sequence for event in await store.events(op_id(1), 0, 10)] == [1]
    assert (await store.tally()) == {(first.operation.type, Status.PENDING): 3}
    assert (await ask_one(store, accept(3, key=key()))).replayed


@pytest.mark.parametrize("breaks", ["before", "after"])
async def test_a_change_of_what_there_was_too(store: PostgresStore, wire: Wire, breaks: Break) -> None:
    (accepted,) = await ask(store, accept(1))
    await ask(store, Renew("worker", 60_000, True))
    wire.breaks = breaks
    await ask(store, Claim("worker", (accepted.operation.type,), 1))
    assert ((await found(store, op_id(1))).attempt, wire.broken) == (1, 1)
    wire.breaks = breaks
    await ask(store, cancel(pending(id=op_id(1))))
    sequences = [event.sequence for event in await store.events(op_id(1), 0, 10)]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_a_fate_that_nobody_tells_is_unknown(
    store: PostgresStore, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_doubt, "PATIENCE", 0.2)
    await ask(store, accept(9))
    wire.breaks = "for good"
    with pytest.raises(FateUnknown, match="what became of the batch is not known"):
        await ask(store, accept(1, key=key()))
    wire.whole = True
    async with asyncio.timeout(10):
        assert (await ask_one(store, accept(2, key=key()))).operation.id == op_id(1)  # it was stored
