"""What attempts leave behind: chunks of artifacts, log lines, resources, run times; and how all of it expires."""

from __future__ import annotations

import pytest

from accepted.contract.ledger import Tombstone, resource_name
from accepted.contract.operation import Artifact, LogLine, Operation, Result
from accepted.contract.transition import Advance, Expire, Forget, Keep, LogEntry, Report
from accepted.store.protocol import Selection, Store
from tests.contract.given import (
    BROKEN,
    DAY,
    HOUR,
    NOW,
    SECOND,
    accept,
    cancel,
    claim,
    complete,
    fail,
    held,
    key,
    op_id,
    pending,
    release,
)
from tests.store.asking import ask, ask_one, buried, found, running
from tests.store.clock import MovableClock

PATH = "/reports/rpt-1"


def artifact(attempt: int = 1) -> Result:
    return Result(artifact=Artifact("text/csv", 6, "0" * 64, attempt, "a.csv"), path=PATH)


async def chunks(store: Store, operation: Operation, attempt: int, first: int = 0) -> list[bytes]:
    return [chunk async for chunk in store.chunks(operation.id, attempt, first)]


def keep(operation: Operation, number: int, data: bytes) -> Keep:
    return held(Keep, operation, number=number, data=data)


class TestChunks:
    async def test_they_come_in_order_from_any_number_on(self, store: Store) -> None:
        (one,) = await running(store, 1)
        bodies = [b"", b"\0\xff", b"x" * (1 << 20), b"end"]
        await ask(store, *(keep(one, number, body) for number, body in enumerate(bodies[:2])))
        await ask(store, *(keep(one, number, body) for number, body in enumerate(bodies) if number >= 2))
        assert await chunks(store, one, 1) == bodies
        assert await chunks(store, one, 1, 3) == [b"end"]
        assert await chunks(store, one, 1, 4) == []

    async def test_one_may_be_written_again_after_an_unclear_answer(self, store: Store) -> None:
        (one,) = await running(store, 1)
        await ask(store, keep(one, 0, b"first"))
        await ask(store, keep(one, 0, b"again"))
        assert await chunks(store, one, 1) == [b"again"]

    async def test_those_of_the_completing_attempt_stay_and_others_go(self, store: Store) -> None:
        (one,) = await running(store, 1)
        await ask(store, keep(one, 0, b"first"))
        (again,) = (await ask(store, release(one), claim()))[1].operations
        await ask(store, keep(again, 0, b"second"), complete(again, result=artifact(2)))
        assert await chunks(store, one, 1) == []
        assert await chunks(store, again, 2) == [b"second"]

    async def test_a_completion_without_an_artifact_keeps_none(self, store: Store) -> None:
        (one,) = await running(store, 1)
        await ask(store, keep(one, 0, b"first"))
        (again,) = (await ask(store, release(one), claim()))[1].operations
        await ask(store, complete(again))
        assert await chunks(store, one, 1) == []

    async def test_nor_does_one_that_comes_after_a_cancel(self, store: Store) -> None:
        (one,) = await running(store, 1)
        await ask(store, keep(one, 0, b"first"), cancel(one), complete(one, result=artifact()))
        assert await chunks(store, one, 1) == []
        assert await store.resource("ann", resource_name(PATH)) is None

    async def test_a_chunk_is_no_event(self, store: Store) -> None:
        (one,) = await running(store, 1)
        committed = await store.commit([keep(one, 0, b"first")])
        assert (list(committed.events), list(committed.operations)) == ([], [])


class TestLines:
    async def test_they_are_numbered_over_writes_and_attempts(self, store: Store) -> None:
        (one,) = await running(store, 1)
        entries = [LogEntry(NOW.wall + n, "INFO", f"Zeile „{n}“", {"n": n}) for n in range(4)]
        one = await ask_one(store, held(Advance, one, report=Report(lines=tuple(entries[:2]))))
        (again,) = (await ask(store, fail(one, attempts=2, report=Report(lines=(entries[2],))), claim()))[1].operations
        await ask(store, complete(again, report=Report(lines=(entries[3],))))
        lines = await store.lines(op_id(1), 0, 9)
        assert lines == [
            LogLine(n + 1, entry.at, entry.level, entry.message, 2 if n == 3 else 1, entry.fields)
            for n, entry in enumerate(entries)
        ]
        assert await store.lines(op_id(1), 1, 2) == lines[1:3]
        assert await store.lines(op_id(1), 4, 2) == []

    async def test_a_hundred_in_one_write_are_all_kept(self, store: Store) -> None:
        (one,) = await running(store, 1)
        entries = tuple(LogEntry(NOW.wall, "INFO", str(n)) for n in range(100))
        await ask(store, held(Advance, one, report=Report(lines=entries)))
        assert [line.message for line in await store.lines(op_id(1), 0, 999)] == [str(n) for n in range(100)]


class TestResources:
    async def test_a_path_leads_its_owner_to_the_operation(self, store: Store) -> None:
        (one,) = await running(store, 1)
        await ask(store, complete(one, result=artifact()))
        assert await store.resource("ann", resource_name(PATH)) == op_id(1)
        assert await store.resource("bob", resource_name(PATH)) is None
        assert await store.resource("ann", resource_name(PATH + "/")) is None

    async def test_of_two_with_one_path_the_later_has_it(self, store: Store, clock: MovableClock) -> None:
        one, two = await running(store, 1, 2, retention=HOUR)
        await ask(store, complete(one, result=artifact()))
        clock.advance(SECOND)
        await ask(store, complete(two, result=artifact()))
        assert await store.resource("ann", resource_name(PATH)) == op_id(2)
        clock.advance(HOUR - SECOND)
        await ask(store, Expire())
        assert await store.resource("ann", resource_name(PATH)) == op_id(2)


class TestDurations:
    async def test_they_are_of_successful_runs_alone(self, store: Store, clock: MovableClock) -> None:
        one, two, three, four = await running(store, 1, 2, 3, 4)
        clock.advance(1500)
        await ask(store, complete(one))
        clock.advance(1001)
        await ask(store, fail(two, BROKEN), cancel(three), complete(three), complete(four))
        assert sorted(await store.durations("report")) == [1.5, 2.501]
        assert await store.durations("import") == []

    async def test_one_is_the_length_of_the_last_attempt(self, store: Store, clock: MovableClock) -> None:
        (one,) = await running(store, 1)
        clock.advance(5 * SECOND)
        (again,) = (await ask(store, release(one), claim()))[1].operations
        clock.advance(250)
        await ask(store, complete(again))
        assert await store.durations("report") == [0.25]

    async def test_they_outlive_the_operations(self, store: Store, clock: MovableClock) -> None:
        (one,) = await running(store, 1)
        clock.advance(250)
        await ask(store, complete(one))
        clock.advance(2 * DAY)
        assert await ask_one(store, Expire()) == 1
        assert await store.durations("report") == [0.25]

    async def test_runs_in_step_do_not_overwrite_each_other(self, store: Store, clock: MovableClock) -> None:
        for number in range(3):  # as of an operation that is ordered every minute
            (one,) = await running(store, number)
            clock.advance(64 * SECOND)
            await ask(store, complete(one))
        assert await store.durations("report") == [64.0, 64.0, 64.0]

    async def test_only_recent_ones_are_kept(self, store: Store, clock: MovableClock) -> None:
        for number in range(200):
            (one,) = await running(store, number)
            clock.advance(1001)
            await ask(store, complete(one))
        assert 3 <= len(await store.durations("report")) <= 100


class TestExpiry:
    async def everything(self, store: Store) -> Operation:
        """An operation that has left something in every place there is."""
        (one,) = await running(store, 1, key=key(), retention=HOUR)
        report = Report(lines=(LogEntry(NOW.wall, "INFO", "line"),), checkpoint=b"1")
        await ask(store, held(Advance, one, report=report), keep(one, 0, b"chunk"))
        await ask(store, complete(await found(store, op_id(1)), result=artifact()))
        return await found(store, op_id(1))

    async def test_it_leaves_id_owner_and_time(self, store: Store, clock: MovableClock) -> None:
        one = await self.everything(store)
        clock.advance(HOUR - 1)
        assert await ask_one(store, Expire()) == 0
        assert await found(store, op_id(1)) == one
        clock.advance(1)
        assert await ask_one(store, Expire()) == 1
        assert await buried(store, op_id(1)) == Tombstone(op_id(1), "ann", NOW.wall + HOUR)
        assert await store.input(op_id(1)) is None
        assert await store.events(op_id(1), 0, 9) == []
        assert await store.lines(op_id(1), 0, 9) == []
        assert await chunks(store, one, 1) == []
        assert await store.resource("ann", resource_name(PATH)) == op_id(1)  # so that the path can say 410
        assert await store.operations(Selection(None)) == []
        assert await store.count(Selection(None)) == 0
        assert await store.tally() == {}

    async def test_then_not_even_that(self, store: Store, clock: MovableClock) -> None:
        await self.everything(store)
        clock.advance(HOUR)
        await ask(store, Expire())
        clock.advance(30 * DAY - 1)
        await ask(store, Forget())
        await buried(store, op_id(1))
        clock.advance(1)
        assert await ask_one(store, Forget()) is None
        assert await store.operation(op_id(1)) is None
        accepted = await ask_one(store, accept(1, key=key()))
        assert not accepted.replayed

    @pytest.mark.parametrize("kind", [Expire, Forget])
    async def test_it_goes_in_bites_the_oldest_first(
        self, store: Store, clock: MovableClock, kind: type[Expire | Forget]
    ) -> None:
        for number in (3, 1, 2):
            await ask(store, accept(number, retention=HOUR), cancel(pending(id=op_id(number))))
            clock.advance(SECOND)
        clock.advance(HOUR)
        if kind is Forget:
            await ask(store, Expire())
            clock.advance(30 * DAY)
        before = [await store.operation(op_id(number)) for number in (1, 2, 3)]
        await ask(store, kind(limit=2))
        after = [await store.operation(op_id(number)) for number in (1, 2, 3)]
        assert [now != was for now, was in zip(after, before, strict=True)] == [True, False, True]

    async def test_what_has_not_ended_never_expires(self, store: Store, clock: MovableClock) -> None:
        await running(store, 1, retention=0)
        await ask(store, accept(2, retention=0))
        clock.advance(365 * DAY)
        assert await ask_one(store, Expire()) == 0
        assert await store.count(Selection(None)) == 2
