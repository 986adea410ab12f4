"""`commit`: outcomes in order, all or nothing, durable, and told of exactly as it was stored."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from accepted.contract.operation import Operation, Result, Status, Warning
from accepted.contract.problem import OperationNotCancellable, OperationNotFound, Problem, StaleAttempt, WorkerLost
from accepted.contract.progress import Progress, advance, announced, enter
from accepted.contract.transition import (
    Accepted,
    Advance,
    Claimed,
    Expire,
    Forget,
    Keep,
    Renew,
    Renewed,
    Report,
    Resign,
    Retried,
    Retry,
)
from accepted.store.protocol import Selection, Store, StoreUnavailable
from tests.contract.given import (
    BUSY,
    DAY,
    HOUR,
    SECOND,
    WARNED,
    accept,
    cancel,
    claim,
    complete,
    fail,
    held,
    key,
    op_id,
    pending,
    processing,
    rescue,
)
from tests.store.asking import ask, ask_one, found, running
from tests.store.clock import MovableClock
from tests.store.conftest import OpenStore

EVERYBODY = Selection(owner=None, limit=10_000)


async def test_outcomes_come_in_order_with_refusals_beside_successes(store: Store) -> None:
    outcomes = await ask(
        store,
        claim("nobody"),
        accept(1),
        cancel(pending(id=op_id(9))),
        Renew("w1", DAY, first=True),
        claim("w1"),
        held(Advance, processing(), worker="w2"),
        complete(processing()),
        cancel(processing()),
        Retry(op_id(1), op_id(2)),
        accept(3),
        cancel(pending(id=op_id(3))),
        Retry(op_id(3), op_id(4)),
        rescue(),
        Expire(),
        Forget(),
        Resign("w1"),
    )
    kinds = [type(outcome).__name__ for outcome in outcomes]
    assert kinds == [
        "WorkerLost",
        "Accepted",
        "OperationNotFound",
        "Renewed",
        "Claimed",
        "StaleAttempt",
        "Operation",
        "OperationNotCancellable",
        "OperationNotRetryable",
        "Accepted",
        "Operation",
        "Retried",
        "int",
        "int",
        "NoneType",
        "NoneType",
    ]
    assert outcomes[7].members == {"operationStatus": Status.COMPLETED}
    assert [(o.id, o.status) for o in await store.operations(EVERYBODY)] == [
        (op_id(4), Status.PENDING),
        (op_id(3), Status.CANCELLED),
        (op_id(1), Status.COMPLETED),
    ]


async def test_outcomes_are_values(store: Store) -> None:
    accepted, renewed, claimed = await ask(store, accept(1), Renew("w1", DAY, first=True), claim())
    assert isinstance(accepted, Accepted)
    assert renewed == Renewed(())
    assert claimed == Claimed((await found(store, op_id(1)),))
    failed = await ask_one(store, fail(claimed.operations[0]))
    assert failed == await found(store, op_id(1))
    assert await ask_one(store, Retry(op_id(1), op_id(2))) == Retried(op_id(2), await found(store, op_id(2)))
    assert await ask_one(store, Retry(op_id(1), op_id(3))) == Retried(op_id(2), None)


@pytest.mark.parametrize(
    ("batch", "refusal"),
    [
        ([claim("nobody")], WorkerLost),
        ([cancel(pending())], OperationNotFound),
        ([held(Keep, processing(), number=0, data=b"x")], OperationNotFound),
    ],
)
async def test_a_refusal_stores_nothing(store: Store, batch: list[msgspec.Struct], refusal: type[Exception]) -> None:
    committed = await store.commit(batch)  # type: ignore[arg-type]
    assert isinstance(committed.outcomes[0], refusal)
    assert (list(committed.operations), list(committed.events), list(committed.hints)) == ([], [], [])
    assert await store.tally() == {}


async def test_nothing_to_do_is_fine(store: Store) -> None:
    committed = await store.commit([])
    assert (list(committed.outcomes), list(committed.operations), dict(committed.work)) == ([], [], {})


async def test_a_commit_tells_what_it_has_done(store: Store) -> None:
    committed = await store.commit([accept(1), accept(2), Renew("w1", DAY, first=True), claim(), cancel(pending())])
    one, two = await found(store, op_id(1)), await found(store, op_id(2))
    assert {o.id: o for o in committed.operations} == {one.id: one, two.id: two}
    assert [(e.operation_id, e.sequence, e.status) for e in committed.events] == [
        (one.id, 1, Status.PENDING),
        (two.id, 1, Status.PENDING),
        (one.id, 2, Status.PROCESSING),
        (one.id, 3, Status.PROCESSING),
    ]
    assert {id: (work.operation, work.input, work.checkpoint) for id, work in committed.work.items()} == {
        one.id: (one, b'{"n":1}', None)
    }
    assert [(h.operation_id, h.status, h.worker, h.cancelling) for h in committed.hints] == [
        (one.id, Status.PROCESSING, "w1", True),
        (two.id, Status.PENDING, None, False),
    ]


async def test_a_bad_transition_spoils_its_batch_whole_and_no_other(store: Store) -> None:
    await ask(store, accept(1))
    with pytest.raises(Exception, match=r".") as raised:
        await store.commit([accept(2, key=key()), accept(1), Renew("w1", DAY, first=True)])
    assert not isinstance(raised.value, StoreUnavailable)
    assert await store.operation(op_id(2)) is None
    assert await store.events(op_id(2), 0, 10) == []
    assert await store.workers() == []
    assert await store.tally() == {("report", Status.PENDING): 1}
    accepted = await ask_one(store, accept(2, key=key()))
    assert not accepted.replayed


async def test_what_is_committed_is_there_for_everybody_at_once_and_later(open_store: OpenStore) -> None:
    one, other = await open_store(), await open_store()
    for number in range(20):
        await ask(one, accept(number))
        assert (await found(other, op_id(number))).status is Status.PENDING
        await ask(other, cancel(pending(id=op_id(number))))
        assert (await found(one, op_id(number))).status is Status.CANCELLED
    await one.close()
    await other.close()
    assert await (await open_store()).tally() == {("report", Status.CANCELLED): 20}


async def test_events_count_from_one_without_gaps(store: Store, clock: MovableClock) -> None:
    (operation,) = await running(store, 1)
    for current in range(1, 5):
        clock.advance(SECOND)
        operation = await ask_one(store, held(Advance, operation, report=Report(progress=Progress(current=current))))
        await ask(store, held(Advance, operation, report=WARNED))
        await ask(store, held(Advance, operation, attempt=9, report=Report(progress=Progress(current=99))))
    operation = await ask_one(store, fail(operation, attempts=2))
    (operation,) = (await ask_one(store, claim())).operations
    await ask(store, cancel(operation), cancel(operation), complete(operation))
    events = await store.events(op_id(1), 0, 100)
    assert [event.sequence for event in events] == list(range(1, 11))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert [event.progress.current for event in events if event.progress is not None] == [1, 2, 3, 4]
    assert events[-1].status is Status.CANCELLED
    assert await store.events(op_id(1), 4, 3) == events[4:7]
    assert await store.events(op_id(1), 10, 3) == []
    assert await store.events(op_id(2), 0, 3) == []


async def test_a_record_comes_back_as_it_was(store: Store, open_store: OpenStore) -> None:
    progress = advance(enter(announced({"LÄDT": 2.5}) or Progress(), "LÄDT", 1), current=0.1, total=3, message="“\n”")
    problem = Problem("https://example.com/é", "É", 424, "\u2028", True, 0.25, {"a": [1, {"b": None}], "c": 1.5})
    report = Report(progress, (Warning("W", "\U0001f600", 7), Warning("W", "")), partial=msgspec.Raw(b'{"x": 1e2}'))
    submit: dict[str, Any] = {"owner": "o'wn\"er;%_", "type": "t y-pe", "key": key("k'", "f"), "trace": "00-1-2-03"}
    one, two, three = await running(store, 1, 2, 3, **submit | {"key": None})
    await ask(store, fail(one, problem, report=report), cancel(two, "r\u00e9ason"), accept(4, **submit))
    await ask(store, complete(two, b"[1.0,  null]", report=report))
    result = Result(msgspec.Raw(b'{"rows":  3.0}'), None, "/reports/rpt-1", {"reportId": "rpt-1"})
    outcomes = await ask(store, complete(three, result=result, report=report), Retry(op_id(1), op_id(5), "00-9"))
    assert isinstance(outcomes[0], Operation)
    fresh = await open_store()
    for number in range(1, 6):
        kept = await found(store, op_id(number))
        assert await found(fresh, op_id(number)) == kept
    failed, cancelled, completed = [await found(fresh, op_id(number)) for number in (1, 2, 3)]
    assert (failed.error, failed.progress, failed.warnings) == (problem, progress, report.warnings)
    assert (cancelled.partial, cancelled.reason) == (msgspec.Raw(b"[1.0,  null]"), "r\u00e9ason")
    assert (completed.result, completed.owner, completed.type) == (result, submit["owner"], submit["type"])
    assert (await found(fresh, op_id(4))).key == ("/reports", "k'")


@pytest.mark.parametrize("size", [1, 7, 8, 9, 31, 32, 33, 73, 500])
async def test_a_batch_of_any_size_is_stored_whole(store: Store, size: int) -> None:
    numbers = range(1, size + 1)
    await ask(store, *(accept(n, input=b"%d" % n, key=key(f"k{n}")) for n in numbers), Renew("w1", HOUR, first=True))
    assert await store.count(EVERYBODY) == size
    assert [(await found(store, op_id(n))).key for n in numbers] == [("/reports", f"k{n}") for n in numbers]
    claimed = await store.commit([claim(room=size)])
    assert {id: work.input for id, work in claimed.work.items()} == {op_id(n): b"%d" % n for n in numbers}
    await ask(store, *(complete(work.operation, b"%d" % n) for n, work in enumerate(claimed.work.values(), 1)))
    assert await store.tally() == {("report", Status.COMPLETED): size}
    assert [event.sequence for event in await store.events(op_id(size), 0, 10)] == [1, 2, 3]


async def test_commits_that_come_together_are_all_done(store: Store, open_store: OpenStore) -> None:
    other = await open_store()
    await asyncio.gather(*(ask((store, other)[n % 2], accept(n)) for n in range(40)))
    assert await store.tally() == {("report", Status.PENDING): 40}


async def test_closing_finishes_what_has_begun(open_store: OpenStore) -> None:
    store = await open_store()
    begun = [asyncio.ensure_future(ask(store, accept(number))) for number in range(10)]
    await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0))])
    await store.close()
    assert len(await asyncio.gather(*begun)) == 10
    assert await (await open_store()).tally() == {("report", Status.PENDING): 10}


async def test_a_closed_store_says_so_and_may_be_closed_again(open_store: OpenStore) -> None:
    store = await open_store()
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.commit([accept(1)])
    with pytest.raises(StoreUnavailable):
        await store.operation(op_id(1))
    with pytest.raises(StoreUnavailable):
        await store.tally()


async def test_whoever_gives_up_waiting_changes_nothing_for_the_next(store: Store) -> None:
    asked = asyncio.ensure_future(ask(store, accept(1)))
    await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0))])
    asked.cancel()
    assert (await ask_one(store, accept(2))).operation.id == op_id(2)
    assert (await found(store, op_id(1))).status is Status.PENDING


async def test_a_stale_write_leaves_no_trace(store: Store) -> None:
    (operation,) = await running(store, 1)
    report = Report(progress=Progress(current=1), checkpoint=b"1", warnings=WARNED.warnings)
    outcomes = await ask(
        store,
        held(Keep, operation, attempt=2, number=0, data=b"x"),
        held(Advance, operation, worker="w2", report=report),
        fail(operation, BUSY, attempt=0),
    )
    assert {type(outcome) for outcome in outcomes} == {StaleAttempt}
    assert await found(store, op_id(1)) == operation
    assert [chunk async for chunk in store.chunks(op_id(1), 2, 0)] == []
    assert isinstance(await ask_one(store, complete(operation)), Operation)
    assert isinstance(await ask_one(store, cancel(operation)), OperationNotCancellable)
