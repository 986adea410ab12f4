"""In process: submit, wait, result, cancel and events, with the same guarantees as over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypedDict

import pytest

from accepted import Accepted, Artifact, Attempt, Failure
from accepted.contract.operation import Status
from accepted.contract.problem import (
    IdempotencyKeyReused,
    InvalidRequest,
    OperationExpired,
    OperationNotCancellable,
    Overloaded,
)
from tests.clock import MovableClock
from tests.databases import Database
from tests.engine.gate import PATIENCE, Gates


class Order(TypedDict):
    item: str
    number: int


@pytest.fixture
async def app(database: Database, clock: MovableClock, gates: Gates) -> AsyncIterator[Accepted]:
    """An app with an operation for each way to end."""
    app = Accepted(database=database.url, clock=clock, drain_timeout=0.5)

    @app.operation("/orders")
    async def order(order: Order) -> dict[str, object]:
        return {"total": order["number"] * 2, "item": order["item"]}

    @app.operation("/files")
    def file() -> Artifact:
        return Artifact([b"a,b\n", b"1,2\n"], media_type="text/csv")

    @app.operation("/large")
    def large() -> list[int]:
        return list(range(100_000))

    @app.operation("/bad")
    def bad() -> None:
        raise Failure("Bad", detail="very", type="bad", status=503)

    @app.operation("/slow")
    async def slow(attempt: Attempt) -> None:
        attempt.progress(1, 2)
        await gates.held()

    async with app:
        yield app
        gates.go.open()


async def test_a_value_comes_back_as_json_has_it(app: Accepted) -> None:
    handle = await app.submit("order", {"item": "tea", "number": 21})
    assert handle.id.startswith("op-")
    assert await handle.result(PATIENCE) == {"total": 42, "item": "tea"}
    assert await handle.status() is Status.COMPLETED
    assert (await handle.operation()).attempt == 1


async def test_an_artifact_comes_back_as_its_bytes(app: Accepted) -> None:
    assert await (await app.submit("file")).result(PATIENCE) == b"a,b\n1,2\n"


async def test_a_large_value_comes_back_whole(app: Accepted) -> None:
    assert await (await app.submit("large")).result(PATIENCE) == list(range(100_000))


async def test_a_failure_is_raised_as_it_was(app: Accepted) -> None:
    handle = await app.submit("bad")
    with pytest.raises(Failure) as failed:
        await handle.result(PATIENCE)
    problem = failed.value.problem
    assert (problem.slug, problem.title, problem.detail, problem.status) == ("bad", "Bad", "very", 503)


async def test_what_does_not_fit_is_refused_and_nothing_is_stored(app: Accepted) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await app.submit("order", {"item": "tea", "number": "many"})
    assert refused.value.members["errors"][0]["pointer"] == "/number"
    with pytest.raises(LookupError, match="no operation named"):
        await app.submit("unknown")
    assert await app.node.store.tally() == {}


async def test_waiting_has_an_end(app: Accepted, gates: Gates) -> None:
    handle = await app.submit("slow")
    await gates.started.passed()
    with pytest.raises(TimeoutError, match="PROCESSING"):
        await handle.result(0)
    gates.go.open()
    assert await handle.result() is None


async def test_a_cancelled_operation_has_no_result(app: Accepted, gates: Gates) -> None:
    handle = await app.submit("slow")
    await gates.started.passed()
    waiting = asyncio.create_task(handle.result(PATIENCE))
    operation = await handle.cancel("not needed")
    assert (operation.status, operation.reason, operation.work_stopped) == (Status.CANCELLED, "not needed", True)
    with pytest.raises(Failure, match="Cancelled"):
        await waiting
    assert await handle.cancel("again") == operation


async def test_what_has_ended_cannot_be_cancelled(app: Accepted) -> None:
    handle = await app.submit("order", {"item": "tea", "number": 1})
    await handle.wait(PATIENCE)
    with pytest.raises(OperationNotCancellable) as refused:
        await handle.cancel()
    assert refused.value.members["operationStatus"] == "COMPLETED"


async def test_events_come_in_order_each_once_and_end(app: Accepted, gates: Gates) -> None:
    handle = await app.submit("slow")
    seen = []
    async for event in handle.events():
        seen.append((event.sequence, event.status))
        if event.progress is not None:
            gates.go.open()
    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    assert [status for _, status in seen][:2] == [Status.PENDING, Status.PROCESSING]
    assert [status for _, status in seen if status not in {Status.PENDING, Status.PROCESSING}] == [Status.COMPLETED]
    assert [(event.sequence, event.status) async for event in handle.events(after=2)] == seen[2:]
    assert [event async for event in handle.events(after=len(seen))] == []


async def test_a_key_names_one_operation(app: Accepted) -> None:
    order = {"item": "tea", "number": 1}
    first = await app.submit("order", order, idempotency_key="k")
    again = await app.submit("order", dict(reversed(order.items())), idempotency_key="k")
    assert (again.id, first.replayed, again.replayed) == (first.id, False, True)
    with pytest.raises(IdempotencyKeyReused):
        await app.submit("order", {"item": "tea", "number": 2}, idempotency_key="k")
    other = await app.submit("order", order, idempotency_key="k", owner="another")
    assert other.id != first.id


async def test_racing_submits_with_one_key_make_one_operation(app: Accepted) -> None:
    order = {"item": "tea", "number": 1}
    handles = await asyncio.gather(*[app.submit("order", order, idempotency_key="k") for _ in range(64)])
    assert len({handle.id for handle in handles}) == 1
    assert sum(not handle.replayed for handle in handles) == 1


async def test_after_its_retention_it_is_gone(app: Accepted, clock: MovableClock) -> None:
    handle = await app.submit("order", {"item": "tea", "number": 1})
    await handle.wait(PATIENCE)
    clock.advance(days=1, seconds=1)
    with pytest.raises(OperationExpired):
        await handle.result(PATIENCE)


async def test_a_server_that_stops_lets_those_who_wait_go(app: Accepted, gates: Gates) -> None:
    handle = await app.submit("slow")
    await gates.started.passed()
    waiting = asyncio.create_task(handle.result(PATIENCE))
    events = asyncio.create_task(anext(aiter(handle.events(after=100)), None))
    await asyncio.sleep(0)
    app.drain()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting, PATIENCE / 2)
    assert await asyncio.wait_for(events, PATIENCE / 2) is None
    with pytest.raises(Overloaded):
        await app.submit("slow")


async def test_submitting_starts_the_app(database: Database) -> None:
    app = Accepted(database=database.url)

    @app.operation("/hello")
    async def hello(name: str) -> str:
        return f"hello {name}"

    try:
        handles = await asyncio.gather(*[app.submit("hello", str(number)) for number in range(5)])
        assert [await handle.result(PATIENCE) for handle in handles] == [f"hello {number}" for number in range(5)]
    finally:
        await app.stop()
