"""An ASGI app in the same process as if it were a server: each answer comes in parts, as the app sends them.

(httpx2's own transport for that gives an answer when the app has finished it, and an event stream has no end.)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import httpx2

Message = MutableMapping[str, Any]
App = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any]


class AppTransport(httpx2.AsyncBaseTransport):
    """Requests go to `app`, on the running loop. What the app raises is raised here."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Gives the answer as soon as it begins."""
        exchange = _Exchange(request.extensions.get("timeout", {}).get("read"))
        exchange.run(self._app, _scope(request), await request.aread())
        start = await exchange.start()
        return httpx2.Response(start["status"], headers=start.get("headers", []), stream=exchange)


class _Exchange(httpx2.AsyncByteStream):
    """One request under way: the app's task and what it has sent."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=16)
        self._gone = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def run(self, app: App, scope: Message, body: bytes) -> None:
        """Start the app on it."""
        incoming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if incoming:
                return incoming.pop()
            await self._gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if not self._gone.is_set():
                await self._sent.put(message)

        async def answer() -> None:
            try:
                await app(scope, receive, send)
            finally:
                if not self._gone.is_set():
                    await self._sent.put(None)

        self._task = asyncio.create_task(answer())

    async def start(self) -> Message:
        """The head of the answer."""
        try:
            message = await self._next()
        except BaseException:
            await self.aclose()
            raise
        if message is None:
            await self._settle()
            raise httpx2.RemoteProtocolError("the app ended without an answer")
        return message

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self._next()) is not None:
            if part := message.get("body"):
                yield part
            if not message.get("more_body", False):
                return
        await self._settle()
        raise httpx2.RemoteProtocolError("the app ended in the middle of its answer")

    async def aclose(self) -> None:
        """Hang up, and see the app's task to its end."""
        self._gone.set()
        while not self._sent.empty():  # who waits to send may go on
            self._sent.get_nowait()
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=1)
            self._task.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _next(self) -> Message | None:
        try:
            return await asyncio.wait_for(self._sent.get(), self._timeout)
        except TimeoutError:
            raise httpx2.ReadTimeout("the app is silent") from None

    async def _settle(self) -> None:
        if self._task is not None:
            await self._task


def _scope(request: httpx2.Request) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 0),
        "server": (request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)),
    }
