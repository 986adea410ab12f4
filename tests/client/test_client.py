"""The asynchronous client and a real app in one process: everything that can be done with an operation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import pytest

from accepted import Accepted, Artifact, AsyncClient, Client
from accepted.client import (
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    OperationCancelled,
    OperationFailed,
    OperationNotCancellable,
    OperationNotFound,
    OperationNotRetryable,
    ResultMismatch,
)
from tests.http.gate import Gates


class Row(msgspec.Struct):
    name: str
    number: int


@dataclass
class Plain:
    name: str
    number: int


class Model(pydantic.BaseModel):
    name: str
    number: int


VALUES = [Row("Ada", 36), Plain("Ada", 36), Model(name="Ada", number=36)]


async def test_what_was_returned_is_what_comes(client: AsyncClient) -> None:
    operation = await client.submit("/echoes", {"deep": [1, None, "ä"], "url": "mine"})
    assert await operation.result() == {"deep": [1, None, "ä"], "url": "mine"}
    assert operation.state is not None
    assert operation.state.status == "COMPLETED"


@pytest.mark.parametrize("value", VALUES, ids=["struct", "dataclass", "model"])
async def test_types_go_in_and_come_out(client: AsyncClient, value: Any) -> None:
    operation = await client.submit("/echoes", value)
    assert await operation.result(type(value)) == value
    with pytest.raises(ResultMismatch, match="does not fit"):
        await operation.result(list[int])


async def test_a_result_that_is_no_json_is_bytes(tmp_path: Path) -> None:
    app = Accepted(database=f"sqlite:///{tmp_path}/a.db")

    @app.operation("/files")
    async def file() -> Artifact:
        return Artifact(b"%PDF", media_type="application/pdf", filename="r.pdf")

    async with app, AsyncClient(app=app) as client:
        operation = await client.submit("/files")
        assert await operation.result() == b"%PDF"
        assert await operation.result(bytes) == b"%PDF"
        with pytest.raises(ResultMismatch, match="application/pdf"):
            await operation.result(Row)


async def test_events_come_in_order_and_once(client: AsyncClient, gates: Gates) -> None:
    operation = await client.submit("/phases")
    numbers, names = [], []
    for _, onward in gates.steps:
        onward.open()
    async for event in operation.events(after="0"):
        numbers.append(int(event.id or 0))
        names.append(event.name)
    assert numbers == list(range(1, len(numbers) + 1))
    assert names == ["status-update"] * (len(names) - 1) + ["completed"]


async def test_progress_is_seen_while_it_runs(client: AsyncClient, gates: Gates) -> None:
    operation = await client.submit("/phases")
    gates.steps[0][1].open()
    async for event in operation.events():
        progress = event.state.progress if event.state else None
        if progress is not None and progress.current == 450:
            assert (progress.total, progress.message, progress.phase) == (1000, "Processing orders", "DATA_PROCESSING")
            assert [phase.status for phase in progress.phases] == ["COMPLETED", "IN_PROGRESS", "PENDING"]
            gates.open_all()
    assert (await operation.wait()).succeeded


async def test_warnings_do_not_hide_the_result(client: AsyncClient) -> None:
    operation = await client.submit("/warnings")
    assert await operation.result() == {"imported": 3}
    state = await operation.wait()
    assert (state.status, state.warnings[0].affected_records) == ("COMPLETED_WITH_ERRORS", 2)


async def test_a_failure_is_raised_with_its_problem(client: AsyncClient) -> None:
    operation = await client.submit("/finals")
    with pytest.raises(OperationFailed, match="This cannot work") as failed:
        await operation.result()
    assert (failed.value.problem.slug, failed.value.retryable) == ("never-again", False)
    with pytest.raises(OperationNotRetryable):
        await operation.retry()
    with pytest.raises(OperationNotCancellable):
        await operation.cancel()


async def test_a_retry_is_a_new_operation_and_the_same_again(client: AsyncClient) -> None:
    operation = await client.submit("/retryables")
    assert (await operation.wait()).status == "FAILED"
    again = await operation.retry()
    assert again.id != operation.id
    assert (await operation.retry()).id == again.id
    assert (await again.status()).retry_of == operation.id


async def test_a_cancel_leaves_a_partial_result(client: AsyncClient, gates: Gates) -> None:
    operation = await client.submit("/partials")
    async for event in operation.events():
        if event.state is not None and event.state.status == "PROCESSING":
            break
    assert gates.started.wait()
    state = await operation.cancel("enough")
    assert (state.status, state.reason) == ("CANCELLED", "enough")
    with pytest.raises(OperationCancelled) as cancelled:
        await operation.result()
    assert cancelled.value.partial_result == {"rows": 450}


async def test_one_key_is_one_operation(client: AsyncClient) -> None:
    first = await client.submit("/echoes", 1, idempotency_key='a"b')
    assert (await client.submit("/echoes", 1, idempotency_key='a"b')).id == first.id
    with pytest.raises(IdempotencyKeyReused):
        await client.submit("/echoes", 2, idempotency_key='a"b')
    with pytest.raises(ValueError, match="visible ASCII"):
        await client.submit("/echoes", 1, idempotency_key="ä")


async def test_what_does_not_fit_says_where(client: AsyncClient) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await client.submit("/spins", "many")
    assert refused.value.errors[0]["pointer"] == ""
    with pytest.raises(NotFound):
        await client.submit("/nowhere")
    with pytest.raises(OperationNotFound):
        await client.operation("op-00000000000000000000000000").wait()


async def test_a_token_goes_on_elsewhere(app: Accepted, client: AsyncClient, gates: Gates) -> None:
    token = (await client.submit("/slows")).token
    gates.open_all()
    async with AsyncClient(app=app) as other:
        assert await other.resume(token).result() == {"attempt": 1}


async def test_the_log_is_read_and_followed(app: Accepted, client: AsyncClient, tmp_path: Path) -> None:
    operation = await client.submit("/failures")
    await operation.wait()
    lines = [line async for line in operation.logs()]
    assert [line async for line in operation.logs(follow=True)] == lines
    assert all(line.sequence == number for number, line in enumerate(lines, 1))


async def test_the_list_goes_on_over_pages(client: AsyncClient) -> None:
    ids = sorted([(await client.submit("/noops")).id for _ in range(103)], reverse=True)
    found = [job.operation_id async for job in client.jobs()]
    assert found == ids  # newest first, and by id within a millisecond
    assert [job.operation_id async for job in client.jobs(limit=3)] == ids[:3]
    assert [job async for job in client.jobs(status="FAILED", type=["noop"])] == []


async def test_what_the_app_raises_is_raised(tmp_path: Path) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a bug")

    async with AsyncClient(app=broken) as client:
        with pytest.raises(RuntimeError, match="a bug"):
            await client.submit("/noops")


def test_a_client_is_of_one_place() -> None:
    with pytest.raises(ValueError, match="url"):
        AsyncClient()
    with pytest.raises(ValueError, match="http"):
        Client("ftp://example.com")
