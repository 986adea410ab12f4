"""A real app on a file in a temporary directory, and a client in the same process, for whom waiting takes no time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from accepted import Accepted, AsyncClient
from tests.http import menu
from tests.http.gate import Gates


@pytest.fixture
def gates() -> Iterator[Gates]:
    """Where the slow operations wait for the test."""
    gates = Gates()
    yield gates
    gates.open_all()


@pytest.fixture
async def app(tmp_path: Path, gates: Gates) -> AsyncIterator[Accepted]:
    """An app with the whole menu, started, with a worker."""
    app = Accepted(database=f"sqlite:///{tmp_path}/accepted.db", drain_timeout=0.5)
    menu.register(app, gates)
    async with contextlib.AsyncExitStack() as stack:
        await app.start()
        stack.push_async_callback(app.stop)
        yield app
        gates.open_all()


async def no_time(seconds: float) -> None:
    """Waiting that takes no time, but lets others work."""
    await asyncio.sleep(0)


@pytest.fixture
async def client(app: Accepted) -> AsyncIterator[AsyncClient]:
    """A client of `app`."""
    async with AsyncClient(app=app, sleep=no_time) as client:
        yield client
