"""A WebSocket conversation with an app in bare ASGI messages: what is sent and answered, and how it ends."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp

from tests.http.asgi import Message

PATIENCE = 10.0  # seconds; only a test that fails waits for so long

Document = dict[str, Any]


class Conversation:
    """One socket. Where the server cannot answer a handshake in HTTP, it is not `deniable`."""

    def __init__(
        self, app: ASGIApp, path: str, *, headers: Mapping[str, str] | None = None, deniable: bool = True
    ) -> None:
        path, _, query = path.partition("?")
        given = {"host": "testserver"} | dict(headers or {})
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
            "extensions": {"websocket.http.response": {}} if deniable else {},
        }
        self.accepted = False
        self.code: int | None = None
        self.said: list[Document] = []
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._changed = asyncio.Event()
        self._reads = asyncio.Event()
        self._reads.set()
        self.task = asyncio.create_task(self._run(app))

    async def _run(self, app: ASGIApp) -> None:
        try:
            await app(self.scope, self._incoming.get, self._send)
        finally:
            self._changed.set()

    def say(self, *commands: Any) -> None:
        """Send commands; a text goes as it is."""
        for command in commands:
            text = command if isinstance(command, str) else json.dumps(command)
            self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def say_bytes(self, message: bytes) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "bytes": message})

    async def heard(self, number: int) -> list[Document]:
        """All messages so far, once there are so many."""
        await self.sees(lambda: len(self.said) >= number)
        return self.said

    async def answer(self, command: Any) -> Document:
        """The next message after a command."""
        number = len(self.said)
        self.say(command)
        return (await self.heard(number + 1))[number]

    async def sees(self, wanted: Callable[[], object]) -> None:
        """Wait until this is so."""
        async with asyncio.timeout(PATIENCE):
            while not wanted():
                assert not self.task.done(), f"it has ended with {self.code}: {self.said}"
                self._changed.clear()
                await self._changed.wait()

    async def ended(self) -> list[Document]:
        """All messages, once the app is done."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(self.task)
        return self.said

    async def leave(self, code: int = 1001) -> None:
        """The client closes, and the app has noticed."""
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": code})
        await self.ended()

    def stop_reading(self) -> None:
        self._reads.clear()

    async def _send(self, message: Message) -> None:
        await self._reads.wait()
        match message["type"]:
            case "websocket.accept":
                assert not self.accepted
                self.accepted = True
            case "websocket.send":
                assert self.accepted
                assert self.code is None, "nothing may be sent after a close"
                self.said.append(json.loads(message["text"]))
            case "websocket.close":
                assert self.code is None, "it is closed once"
                self.code = message.get("code", 1000)
            case "websocket.http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            case "websocket.http.response.body":
                self.body += message.get("body", b"")
            case other:
                raise AssertionError(other)
        self._changed.set()


def kinds(said: list[Document]) -> list[str]:
    """What was told, without what was said."""
    return [message["event"] for message in said]


def sequences(said: list[Document]) -> list[int]:
    return [message["sequence"] for message in said]
