"""Whose turn it is: owners one after the other, priorities among what one owner has, groups for concurrency keys."""

from __future__ import annotations

from typing import Any

import pytest

from accepted.contract.operation import Group, Operation, Status
from accepted.contract.policy import AGEING_MS
from accepted.contract.transition import Claimed, Release, Renew, Rescue, Resign, Retry, Transition
from accepted.contract.turns import Waiting, first_in_turn, in_turn
from tests.contract.given import (
    BROKEN,
    DAY,
    MINUTE,
    NOW,
    SECOND,
    accept,
    after,
    cancel,
    claim,
    complete,
    fail,
    held,
    op_id,
    pending,
)
from tests.contract.memory import Memory


@pytest.fixture
def memory() -> Memory:
    memory = Memory()
    memory.ask([Renew("w1", 2 * DAY, True)], NOW)
    return memory


class Served:
    """A worker that claims one at a time and remembers whom it has served."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._after = ""

    def next(self, room: int = 1, **changes: Any) -> list[Operation]:
        (outcome,) = self._memory.ask([claim(room=room, after=self._after, **changes)], after(MINUTE))
        assert isinstance(outcome, Claimed)
        for operation in outcome.operations:
            self._after = operation.owner
        return list(outcome.operations)


def ids(operations: list[Operation]) -> list[str]:
    return [operation.id for operation in operations]


class TestOwners:
    def test_a_flood_delays_the_work_of_another_less_than_twofold(self, memory: Memory) -> None:
        """Ten operations after a flood of hundreds: the last of them is served as the twentieth at the latest."""
        memory.ask([accept(number, owner="flood") for number in range(500)], NOW)
        memory.ask([accept(1000 + number, owner="ann") for number in range(10)], after(SECOND))
        worker = Served(memory)
        order = [operation.owner for _ in range(20) for operation in worker.next()]
        assert order.count("ann") == 10
        assert order[:4] in (["ann", "flood"] * 2, ["flood", "ann"] * 2)

    def test_many_at_once_are_shared_out(self, memory: Memory) -> None:
        owners = {"ann": 9, "bob": 1, "cat": 3}
        numbers = iter(range(100))
        memory.ask([accept(next(numbers), owner=owner) for owner, n in owners.items() for _ in range(n)], NOW)
        found = [operation.owner for operation in Served(memory).next(8)]
        assert found == ["ann", "bob", "cat", "ann", "cat", "ann", "cat", "ann"]

    def test_turns_go_on_behind_whom_was_served_last(self, memory: Memory) -> None:
        memory.ask([accept(n, owner=owner) for n, owner in enumerate(["ann", "bob", "cat"] * 2)], NOW)
        worker = Served(memory)
        assert [operation.owner for _ in range(6) for operation in worker.next()] == ["ann", "bob", "cat"] * 2

    def test_turns_are_of_owners_and_not_of_types(self, memory: Memory) -> None:
        """Whoever floods nine types has still one turn."""
        types = tuple(f"t{number}" for number in range(9))
        memory.ask([accept(n * 100 + m, owner="flood", type=t) for n, t in enumerate(types) for m in range(5)], NOW)
        memory.ask([accept(5000 + number, owner="ann", type="mine") for number in range(5)], NOW)
        worker = Served(memory)
        order = [operation.owner for _ in range(10) for operation in worker.next(types=(*types, "mine"))]
        assert order.count("ann") == 5

    def test_what_a_claim_may_not_have_costs_its_owner_no_turn(self, memory: Memory) -> None:
        memory.ask([accept(1), accept(2, type="import"), accept(3, owner="bob", type="import")], NOW)
        found = Served(memory).next(1, types=("report", "import"), limits={"report": 0})
        assert ids(found) == [op_id(2)]

    def test_loading_reads_little_more_than_is_wanted(self) -> None:
        stored = {"flood": 10_000, **{f"o{number:02}": 1 + number % 3 for number in range(30)}}
        waiting = {owner: [Waiting(owner, n, f"{owner} {n}") for n in range(count)] for owner, count in stored.items()}
        read = []

        def line(owner: str, number: int) -> list[Waiting]:
            read.extend(waiting[owner][:number])
            return waiting[owner][:number]

        every = [one for some in waiting.values() for one in some]
        for wanted in (1, 5, 31, 32, 40, 100, 300):
            read.clear()
            owners = sorted(stored)[:wanted]
            assert first_in_turn(owners, line, "", wanted) == in_turn(every)[:wanted]
            assert len(read) <= 3 * wanted


class TestPriority:
    def test_the_urgent_go_first_and_ten_minutes_are_worth_a_step(self, memory: Memory) -> None:
        memory.ask([accept(1), accept(2, priority=1)], NOW)
        memory.ask([accept(3, priority=2)], after(AGEING_MS + 1))
        memory.ask([accept(4, priority=1)], after(AGEING_MS - 1))
        assert ids(Served(memory).next(9)) == [op_id(2), op_id(3), op_id(4), op_id(1)]

    def test_nothing_starves(self, memory: Memory) -> None:
        """Against an endless stream of the most urgent work, the least urgent waits for nine steps and no longer."""
        memory.ask([accept(0)], NOW)
        memory.ask([accept(1, priority=9)], after(9 * AGEING_MS - 1))
        memory.ask([accept(2, priority=9)], after(9 * AGEING_MS + 1))
        assert ids(Served(memory).next(9)) == [op_id(1), op_id(0), op_id(2)]

    def test_priority_gains_nothing_against_other_owners(self, memory: Memory) -> None:
        memory.ask([accept(n, owner="flood", priority=9) for n in range(50)], NOW)
        memory.ask([accept(100 + n, owner="ann") for n in range(5)], after(SECOND))
        worker = Served(memory)
        assert [o.owner for _ in range(10) for o in worker.next()].count("ann") == 5

    def test_a_retry_by_hand_is_as_urgent(self, memory: Memory) -> None:
        memory.ask([accept(1, priority=5), cancel(pending()), Retry(op_id(1), op_id(2))], NOW)
        assert memory.operations[op_id(2)].priority == 5


class TestPlace:
    """Whatever comes back has its old place."""

    @pytest.mark.parametrize("back", [Release, None])
    def test_what_is_handed_back_is_the_next(self, memory: Memory, back: type[Release] | None) -> None:
        memory.ask([accept(1), accept(2), accept(3)], NOW)
        (one,) = Served(memory).next()
        for transition in [held(Release, one)] if back else [Resign("w1"), Rescue(3), Renew("w1", DAY, True)]:
            memory.ask([transition], after(2 * MINUTE))
        assert ids(Served(memory).next(2)) == [op_id(1), op_id(2)]

    def test_what_is_tried_again_is_the_next_once_it_is_due(self, memory: Memory) -> None:
        memory.ask([accept(number) for number in range(1, 5)], NOW)
        (one,) = Served(memory).next()
        memory.ask([fail(one, attempts=2, delay=SECOND)], NOW)
        assert ids(Served(memory).next(1, types=("import",))) == []
        assert ids(Served(memory).next(2)) == [op_id(1), op_id(2)]

    def test_what_was_woken_for_nothing_stays_awake(self, memory: Memory) -> None:
        memory.ask([accept(1), accept(2)], NOW)
        one, two = Served(memory).next(2)
        memory.ask([fail(one, attempts=2, delay=2), fail(two, attempts=2, delay=1)], NOW)
        assert ids(Served(memory).next(1)) == [op_id(1)]
        assert memory.operations[op_id(2)].ready
        assert ids(Served(memory).next(1)) == [op_id(2)]


def group(number: int, key: str = "x", limit: int = 1, **changes: Any) -> Transition:
    return accept(number, group=Group(key, limit), **changes)


class TestGroups:
    def test_no_more_run_at_once_than_the_key_allows(self, memory: Memory) -> None:
        memory.ask([group(number, limit=2) for number in range(1, 6)], NOW)
        one, two = Served(memory).next(9)
        assert Served(memory).next(9) == []
        memory.ask([complete(two)], NOW)
        assert ids(Served(memory).next(9)) == [op_id(3)]
        memory.ask([complete(one)], NOW)
        assert ids(Served(memory).next(9)) == [op_id(4)]

    def test_a_full_key_holds_nobody_else_up(self, memory: Memory) -> None:
        """A thousand of a key that is full, and behind them others: a claim does not even see the thousand."""
        memory.ask([group(number) for number in range(1000)], NOW)
        memory.ask([accept(2001), group(2002, "y"), group(2003, type="import")], after(SECOND))
        found = Served(memory).next(9, types=("report", "import"))
        assert ids(found) == [op_id(0), op_id(2001), op_id(2002), op_id(2003)]
        assert memory.queue("report") == []

    @pytest.mark.parametrize("end", ["complete", "fail", "tried again", "cancelled", "lost", "cancelled while pending"])
    def test_however_one_ends_the_next_comes_in(self, memory: Memory, end: str) -> None:
        memory.ask([group(1), group(2)], NOW)
        if end == "cancelled while pending":
            memory.ask([cancel(pending())], NOW)
        else:
            (one,) = Served(memory).next(9)
            last: dict[str, list[Transition]] = {
                "complete": [complete(one)],
                "fail": [fail(one, problem=BROKEN)],
                "tried again": [fail(one, attempts=9, delay=DAY)],
                "cancelled": [cancel(one), complete(one)],
                "lost": [Resign("w1"), Rescue(1), Renew("w1", DAY, True)],
            }
            for transition in last[end]:
                memory.ask([transition], NOW)
        assert ids(Served(memory).next(9)) == [op_id(2)]

    @pytest.mark.parametrize("back", ["released", "rescued", "at once"])
    def test_whoever_is_given_back_keeps_its_place_in_the_group(self, memory: Memory, back: str) -> None:
        memory.ask([group(1), group(2)], NOW)
        (one,) = Served(memory).next(9)
        last: dict[str, list[Transition]] = {
            "released": [held(Release, one)],
            "rescued": [Resign("w1"), Rescue(3), Renew("w1", DAY, True)],
            "at once": [fail(one, attempts=9)],
        }
        for transition in last[back]:
            memory.ask([transition], NOW)
        assert ids(Served(memory).next(9)) == [op_id(1)]

    def test_what_is_tried_again_waits_for_the_group_in_its_old_place(self, memory: Memory) -> None:
        memory.ask([group(1), group(2), group(3)], NOW)
        (one,) = Served(memory).next(9)
        memory.ask([fail(one, attempts=9, delay=SECOND)], NOW)
        (two,) = Served(memory).next(9)
        assert memory.operations[op_id(1)].parked
        memory.ask([complete(two)], after(MINUTE))
        assert ids(Served(memory).next(9)) == [op_id(1)]

    def test_a_cancelled_one_is_passed(self, memory: Memory) -> None:
        memory.ask([group(1), group(2), group(3)], NOW)
        (one,) = Served(memory).next(9)
        memory.ask([complete(one), cancel(pending(id=op_id(2))), claim(room=9)], NOW)
        assert memory.operations[op_id(3)].status is Status.PROCESSING

    def test_owners_of_one_group_take_turns(self, memory: Memory) -> None:
        memory.ask([group(number, owner="flood") for number in range(100)], NOW)
        memory.ask([group(200, owner="ann"), group(201, owner="ann")], after(SECOND))
        order = []
        for _ in range(5):
            (operation,) = Served(memory).next(9)
            order.append(operation.owner)
            memory.ask([complete(operation)], after(MINUTE))
        assert order == ["flood", "ann", "flood", "ann", "flood"]

    def test_a_group_mends_what_was_left_amiss(self, memory: Memory) -> None:
        """As by a node of an older version: the next that comes lets in all there is room for."""
        memory.ask([group(number) for number in range(4)], NOW)
        memory.ask([group(9, limit=3)], NOW)
        assert len(Served(memory).next(9)) == 1
        memory.operations = {id: o for id, o in memory.operations.items() if o.parked}
        memory.ask([group(10)], NOW)
        assert ids(Served(memory).next(9)) == [op_id(1)]
