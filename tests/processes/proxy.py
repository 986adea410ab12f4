"""A TCP proxy that misbehaves: each connection as its number says. It runs in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LATER = b"HTTP/1.1 %d Later\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Fault:
    """What becomes of one connection: the answer is cut `after` so many bytes, an event stream is held back for good
    (`buffers`), or nothing is passed on and `status` is answered.
    """

    after: int | None = None
    buffers: bool = False
    status: int | None = None


Plan = Callable[[int], Fault]


class Proxy:
    """Listens on `port`; sends everything on to `upstream` until told otherwise."""

    def __init__(self, upstream: int, plan: Plan) -> None:
        self.upstream = upstream
        self.port = 0
        self._plan = plan
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer, self._plan(next(self._numbers)))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault) -> None:
        if fault.status is not None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(LATER % fault.status)
            await writer.drain()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        up = asyncio.create_task(_pump(reader, back))
        try:
            await _answers(there, writer, fault)
        finally:
            up.cancel()
            await asyncio.gather(up, return_exceptions=True)
            back.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await source.read(1 << 16):
            sink.write(part)
            await sink.drain()


async def _answers(source: asyncio.StreamReader, sink: asyncio.StreamWriter, fault: Fault) -> None:
    left = fault.after
    held = False
    while part := await source.read(1 << 16):
        held = held or (fault.buffers and b"text/event-stream" in part)
        if held:
            continue
        if left is not None and len(part) >= left:
            sink.write(part[:left])
            await sink.drain()
            return
        left = None if left is None else left - len(part)
        sink.write(part)
        await sink.drain()


@contextlib.contextmanager
def proxied(upstream: int, plan: Plan) -> Iterator[Proxy]:
    """A proxy that runs until the block ends."""
    proxy = Proxy(upstream, plan)
    loop = proxy._loop
    loop.run_until_complete(proxy.start())
    thread = threading.Thread(target=loop.run_forever, name="proxy", daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
