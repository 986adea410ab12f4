"""The way between a store and the PostgreSQL server, which may break where a test wants it to."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Literal
from urllib.parse import urlsplit

from tests.store.server import place

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"

Break = Literal["before", "after", "for good"]


class Wire:
    """A relay on loopback. `breaks` says what becomes of the next COMMIT: it is lost on its way to the server, or its
    answer is on the way back; "for good" nobody gets through after that either. `major`, of two digits, is the version
    that the server seems to be of.
    """

    def __init__(self, url: str, *, major: str = "") -> None:
        self._place = place(url)
        self._database = urlsplit(url).path
        self._major = major.encode()
        self._relays: set[asyncio.Task[None]] = set()
        self.breaks: Break | None = None
        self.broken = 0
        self.whole = True
        self.url = ""

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator[Wire]:
        """As long as the test lasts."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = f"postgresql://{self._place.who}@127.0.0.1:{port}{self._database}"
        async with server:
            yield self
            for task in self._relays:
                task.cancel()
            await asyncio.gather(*self._relays, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.whole:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._relays.add(task)
        upstream, downstream = await self._reached()
        back = asyncio.create_task(_pass(upstream, writer, self._major))
        try:
            while data := await reader.read(1 << 16):
                if COMMIT in data and self.breaks is not None:
                    await self._break(downstream, data, back)
                    return
                downstream.write(data)
                await downstream.drain()
        finally:
            back.cancel()
            downstream.transport.abort()
            writer.transport.abort()
            self._relays.discard(task)

    async def _reached(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port, _ = self._place
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _break(self, downstream: asyncio.StreamWriter, data: bytes, back: asyncio.Task[None]) -> None:
        how, self.breaks = self.breaks, None
        self.whole = how != "for good"
        self.broken += 1
        back.cancel()
        if how != "before":
            downstream.write(data)
            downstream.write_eof()  # the server carries it out, and then sees that nobody is there
            await asyncio.sleep(0)


async def _pass(upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, major: bytes) -> None:
    while data := await upstream.read(1 << 16):
        writer.write(re.sub(rb"(?<=server_version\0)\d\d", major, data) if major else data)
        await writer.drain()
    writer.close()
