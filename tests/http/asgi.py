"""A conversation with an app in bare ASGI, for what a client library hides: single messages, and when they come."""

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from accepted import Accepted

Message = MutableMapping[str, Any]


class Exchange:
    """One request, whose answer can be watched while it comes. With `hang_up` the client goes away."""

    def __init__(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        path, _, query = path.partition("?")
        given = {"host": "testserver"} | dict(headers or {})
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
        }
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self._arrived = asyncio.Event()
        self._gone = asyncio.Event()
        self._incoming = [{"type": "http.request", "body": body, "more_body": False}]
        self._on_start = on_start

    async def through(self, app: Accepted) -> "Exchange":
        """From the first message to the last."""
        async with asyncio.timeout(10):
            await app(self.scope, self._receive, self._send)
        return self

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    async def has_sent(self, text: str) -> None:
        """Wait until `text` is in the body."""
        async with asyncio.timeout(10):
            while text.encode() not in self.body:
                self._arrived.clear()
                await self._arrived.wait()

    def hang_up(self) -> None:
        self._gone.set()

    async def _receive(self) -> Message:
        if self._incoming:
            return self._incoming.pop(0)
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._on_start()
            self.status = message["status"]
            self.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            self.parts.append(message.get("body", b""))
            self._arrived.set()
