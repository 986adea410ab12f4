"""Listing, counting and queues: right after every kind of change, and the same for every reader."""

from __future__ import annotations

from collections import Counter

import pytest

from accepted.contract.operation import Now, Operation, Status
from accepted.contract.statistic import MINUTE, StatisticRow, Tallies
from accepted.contract.transition import Expire, Observe, Renew, Resign, Retry, Transition
from accepted.store.protocol import Selection, Store
from tests.contract.given import (
    BROKEN,
    DAY,
    HOUR,
    NOW,
    SECOND,
    WARNED,
    accept,
    cancel,
    claim,
    complete,
    fail,
    op_id,
    pending,
    release,
    rescue,
    settle,
)
from tests.store.asking import ask, found, running
from tests.store.clock import MovableClock

P, R, C, F, X = Status.PENDING, Status.PROCESSING, Status.COMPLETED, Status.FAILED, Status.CANCELLED


async def page(store: Store, owner: str | None = None, **selection: object) -> list[int]:
    """The numbers of the operations on a page."""
    wanted = Selection(owner, **{"limit": 100, **selection})  # type: ignore[arg-type]
    return [int(operation.id[3:]) for operation in await store.operations(wanted)]


@pytest.fixture
async def history(store: Store) -> Store:
    """Twelve operations: odd ones are ann's, even ones bob's; every third is an import; the first four have ended."""
    numbers = range(1, 13)
    submits = [accept(n, owner="bob" if n % 2 == 0 else "ann", type="report" if n % 3 else "import") for n in numbers]
    await ask(store, *reversed(submits), Renew("w1", DAY, True), claim("w1", ("report", "import"), 5))
    one, two, three, four, _ = [await found(store, op_id(n)) for n in range(1, 6)]
    await ask(store, complete(one), complete(two, report=WARNED), fail(three, BROKEN), cancel(four), complete(four))
    return store


async def test_the_newest_come_first(history: Store) -> None:
    assert await page(history) == list(range(12, 0, -1))


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        ({"owner": "ann"}, [11, 9, 7, 5, 3, 1]),
        ({"owner": "carol"}, []),
        ({"types": ("import",)}, [12, 9, 6, 3]),
        ({"types": ("import", "report")}, list(range(12, 0, -1))),
        ({"types": ()}, []),
        ({"types": ("unknown",)}, []),
        ({"statuses": (P,)}, [12, 11, 10, 9, 8, 7, 6]),
        ({"statuses": (R, C)}, [5, 1]),
        ({"statuses": (Status.COMPLETED_WITH_ERRORS, F, X)}, [4, 3, 2]),
        ({"owner": "bob", "types": ("report",), "statuses": (P,)}, [10, 8]),
        ({"owner": "bob", "types": ("report",), "statuses": (P,), "skip": 1}, [8]),
        ({"before": op_id(9)}, [8, 7, 6, 5, 4, 3, 2, 1]),
        ({"before": op_id(1)}, []),
        ({"before": op_id(99), "limit": 2}, [12, 11]),
        ({"before": op_id(9), "owner": "ann", "limit": 2}, [7, 5]),
        ({"limit": 3}, [12, 11, 10]),
        ({"limit": 3, "skip": 3}, [9, 8, 7]),
        ({"limit": 3, "skip": 11}, [1]),
        ({"limit": 3, "skip": 12}, []),
        ({"limit": 3, "skip": 1, "before": op_id(9)}, [7, 6, 5]),
        ({"limit": 0}, []),
    ],
    ids=str,
)
async def test_a_page_holds_what_was_selected(history: Store, selection: dict[str, object], numbers: list[int]) -> None:
    assert await page(history, **selection) == numbers  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("selection", "number"),
    [
        (Selection(None), 12),
        (Selection("ann"), 6),
        (Selection("carol"), 0),
        (Selection(None, types=("import",)), 4),
        (Selection(None, statuses=(P,)), 7),
        (Selection("bob", ("report",), (P,)), 2),
        (Selection(None, before=op_id(3), skip=5, limit=1), 12),
    ],
    ids=str,
)
async def test_a_count_is_of_all_whatever_the_page(history: Store, selection: Selection, number: int) -> None:
    assert await history.count(selection) == number


async def test_cursors_do_not_drift_as_new_ones_arrive(history: Store) -> None:
    first = await page(history, limit=4)
    await ask(history, *(accept(n) for n in range(20, 25)))
    assert await page(history, limit=4, before=op_id(first[-1])) == [8, 7, 6, 5]


async def test_a_tally_is_over_all_owners(history: Store) -> None:
    assert await history.tally() == {
        ("report", P): 4,
        ("import", P): 3,
        ("report", R): 1,
        ("report", C): 1,
        ("report", Status.COMPLETED_WITH_ERRORS): 1,
        ("import", F): 1,
        ("report", X): 1,
    }


async def test_every_kind_of_change_is_counted(store: Store, clock: MovableClock) -> None:
    async def holds(*batch: Transition, **expected: int) -> None:
        await ask(store, *batch)
        assert await store.tally() == {("report", Status(name)): n for name, n in expected.items()}
        listed = Counter(operation.status for operation in await store.operations(Selection("ann", limit=99)))
        assert listed == {Status(name): n for name, n in expected.items()}
        assert await store.count(Selection("ann")) == sum(expected.values())

    async def now(number: int) -> Operation:
        return await found(store, op_id(number))

    await holds(*(accept(n, retention=HOUR) for n in range(1, 7)), PENDING=6)
    await holds(Renew("w1", DAY, True), claim(room=5), PENDING=1, PROCESSING=5)
    await holds(complete(await now(1)), PENDING=1, PROCESSING=4, COMPLETED=1)
    await holds(fail(await now(2)), PENDING=1, PROCESSING=3, COMPLETED=1, FAILED=1)
    await holds(fail(await now(3), attempts=2), PENDING=2, PROCESSING=2, COMPLETED=1, FAILED=1)
    await holds(release(await now(4)), PENDING=3, PROCESSING=1, COMPLETED=1, FAILED=1)
    await holds(cancel(pending(id=op_id(6))), PENDING=2, PROCESSING=1, COMPLETED=1, FAILED=1, CANCELLED=1)
    await holds(cancel(await now(5)), PENDING=2, PROCESSING=1, COMPLETED=1, FAILED=1, CANCELLED=1)
    clock.advance(2 * SECOND)
    await holds(settle(await now(5)), PENDING=2, COMPLETED=1, FAILED=1, CANCELLED=2)
    await holds(Retry(op_id(2), op_id(7)), PENDING=3, COMPLETED=1, FAILED=1, CANCELLED=2)
    await holds(Retry(op_id(2), op_id(8)), PENDING=3, COMPLETED=1, FAILED=1, CANCELLED=2)
    await holds(claim(room=9), PROCESSING=3, COMPLETED=1, FAILED=1, CANCELLED=2)
    await holds(Resign("w1"), rescue(), PROCESSING=3, COMPLETED=1, FAILED=1, CANCELLED=2)
    await holds(rescue(max_crashes=1), FAILED=4, COMPLETED=1, CANCELLED=2)
    clock.advance(HOUR - SECOND)
    await holds(Expire(), FAILED=3, CANCELLED=1)
    clock.advance(SECOND)
    await holds(Expire())


async def test_of_what_waits_the_queue_and_the_oldest_are_known(store: Store, clock: MovableClock) -> None:
    assert await store.oldest_due() == {}
    assert await store.queue("report", 9) == []
    await ask(store, accept(2), accept(3, type="import"))
    clock.advance(SECOND)
    await ask(store, accept(1))
    assert await store.oldest_due() == {"report": NOW.wall, "import": NOW.wall}
    assert await store.queue("report", 9) == [op_id(2), op_id(1)]
    await ask(store, Renew("w1", DAY, True), claim(room=1))
    assert await store.oldest_due() == {"report": NOW.wall + SECOND, "import": NOW.wall}
    await ask(store, fail(await found(store, op_id(2)), attempts=2, delay=HOUR), cancel(pending()))
    assert await store.oldest_due() == {"report": NOW.wall + SECOND + HOUR, "import": NOW.wall}
    assert await store.queue("report", 9) == []


async def test_what_does_not_exist_is_none_and_empty(store: Store) -> None:
    assert await store.operation(op_id(1)) is None
    assert await store.events(op_id(1), 0, 9) == []
    assert await store.lines(op_id(1), 0, 9) == []
    assert await store.resource("ann", "/reports/rpt-1") is None
    assert await store.durations("report") == []
    assert await store.workers() == []
    assert [chunk async for chunk in store.chunks(op_id(1), 1, 0)] == []


async def test_an_ended_operation_reads_the_same_for_ever(store: Store, clock: MovableClock) -> None:
    one, two = await running(store, 1, 2)
    await ask(store, complete(one), fail(two, BROKEN))
    before = [await found(store, op_id(n)) for n in (1, 2)]
    for _ in range(3):
        clock.advance(HOUR)
        await ask(store, cancel(one), complete(one), fail(two), Retry(op_id(1), op_id(9)), rescue(), Expire())
        assert [await found(store, op_id(n)) for n in (1, 2)] == before


async def test_the_time_is_the_stores(store: Store, clock: MovableClock) -> None:
    assert await store.now() == clock.now() == NOW
    assert clock.move(wall=-HOUR, tick=SECOND) == await store.now() == Now(NOW.wall - HOUR, NOW.tick + SECOND)


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        ({"since": op_id(8)}, [12, 11, 10, 9]),
        ({"since": op_id(8), "before": op_id(11)}, [10, 9]),
        ({"since": op_id(8), "owner": "ann"}, [11, 9]),
        ({"since": op_id(2), "before": op_id(6), "skip": 1, "limit": 1}, [4]),
        ({"since": op_id(12)}, []),
    ],
)
async def test_a_page_lies_between_two_ids(history: Store, selection: dict[str, object], numbers: list[int]) -> None:
    assert await page(history, **selection) == numbers  # type: ignore[arg-type]


async def test_a_tally_of_one_owner(history: Store) -> None:
    both = Counter(await history.tally("ann")) + Counter(await history.tally("bob"))
    assert both == await history.tally()
    assert await history.tally("nobody") == {}


async def test_what_workers_hold_is_known(history: Store) -> None:
    held = await history.running(10)
    assert [(operation.id, operation.worker) for operation in held] == [(op_id(5), "w1")]
    assert await history.running(0) == []


# --- statistics


def row(scope: str, minute: int, source: str, submitted: int, type: str = "report") -> StatisticRow:
    return StatisticRow(scope, minute, type, source, Tallies(submitted, {"FAILED": 1}, {0: 2, 17: 1}))


async def test_counts_take_the_place_of_what_their_process_said_before(store: Store) -> None:
    minute = NOW.wall // MINUTE
    await ask(
        store, Observe((row("all", minute, "a", 1), row("all", minute, "b", 5), row("owner:ann", minute, "a", 1)))
    )
    later = (row("all", minute, "a", 3), row("all", minute - 1, "a", 2), row("all", minute, "a", 9, "import"))
    await ask(store, Observe(later), Observe((row("all", minute, "b", 6),)))
    found = await store.statistics("all", minute)
    assert sorted(found, key=repr) == sorted([later[0], later[2], row("all", minute, "b", 6)], key=repr)
    assert len(await store.statistics("all", minute - 1)) == 4
    assert await store.statistics("owner:ann", 0) == [row("owner:ann", minute, "a", 1)]
    assert await store.statistics("owner:bob", 0) == []


async def test_counts_are_kept_for_two_hours(store: Store, clock: MovableClock) -> None:
    minute = NOW.wall // MINUTE
    await ask(store, Observe((row("all", minute, "a", 1),)))
    clock.advance(2 * HOUR)
    await ask(store, Observe((row("all", minute + 120, "a", 1),)))
    assert {found.minute for found in await store.statistics("all", 0)} == {minute, minute + 120}
    clock.advance(MINUTE)
    await ask(store, Observe((row("all", minute + 121, "b", 1),)))
    assert {found.minute for found in await store.statistics("all", 0)} == {minute + 120, minute + 121}
