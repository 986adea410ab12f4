"""An app on trial: on a file of its own, with its worker inside, a clock that the test moves, and an inbox for
webhooks. Everything else is as in production, HTTP and the database included.

Time moves from one date to the next: what becomes due on the way (a retry, a delivery, an expiry) happens then, and may
set further dates. A lease never ends by moving the clock: a jump of a day is no crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2

from ..app import Accepted
from ..client import AsyncClient
from ..client.application import AppTransport
from ..contract.operation import Status
from ..contract.policy import Duration, seconds
from ..contract.transition import Rescue, Resign
from ..service import Service
from .clock import MovableClock
from .inbox import Inbox

PATIENCE = 1.0  # seconds of real time for functions to come to an end before the clock goes on without them
BASE = "http://localhost"
_LOOK = 0.002
_SETTINGS: dict[str, Any] = {"lease_ttl": "36500d", "drain_timeout": "500ms", "log_format": "text"}

Asgi = Callable[..., Any]


class Trial:
    """A running app. `client` is `accepted.AsyncClient`, `http` plain HTTP, both in process; `inbox` has what webhooks
    have delivered.
    """

    def __init__(self, app: Accepted, clock: MovableClock, inbox: Inbox, client: AsyncClient, http: Any) -> None:
        self.app = app
        self.clock = clock
        self.inbox = inbox
        self.client = client
        self.http: httpx2.AsyncClient = http

    @property
    def service(self) -> Service:
        """The door behind HTTP, for what no client may see."""
        return self.app.service

    async def advance(self, span: Duration) -> None:
        """Let time pass: seconds, or a text such as "25h". What falls due on the way happens on the way."""
        end = self.clock.monotonic() + seconds(span)
        await self.settle()
        while (due_in := await self._next()) is not None and self.clock.monotonic() + due_in <= end:
            self.clock.advance(due_in)
            await self.settle()
        self.clock.advance(max(end - self.clock.monotonic(), 0))
        await self.settle()

    async def settle(self) -> None:
        """Until nothing is due and nothing under way; functions that take longer than a second are left running."""
        node = self.app.node
        node.feed.stir()
        await node.sweeper.sweep()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not await self._quiet():  # noqa: ASYNC110  (what is under way is seen by looking)
                    await asyncio.sleep(_LOOK)

    async def lose_worker(self) -> None:
        """As if the worker had died: what it runs is nobody's, and runs again. The code of the old attempt is not
        ended by force.
        """
        worker = self.app.node.worker
        assert worker is not None, "this app has no worker in its process"
        await self.app.node.committer.commit(Resign(worker.id))
        await self.app.node.committer.commit(Rescue(self.app.settings.max_crashes))

    async def _quiet(self) -> bool:
        store = self.app.node.store
        now = (await store.now()).wall
        delivery = await store.next_delivery()
        running = any(status is Status.PROCESSING for (_, status), number in (await store.tally()).items() if number)
        waiting = any(due_at <= now for due_at in (await store.oldest_due()).values())
        return not (running or waiting or (delivery is not None and delivery <= now))

    async def _next(self) -> float | None:
        """Seconds until the next date at which something is to happen."""
        store = self.app.node.store
        now = (await store.now()).wall
        delivery = await store.next_delivery()
        dates = [*(await store.oldest_due()).values(), *([delivery] if delivery is not None else [])]
        return min(((date - now + 1) / 1000 for date in dates if date > now), default=None)


@contextlib.asynccontextmanager
async def trial(
    app: Accepted, asgi: Asgi | None = None, *, prefix: str = "", token: str | None = None, **settings: Any
) -> AsyncIterator[Trial]:
    """Run `app` in this process until the block ends, with an empty database.

    `asgi` is the app that it is mounted in under `prefix`, if any: requests go there, and its lifespan runs too.
    `client` speaks to the prefix, `http` to the whole. `token` is what both send.
    `settings` are the app's own, over those of a trial. Raises RuntimeError where the app runs already.
    """
    clock = MovableClock()
    with tempfile.TemporaryDirectory(prefix="accepted-") as folder:
        database = f"sqlite:///{Path(folder) / 'accepted.db'}"
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(app.borrowed(clock, **{"database": database, **_SETTINGS, **settings}))
            face: Any = asgi if asgi is not None else app
            await stack.enter_async_context(_lifespan(face))
            await app.start()
            stack.push_async_callback(app.stop)
            deliverer = app.node.deliverer
            deliverer.sender.close()
            inbox = Inbox(deliverer.sender.rules, deliverer.sender.timeout)
            deliverer.sender = inbox

            async def sleep(span: float) -> None:
                await running.advance(span)

            client = AsyncClient(
                f"{BASE}{prefix}", transport=AppTransport(face), token=token, now=clock.monotonic, sleep=sleep
            )
            await stack.enter_async_context(client)
            headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
            http = httpx2.AsyncClient(transport=httpx2.ASGITransport(face), base_url=BASE, headers=headers)
            await stack.enter_async_context(http)
            running = Trial(app, clock, inbox, client, http)
            yield running


@contextlib.asynccontextmanager
async def _lifespan(app: Asgi) -> AsyncIterator[None]:
    """The lifespan of an ASGI app, in a task of its own as servers run it; apps that know of none go without."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan", "asgi": {"version": "3.0"}}, told.get, said.put))
    task.add_done_callback(lambda _: said.put_nowait({"type": "lifespan.none"}))
    await told.put({"type": "lifespan.startup"})
    begun = await said.get()
    if begun["type"] == "lifespan.startup.failed":
        raise RuntimeError(f"the app cannot start: {begun.get('message')}")
    try:
        yield
    finally:
        if begun["type"] == "lifespan.startup.complete":
            await told.put({"type": "lifespan.shutdown"})
            await said.get()
        await asyncio.gather(task, return_exceptions=True)
