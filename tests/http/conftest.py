"""Apps on databases of the test's own, spoken to in HTTP within the process, with their own worker inside."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from accepted import Accepted
from tests.clock import MovableClock
from tests.databases import Database
from tests.http import menu
from tests.http.api import Api
from tests.http.disk import Disk, disk_of
from tests.http.gate import Gates

Live = Callable[..., Awaitable[Api]]
MakeApp = Callable[..., Accepted]
Start = Callable[..., Awaitable[Api]]


@pytest.fixture
def clock() -> MovableClock:
    """The time of all apps of a test."""
    return MovableClock()


@pytest.fixture
def gates() -> Iterator[Gates]:
    """Where the slow operations wait for the test."""
    gates = Gates()
    yield gates
    gates.open_all()


@pytest.fixture
def make_app(database: Database, clock: MovableClock, gates: Gates) -> MakeApp:
    """An app with the whole menu, not yet started; all of one test share a database."""

    def make(**settings: Any) -> Accepted:
        settings = {"database": database.url, **database.settings, "drain_timeout": 0.5, **settings}
        app = Accepted(clock=clock, **settings)
        menu.register(app, gates)
        return app

    return make


@pytest.fixture
def disk(database: Database) -> Iterator[Disk]:
    """The database of everything that starts under it."""
    with disk_of(database) as disk:
        yield disk


@pytest.fixture
async def start(gates: Gates) -> AsyncIterator[Start]:
    """Starts an app and gives its client; what was not stopped is stopped at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin(app: Accepted, *, root_path: str = "") -> Api:
            await app.start()
            stack.push_async_callback(app.stop)
            return await stack.enter_async_context(Api(app, root_path=root_path))

        yield begin
        gates.open_all()


@pytest.fixture
async def api(make_app: MakeApp, start: Start) -> Api:
    """A client of the whole menu, with a worker."""
    return await start(make_app())


@pytest.fixture
async def idle(make_app: MakeApp, start: Start) -> Api:
    """The same without a worker: everything stays PENDING."""
    return await start(make_app(worker=False))


@pytest.fixture
async def live(make_app: MakeApp, start: Start) -> AsyncIterator[Live]:
    """Starts an app with operations of the test's own; at the end it still has to work."""
    started: list[Api] = []

    async def begin(register: Callable[[Accepted], None], **settings: Any) -> Api:
        app = make_app(**settings)
        register(app)
        started.append(await start(app))
        return started[0]

    yield begin
    assert (await started[0].run("/noops"))["status"] == "COMPLETED"
    assert (await started[0].get("/health")).status_code == 200
