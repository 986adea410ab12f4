"""The client and a server that asks who it is, counts what it asks for, and lets only so many streams be open.

Time is one clock for both: who waits moves it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from accepted import Accepted, AsyncClient, Caller
from accepted.client import Forbidden, OperationNotFound, RateLimited, Unauthorized
from accepted.contract.caller import roles
from tests.client.breaking import Breaking, streams
from tests.clock import MovableClock
from tests.http import menu
from tests.http.gate import Gates

Serve = Callable[..., Any]
CALLERS = {"Bearer ada": Caller("ada", roles("submit read")), "Bearer bob": Caller("bob", roles("read"))}


async def who(request: HTTPConnection) -> Caller | None:
    """Who bears which token."""
    return CALLERS.get(request.headers.get("authorization", ""))


@pytest.fixture
def clock() -> MovableClock:
    """The time of the app and of its clients."""
    return MovableClock()


@pytest.fixture
async def serve(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Serve]:
    """Starts an app with the menu and these settings."""
    gates, started = Gates(), []

    async def begin(**settings: Any) -> Accepted:
        app = Accepted(database=f"sqlite:///{tmp_path}/a.db", clock=clock, drain_timeout=0.1, **settings)
        menu.register(app, gates)
        started.append(app)
        await app.start()
        return app

    yield begin
    gates.open_all()
    for app in started:
        await app.stop()


async def test_who_asks_is_said_on_every_request_and_stream(serve: Serve) -> None:
    app = await serve(authenticate=who)
    async with AsyncClient(app=app, token=lambda: "ada") as ada, AsyncClient(app=app, token="bob") as bob:
        operation = await ada.submit("/echoes", 1)
        assert [event.last async for event in operation.events()][-1]
        assert await operation.result() == 1
        with pytest.raises(Forbidden):
            await bob.submit("/echoes", 1)
        with pytest.raises(OperationNotFound):
            await bob.resume(operation.token).wait()
    async with AsyncClient(app=app) as nobody:
        with pytest.raises(Unauthorized):
            await nobody.submit("/echoes", 1)
        with pytest.raises(Unauthorized):
            await nobody.operation(operation.id).wait()


async def test_a_rate_is_waited_out(serve: Serve, clock: MovableClock) -> None:
    app = await serve(authenticate=who, submit_rate="2/10s")
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.advance(seconds)

    async with AsyncClient(app=app, token="ada", now=clock.monotonic, sleep=sleep) as client:
        for number in range(5):
            await client.submit("/echoes", number)
        assert 1 <= len(waits) <= 4
        assert sum(waits) >= 10
    async with AsyncClient(app=app, token="ada", patience="1s", now=clock.monotonic, sleep=sleep) as hasty:
        with pytest.raises(RateLimited) as refused:
            await asyncio.gather(*(hasty.submit("/echoes", number) for number in range(5)))
        assert (refused.value.retry_after or 0) > 1


async def test_who_may_open_no_more_streams_polls(serve: Serve, clock: MovableClock) -> None:
    app = await serve(authenticate=who, streams_per_owner=1)

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    way = Breaking(app, [], streams)
    async with AsyncClient(transport=way, token="ada", now=clock.monotonic, sleep=sleep) as client:
        first, second = await client.submit("/slows"), await client.submit("/echoes", 2)
        async with contextlib.aclosing(first.events()) as events:
            await anext(events)
            assert await second.result() == 2
    assert f"/operations/{second.id}" in [asked.url.path for asked in way.asked]
