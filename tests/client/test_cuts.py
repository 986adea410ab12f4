"""Streams of a real app that are cut: at every byte of a short one, and several times at any byte (guarantees E2, E4).

Whatever happens, each event is told once and in order, the last is the end, and the result is the right one.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accepted import Accepted, AsyncClient
from accepted.client import AsyncOperation, Event
from tests.client.breaking import Breaking, streams
from tests.client.conftest import no_time


@pytest.fixture
async def ended(client: AsyncClient) -> AsyncOperation:
    """An operation that has ended, with a few events and a line."""
    operation = await client.submit("/spins", 3)
    await operation.wait()
    return operation


async def told(app: Accepted, ended: AsyncOperation, cuts: list[int]) -> list[Event]:
    """All its events, from the first, over streams that are cut."""
    async with AsyncClient(transport=Breaking(app, cuts, streams), sleep=no_time) as client:
        operation = client.operation(ended.id)
        events = [event async for event in operation.events(after="0")]
        assert await operation.result() == 3
    return events


async def test_a_cut_at_any_byte_loses_nothing_and_tells_nothing_twice(app: Accepted, ended: AsyncOperation) -> None:
    whole = await told(app, ended, [])
    async with AsyncClient(app=app) as client:
        answer = await client._http.get(f"http://localhost/operations/{ended.id}/stream?after=0")
    assert len(whole) >= 3
    for place in range(len(answer.content) + 1):
        assert await told(app, ended, [place]) == whole, f"cut after {place} bytes"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 900), max_size=8))
async def test_many_cuts_anywhere(app: Accepted, ended: AsyncOperation, cuts: list[int]) -> None:
    events = await told(app, ended, cuts)
    numbers = [int(event.id) for event in events if event.id is not None]
    assert numbers == sorted(set(numbers))
    assert events[-1].last
    assert [event.last for event in events].count(True) == 1
    if all(event.id is not None for event in events):  # else the last of it was polled
        assert numbers == list(range(1, len(numbers) + 1))


async def test_streams_that_never_say_anything_are_polled_while_it_runs(app: Accepted, client: AsyncClient) -> None:
    operation = await client.submit("/spins", 50)
    async with AsyncClient(transport=Breaking(app, [0] * 100, streams), sleep=no_time) as broken:
        assert await broken.operation(operation.id).result() == 50
