"""A trial for tests without coroutines: it runs on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, Self, TypeVar

import httpx2

from ..app import Accepted
from ..client import Client
from ..client.application import AppTransport
from ..contract.policy import Duration
from .clock import MovableClock
from .inbox import Inbox
from .rehearsal import BASE, Asgi, Trial, trial

T = TypeVar("T")


class Loop:
    """An event loop in a thread, for as long as a `with` block."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="accepted-trial", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(_cancelled())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    @property
    def open(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class SyncTrial:
    """A running app, as `Trial` has it, for functions that wait: `client` is `accepted.Client`, `http` plain HTTP."""

    def __init__(self, running: Trial, loop: Loop, asgi: Asgi, prefix: str, token: str | None) -> None:
        self._running = running
        self._loop = loop
        transport = _Transport(asgi, loop)
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self.client = Client(
            f"{BASE}{prefix}", token=token, transport=transport, now=running.clock.monotonic, sleep=self.advance
        )
        self.http = httpx2.Client(transport=transport, base_url=BASE, headers=headers)

    @property
    def app(self) -> Accepted:
        """What is on trial."""
        return self._running.app

    @property
    def clock(self) -> MovableClock:
        """Its time; move it with `advance`."""
        return self._running.clock

    @property
    def inbox(self) -> Inbox:
        """What webhooks have delivered."""
        return self._running.inbox

    def advance(self, span: Duration) -> None:
        """Let time pass: seconds, or a text such as "25h". What falls due on the way happens on the way."""
        self._loop.run(self._running.advance(span))

    def settle(self) -> None:
        """Until nothing is due and nothing under way; functions that take longer than a second are left running."""
        self._loop.run(self._running.settle())

    def lose_worker(self) -> None:
        """As if the worker had died: what it runs is nobody's, and runs again."""
        self._loop.run(self._running.lose_worker())

    def close(self) -> None:
        """Let go of the clients."""
        self.http.close()
        self.client.close()


@contextlib.contextmanager
def sync_trial(
    app: Accepted, asgi: Asgi | None = None, *, prefix: str = "", token: str | None = None, **settings: Any
) -> Iterator[SyncTrial]:
    """`trial` without coroutines; the same arguments."""
    with Loop() as loop:
        context = trial(app, asgi, prefix=prefix, token=token, **settings)
        running = loop.run(_entered(context))
        try:
            face = asgi if asgi is not None else app
            with contextlib.closing(SyncTrial(running, loop, face, prefix, token)) as waiting:
                yield waiting
        finally:
            loop.run(_left(context))


async def _cancelled() -> None:
    """Nothing but us is under way any more."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _entered(context: contextlib.AbstractAsyncContextManager[Trial]) -> Trial:
    return await context.__aenter__()


async def _left(context: contextlib.AbstractAsyncContextManager[Trial]) -> None:
    await context.__aexit__(None, None, None)


class _Transport(httpx2.BaseTransport):
    """Requests go to the app on its loop; answers come in parts, as the app sends them."""

    def __init__(self, app: Asgi, loop: Loop) -> None:
        self._there = AppTransport(app)
        self._loop = loop

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        answer = self._loop.run(self._ask(request))
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        return httpx2.Response(answer.status_code, headers=answer.headers, stream=_Parts(answer.stream, self._loop))

    async def _ask(self, request: httpx2.Request) -> httpx2.Response:
        same = httpx2.Request(
            request.method, request.url, headers=request.headers, content=request.content, extensions=request.extensions
        )
        return await self._there.handle_async_request(same)


class _Parts(httpx2.SyncByteStream):
    """The parts of an answer, one at a time."""

    def __init__(self, stream: httpx2.AsyncByteStream, loop: Loop) -> None:
        self._stream = stream
        self._loop = loop

    def __iter__(self) -> Iterator[bytes]:
        parts = self._stream.__aiter__()
        while (part := self._loop.run(_next(parts))) is not None:
            yield part

    def close(self) -> None:
        if self._loop.open:  # else the trial is over, and the stream with it
            self._loop.run(self._stream.aclose())


async def _next(parts: Any) -> bytes | None:
    found: bytes | None = await anext(parts, None)
    return found
