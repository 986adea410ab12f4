"""A receiver of webhooks on the loopback that behaves as badly as a test likes, bounded in time and count."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Self

import msgspec
from standardwebhooks import Webhook

PATIENCE = 10.0  # seconds; only a test that fails waits for so long
LIMIT = 1_000  # requests on one connection


class Request(NamedTuple):
    """What came in, and when (monotonic); names of headers are in lower case."""

    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return found

    def judge(self, secret: str) -> None:
        """Raises unless the library of Standard Webhooks takes it as fresh and signed with `secret`."""
        Webhook(secret if secret.startswith("whsec_") else secret.encode()).verify(self.body, dict(self.headers))


Behaviour = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def answer(code: int, *headers: str, body: bytes = b"") -> Behaviour:
    """Says this, properly."""
    lines = [f"HTTP/1.1 {code} Whatever", f"Content-Length: {len(body)}", *headers]

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return behave


def raw(text: bytes, *, close: bool = True) -> Behaviour:
    """Says these bytes, and hangs up or not."""

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        if close:
            writer.close()

    return behave


async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
    """Says nothing until the other side has gone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await writer.wait_closed()


async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
    """One byte of an endless head now and then."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    for _ in range(2_000):
        if writer.is_closing():
            return
        writer.write(b"x")
        await asyncio.sleep(0.005)


class Receiver:
    """Answers each request as `behave` does at that time."""

    def __init__(self, behave: Behaviour | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.behave = behave or answer(204)
        self.requests: list[Request] = []
        self.connections = 0
        self.sent = 0
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._news = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def begin(self) -> None:
        """Listen; a second time on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def end(self) -> None:
        """Be gone, with all connections."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for writer in list(self._writers):
                writer.transport.abort()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.requests]

    async def received(self, number: int) -> list[Request]:
        """All requests, once there are so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.requests) < number:
                self._news.clear()
                await self._news.wait()
        return self.requests

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            for _ in range(LIMIT):
                request = await _read(reader)
                self.requests.append(request)
                self._news.set()
                await self.behave(request, writer)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    def flood(self, head: bytes, size: int) -> Behaviour:
        """Sends `size` bytes after a head, as fast as they are taken; `sent` counts them."""

        async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(head)
            block = b"x" * 65536
            while self.sent < size:
                writer.write(block)
                self.sent += len(block)
                await writer.drain()

        return behave


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
    pairs = [line.split(": ", 1) for line in head[1:] if line]
    headers = {name.lower(): value for name, value in pairs}
    assert len(headers) == len(pairs), "a header came twice"
    method, target, _ = head[0].split(" ")
    assert method == "POST"
    return Request(target, headers, await reader.readexactly(int(headers["content-length"])), time.monotonic())
