"""An event stream as its reader sees it while it comes, and who writes its events: bare ASGI, no client library."""

import asyncio
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp

from accepted.contract.transition import Claim, Renew
from tests.clock import MovableClock
from tests.engine.author import DAY, Author
from tests.http.api import Api
from tests.http.asgi import Exchange, Message
from tests.sse import Event, Parser

PATIENCE = 10.0  # seconds; only a test that fails waits for so long


class Reader(Exchange):
    """A stream that is open. Where it does not `read`, what is sent to it waits, as in a connection that is full."""

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        last_id: str | None = None,
    ) -> None:
        given = dict(headers or {}) | ({} if last_id is None else {"last-event-id": last_id})
        super().__init__(method, path, headers=given)
        self.parser = Parser(last_id or "")
        self.events: list[Event] = []
        self.complete = False
        self._changed = asyncio.Event()
        self._reads = asyncio.Event()
        self._reads.set()
        self.task = asyncio.create_task(self._run(app))
        self.task.add_done_callback(lambda _: self._changed.set())

    async def _run(self, app: ASGIApp) -> None:
        await app(self.scope, self._receive, self._send)

    async def until(self, number: int) -> list[Event]:
        """All events so far, once there are so many."""
        await self.sees(lambda: len(self.events) >= number)
        return self.events

    async def sees(self, wanted: Callable[[], object]) -> None:
        """Wait until this is so."""
        async with asyncio.timeout(PATIENCE):
            while not wanted():
                assert not self.task.done(), f"it has ended: {self.status} {self.body!r}"
                self._changed.clear()
                await self._changed.wait()

    async def ended(self) -> list[Event]:
        """All events, once the server has closed the stream."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(self.task)
        return self.events

    def stop_reading(self) -> None:
        self._reads.clear()

    def read_on(self) -> None:
        self._reads.set()

    async def leave(self) -> None:
        """The client goes away, and the server has noticed."""
        self.hang_up()
        await self.ended()

    async def _send(self, message: Message) -> None:
        await self._reads.wait()
        await super()._send(message)
        if message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
            self.events += self.parser.feed(message.get("body", b""))
        self._changed.set()


def names(events: list[Event]) -> list[str]:
    """What happened, without what was said."""
    return [event.name for event in events]


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events]


async def writing(api: Api, path: str = "/noops", name: str = "noop") -> Author:
    """An operation whose events a test writes; `api` has no worker. Its last event is number 2."""
    id = (await api.submit(path))["operationId"]
    node = api.app.node
    await node.committer.commit(Renew("author", DAY, True))
    await node.committer.commit(Claim("author", (name,), 1))
    return Author(node, await api.app.service.get(id, None))


def open_streams(api: Api, kind: str = "sse") -> float:
    """How many there are now, as the metrics say."""
    return float(api.app.node.metrics.streams.labels(kind)._value.get())


def nothing_followed(api: Api) -> bool:
    """Whether everything that streams had was let go."""
    relay = api.app.node.relay
    return (relay._channels, relay.followers, relay._stale) == ({}, set(), set())


async def second(clock: MovableClock) -> None:
    """Let one pass, and whoever waited for it act."""
    clock.advance(1)
    for _ in range(10):
        await asyncio.sleep(0)
