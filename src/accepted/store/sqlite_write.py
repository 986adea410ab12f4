"""Who drives the `Recorder`: a thread of this process, or a process of its own.

A process that runs users' functions must never hold the turnstile: SQLite work gives up the interpreter lock at every
step, and a function that keeps the lock (one long C call) would keep every other process from writing for as long
(measured in docs/decisions/0002: 9 s). So workers write through a small child, the scribe, which runs no code but
ours; it also makes a frozen worker harmless to all others. Web processes write from a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Protocol

from ..contract.transition import Transition
from .clock import Clock
from .protocol import Committed, StoreUnavailable
from .scribe import HEADER, decode_reply, encode_batch
from .sqlite_commit import Recorder

_Item = tuple[Sequence[Transition], "asyncio.Future[Committed]"]


class Writer(Protocol):
    """Commits batches one after the other."""

    async def start(self) -> None: ...

    async def commit(self, batch: Sequence[Transition]) -> Committed: ...

    async def stop(self) -> None: ...


class ThreadWriter:
    """The recorder in a thread of its own."""

    def __init__(self, path: str, clock: Clock, *, vfs: str | None = None) -> None:
        self._recorder = Recorder(path, clock, vfs=vfs)
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="accepted-writer", daemon=True)

    async def start(self) -> None:
        await asyncio.to_thread(self._recorder.open)
        self._thread.start()

    async def commit(self, batch: Sequence[Transition]) -> Committed:
        future: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        self._queue.put((batch, future))
        return await future

    async def stop(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
        self._recorder.close()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            batch, future = item
            with self._recorder.turnstile:
                try:
                    done: Committed | BaseException = self._recorder.commit(batch)
                except BaseException as error:  # whatever it is, whoever waits has to hear of it
                    done = error
            with contextlib.suppress(RuntimeError):  # the loop may be gone
                future.get_loop().call_soon_threadsafe(_settle, future, done)
            self._recorder.tidy()


def _settle(future: asyncio.Future[Committed], done: Committed | BaseException) -> None:
    if future.cancelled():
        return
    if isinstance(done, BaseException):
        future.set_exception(done)
    else:
        future.set_result(done)


class ScribeWriter:
    """The recorder in a child process; if that dies, the next commit starts another."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def start(self) -> None:
        await self.commit([])

    async def commit(self, batch: Sequence[Transition]) -> Committed:
        async with self._turn:
            reader, writer = self._streams or await self._spawn()
            try:
                message = encode_batch(batch)
                writer.write(HEADER.pack(len(message)) + message)
                await writer.drain()
                (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
                reply = await reader.readexactly(length)
            except (OSError, asyncio.IncompleteReadError) as error:
                await self._bury()
                raise StoreUnavailable("the writing process died; what became of the batch is not known") from error
            except asyncio.CancelledError:
                await self._bury()  # half a conversation cannot be taken up again
                raise
        return decode_reply(reply)

    async def stop(self) -> None:
        async with self._turn:
            await self._bury()

    async def _spawn(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "accepted.store.scribe", self._path, str(theirs.fileno())]
            self._child = subprocess.Popen(  # noqa: ASYNC220  (a millisecond, once)
                command, pass_fds=[theirs.fileno()], start_new_session=True
            )
        self._streams = await asyncio.open_connection(sock=ours, limit=1 << 30)
        return self._streams

    async def _bury(self) -> None:
        streams, self._streams = self._streams, None
        child, self._child = self._child, None
        if streams is not None:
            streams[1].close()
        if child is not None:
            await asyncio.to_thread(_reap, child)


def _reap(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(timeout=10)  # it ends when its socket does
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def writer(path: str, clock: Clock, *, apart: bool, vfs: str | None = None) -> Writer:
    """The writer for a process that runs users' code (`apart`) or does not."""
    return ScribeWriter(path) if apart else ThreadWriter(path, clock, vfs=vfs)
