"""An owner's share of the queue, decided inside of the accepting transaction (guarantee Q1)."""

from __future__ import annotations

import asyncio
from typing import Any

from accepted.contract.traffic import QuotaExceeded
from accepted.contract.transition import Accepted, Retried, Retry, Share
from accepted.store.protocol import Selection, Store
from tests.contract.given import accept, cancel, complete, key, op_id, pending
from tests.store.asking import ask, ask_one, found, running
from tests.store.conftest import OpenStore

MANY = 1000


def offered(number: int, owner: str = "ann", queued: int = 3, active: int = MANY, **more: Any) -> Any:
    return accept(number, owner=owner, share=Share(owner, queued, active), **more)


def let_in(outcomes: list[Any]) -> int:
    assert {type(outcome) for outcome in outcomes} <= {Accepted, QuotaExceeded}
    return sum(isinstance(outcome, Accepted) for outcome in outcomes)


async def test_one_batch_is_counted_as_it_goes(store: Store) -> None:
    assert let_in(await ask(store, *(offered(number) for number in range(10)))) == 3
    assert await store.count(Selection(owner="ann")) == 3


async def test_what_waits_in_the_store_counts_whatever_its_type(store: Store, open_store: OpenStore) -> None:
    other = await open_store()
    assert let_in(await ask(store, offered(1, type="a"), offered(2, type="b"))) == 2
    assert let_in(await ask(other, offered(3), offered(4))) == 1
    assert let_in(await ask(store, offered(5, "bob"))) == 1


async def test_what_ends_or_starts_makes_room(store: Store) -> None:
    assert let_in(await ask(store, *(offered(number) for number in range(4)))) == 3
    outcomes = await ask(store, offered(5), cancel(pending(id=op_id(1))), offered(6), offered(7))
    assert [type(outcome) for outcome in (outcomes[0], outcomes[2], outcomes[3])] == [
        QuotaExceeded,
        Accepted,
        QuotaExceeded,
    ]


async def test_what_runs_counts_as_active_alone(store: Store) -> None:
    running_now = await running(store, 1, 2, owner="ann")
    assert let_in(await ask(store, *(offered(number, active=4) for number in range(3, 8)))) == 2
    await ask(store, complete(running_now[0]))
    assert let_in(await ask(store, offered(9, active=4), offered(10, active=4))) == 1


async def test_a_refusal_stores_no_key_and_a_replay_needs_no_room(store: Store) -> None:
    assert let_in(await ask(store, offered(1, queued=1, key=key("a")))) == 1
    assert isinstance(await ask_one(store, offered(2, queued=1, key=key("b"))), QuotaExceeded)
    assert (await ask_one(store, offered(3, queued=1, key=key("a")))).replayed
    await ask(store, cancel(pending(id=op_id(1))))
    assert not (await ask_one(store, offered(4, queued=1, key=key("b")))).replayed


async def test_a_retry_needs_room_too_but_not_twice(store: Store) -> None:
    await ask(store, accept(1, owner="ann"), cancel(pending(id=op_id(1))), accept(2, owner="ann"))
    share = Share("ann", 1, MANY)
    assert isinstance(await ask_one(store, Retry(op_id(1), op_id(3), None, share)), QuotaExceeded)
    assert (await found(store, op_id(1))).retried_by is None
    await ask(store, cancel(pending(id=op_id(2))))
    for _ in range(2):
        assert await ask_one(store, Retry(op_id(1), op_id(3), None, share)) in [
            Retried(op_id(3)),
            Retried(op_id(3), await found(store, op_id(3))),
        ]


async def test_racing_stores_pass_a_share_by_no_more_than_what_is_under_way(
    store: Store, open_store: OpenStore
) -> None:
    other = await open_store()
    batches = [
        ask(here, *(offered(20 * turn + 10 * index + n, queued=25) for n in range(10)))
        for turn in range(10)
        for index, here in enumerate((store, other))
    ]
    outcomes = [outcome for batch in await asyncio.gather(*batches) for outcome in batch]
    assert 25 <= let_in(outcomes) <= 25 + 10  # the batch that the other store had under way
