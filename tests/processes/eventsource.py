"""Event streams over real sockets: a connection that can be cut, and a client that always comes back.

It reads no more of an event than its id, so that thousands of streams fit into one process beside the servers; that
events are well formed is tested elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Self
from urllib.parse import urlsplit

AGAIN = 0.05  # seconds before a refused client comes back; a browser takes as long as `retry:` says


class Connection:
    """One GET that is answered with a stream. `clean` says that the server has ended it in good order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.status = 0
        self.clean = False

    @classmethod
    async def open(cls, url: str, path: str, last_id: str = "", *, receive_buffer: int = 0) -> Self:
        """Ask, and read the head of the answer. Raises OSError or EOFError where the server is not there."""
        address = urlsplit(url)
        connecting = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connecting.setblocking(False)
        if receive_buffer:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(connecting, (address.hostname, address.port))
        except BaseException:
            connecting.close()
            raise
        reader, writer = await asyncio.open_connection(sock=connecting)
        made = cls(reader, writer)
        head = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        writer.write(f"{head}{f'Last-Event-ID: {last_id}{chr(13)}{chr(10)}' if last_id else ''}\r\n".encode())
        try:
            answer = await reader.readuntil(b"\r\n\r\n")
        except BaseException:
            made.cut()
            raise
        made.status = int(answer.split()[1])
        return made

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes, until it is ended or cut."""
        with contextlib.suppress(OSError, EOFError):
            while size := int(await self._reader.readline() or b"-1", 16):
                if size < 0:
                    return
                yield await self._reader.readexactly(size)
                await self._reader.readexactly(2)
            await self._reader.readexactly(2)
            self.clean = True

    async def ids(self) -> AsyncIterator[str]:
        """The id of each whole event."""
        rest = b""
        async for part in self.parts():
            *blocks, rest = (rest + part).split(b"\n\n")
            for block in blocks:
                if block.startswith(b"id: "):
                    yield block[4 : block.index(b"\n")].decode()

    def cut(self) -> None:
        """Hang up without a word."""
        self._writer.transport.abort()


class Faithful:
    """Follows one operation to its end, whatever happens: it hangs up at `cuts` and resumes at any of the servers.

    `seen` are the numbers of its events; `noted` is called with each.
    """

    def __init__(
        self,
        urls: Sequence[str],
        id: str,
        *,
        dice: random.Random,
        cuts: Sequence[int] = (),
        noted: Callable[[int], None] = lambda number: None,
    ) -> None:
        self.path = f"/operations/{id}/stream"
        self.seen: list[int] = []
        self.connections = 0
        self.unclean = 0
        self.resets = 0
        self._urls = urls
        self._dice = dice
        self._cuts = sorted(cuts, reverse=True)
        self._noted = noted

    async def run(self) -> Self:
        """Until the server says that there is no more."""
        while True:
            try:
                last = str(self.seen[-1]) if self.seen else "0"
                connection = await Connection.open(self._dice.choice(self._urls), self.path, last)
            except (OSError, EOFError):
                await asyncio.sleep(AGAIN)
                continue
            self.connections += 1
            try:
                if connection.status == 204:
                    return self
                if connection.status == 200:
                    await self._read(connection)
                else:
                    assert connection.status == 503, connection.status
                    await asyncio.sleep(AGAIN)
            finally:
                connection.cut()

    async def _read(self, connection: Connection) -> None:
        async for id in connection.ids():
            self.seen.append(int(id))
            self._noted(int(id))
            if self._cuts and int(id) >= self._cuts[-1]:
                self._cuts.pop()
                return
        self.unclean += not connection.clean
