"""Turns of owners, priorities and groups, as every store has to keep them (see tests/contract/test_2_turns.py)."""

from __future__ import annotations

import asyncio
from typing import Any

from accepted.contract.operation import Group, Operation, Status
from accepted.contract.transition import Accept, Claimed, Release, Renew, Rescue, Resign
from accepted.store.protocol import Store
from tests.contract.given import DAY, HOUR, SECOND, accept, cancel, claim, complete, fail, held, op_id, pending
from tests.store.asking import ask, ask_one, found, register
from tests.store.clock import MovableClock
from tests.store.conftest import OpenStore


async def served(store: Store, room: int = 1, after: str = "", worker: str = "w1", **changes: Any) -> list[Operation]:
    outcome = await ask_one(store, claim(worker, room=room, after=after, **changes))
    assert isinstance(outcome, Claimed)
    return list(outcome.operations)


def ids(operations: list[Operation]) -> list[str]:
    return [operation.id for operation in operations]


def group(number: int, key: str = "x", limit: int = 1, **changes: Any) -> Accept:
    return accept(number, group=Group(key, limit), **changes)


async def test_owners_take_turns(store: Store, clock: MovableClock) -> None:
    await register(store, ttl=DAY)
    await ask(store, *(accept(number, owner="flood") for number in range(300)))
    clock.advance(SECOND)
    await ask(store, *(accept(number, owner=owner) for number, owner in ((500, ""), (501, ""), (502, "\U0001f600"))))
    order, after = [], "flood"
    for _ in range(6):
        (operation,) = await served(store, after=after)
        after = operation.owner
        order.append(after)
    assert order == ["\U0001f600", "", "flood", "", "flood", "flood"]


async def test_the_queue_is_the_order_of_the_claims(store: Store, clock: MovableClock) -> None:
    await register(store, ttl=DAY)
    owners = {"ann": 40, "bob": 1, "cat": 7, "": 3}
    numbers = iter(range(100))
    await ask(
        store, *(accept(next(numbers), owner=o, priority=n % 3) for o, count in owners.items() for n in range(count))
    )
    told = await store.queue("report", 1000)
    assert len(told) == 51
    for limit in (1, 3, 4, 5, 20):
        assert await store.queue("report", limit) == told[:limit]
    taken: list[str] = []
    after = ""
    while claimed := await served(store, 7, after):
        after = claimed[-1].owner
        taken += ids(claimed)
    assert sorted(taken) == sorted(told)
    assert taken[:7] == told[:7]


async def test_a_claim_is_filled_however_many_owners_there_are(store: Store) -> None:
    await register(store, ttl=DAY)
    await ask(store, *(accept(number, owner=f"o{number % 40:02}") for number in range(60)))
    await ask(store, *(accept(number, owner="flood") for number in range(100, 200)))
    assert [len(await served(store, 50)) for _ in range(4)] == [50, 50, 50, 10]


async def test_priorities_hold_in_the_line_of_an_owner(store: Store, clock: MovableClock) -> None:
    await register(store, ttl=DAY)
    await ask(store, accept(1), accept(2, priority=9), accept(3, owner="bob"), accept(4, priority=3))
    assert ids(await served(store, 9)) == [op_id(2), op_id(3), op_id(4), op_id(1)]


async def test_what_comes_back_has_its_old_place(store: Store, clock: MovableClock) -> None:
    await register(store, ttl=DAY)
    await ask(store, *(accept(number) for number in range(1, 6)))
    one, two = await served(store, 2)
    clock.advance(SECOND)
    await ask(store, held(Release, two), fail(one, attempts=2, delay=SECOND))
    assert await store.queue("report", 9) == [op_id(2), op_id(3), op_id(4), op_id(5)]
    clock.advance(SECOND)
    assert ids(await served(store, 1)) == [op_id(1)]
    await ask(store, Resign("w1"))
    await ask(store, Rescue(3), Renew("w1", DAY, True))
    assert ids(await served(store, 2)) == [op_id(1), op_id(2)]


async def test_a_key_stays_within_its_limit_over_all_nodes(store: Store, open_store: OpenStore) -> None:
    other = await open_store()
    await register(store, "w1", DAY)
    await register(other, "w2", DAY)
    await ask(store, *(group(number, "x", 2, owner=f"owner {number % 2}") for number in range(1, 8)))
    await ask(other, group(10, "y", 2), group(11, "x", 2, type="import"))
    first = await served(store, 1)
    second = await served(other, 9, worker="w2", types=("report", "import"))
    assert sorted(ids(first + second)) == [op_id(1), op_id(2), op_id(10), op_id(11)]
    while running := [o for o in first + second if o.group == Group("x", 2) and o.type == "report"]:
        assert len(running) == 2 or (await store.tally()).get(("report", Status.PENDING), 0) == 0
        await ask(other, complete(running[0]))
        first = running[1:] + await served(store, 9)
        second = []
    assert (await store.tally())["report", Status.COMPLETED] == 7


async def test_a_claim_does_not_see_what_is_parked(store: Store) -> None:
    await register(store, ttl=DAY)
    await ask(store, *(group(number) for number in range(500)))
    await ask(store, accept(900), group(901, "y"))
    assert ids(await served(store, 9)) == [op_id(0), op_id(900), op_id(901)]
    assert await store.queue("report", 9) == []
    assert await store.oldest_due() == {}


async def test_what_waits_for_a_date_leaves_its_group_and_comes_back_to_it(store: Store, clock: MovableClock) -> None:
    await register(store, ttl=DAY)
    await ask(store, group(1), group(2), group(3))
    (one,) = await served(store, 9)
    await ask(store, fail(one, attempts=9, delay=HOUR))
    (two,) = await served(store, 9)
    assert two.id == op_id(2)
    clock.advance(HOUR)
    assert await served(store, 9) == []
    assert (await found(store, op_id(1))).parked
    await ask(store, complete(two))
    assert ids(await served(store, 9)) == [op_id(1)]


async def test_whoever_is_cancelled_makes_room(store: Store) -> None:
    await register(store, ttl=DAY)
    await ask(store, *(group(number) for number in range(1, 5)))
    await ask(store, cancel(pending(id=op_id(1))), cancel(pending(id=op_id(2))))
    assert ids(await served(store, 9)) == [op_id(3)]


async def test_keys_of_any_text_are_kept(store: Store) -> None:
    await register(store, ttl=DAY)
    keys = ["", "x", "X", "x ", "é", "\U0001f600", "y" * 200]
    await ask(store, *(group(10 * n + m, key) for n, key in enumerate(keys) for m in range(2)))
    assert ids(await served(store, 99)) == [op_id(10 * n) for n in range(len(keys))]


async def test_many_nodes_fill_and_empty_a_group_at_once(store: Store, open_store: OpenStore) -> None:
    """Never more than its limit, and never fewer while any wait: not even if all come and go at the same moment."""
    stores = [store, *[await open_store() for _ in range(2)]]
    for number, each in enumerate(stores):
        await register(each, f"w{number}", DAY)

    async def live(number: int) -> None:
        own = stores[number]
        for step in range(20):
            await ask(own, group(100 * number + step, "x", 2, owner=f"o{number}"))
            for operation in await served(own, 9, worker=f"w{number}"):
                running = (await own.tally()).get(("report", Status.PROCESSING), 0)
                assert running <= 2
                await ask(own, complete(operation))

    await asyncio.gather(*(live(number) for number in range(len(stores))))
    while claimed := await served(store, 9, worker="w0"):
        await ask(store, *map(complete, claimed))
    assert await store.tally() == {("report", Status.COMPLETED): 60}
