"""The parent's side of `isolate=True`: a child process runs the function and can be terminated, then killed.

The two talk over a socket pair in JSON lines (`child.py` has the other end): reports come up, checkpoints and chunks
come up and are answered once they are durable, and at last the result or the failure. A child that ends without a
last word has died.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from ..contract.operation import Operation, Result
from ..contract.problem import Failure, Problem
from ..contract.transition import Report
from .execution import Ended, Job
from .result import InvalidResult, Limits, ResultTooLarge

LINE_LIMIT = 1 << 26
KILL_AFTER = 1.0  # seconds between asking and forcing


class ProcessDied(Exception):
    """The child ended without a result."""


class Start(msgspec.Struct, frozen=True):
    """The first line to the child: what to run."""

    module: str
    function: str
    path: list[str]
    settings: dict[str, Any]
    operation: Operation
    input: bytes
    checkpoint: bytes | None
    limits: Limits
    log_limit: int
    log_level: int


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line from the child; exactly one member is there."""

    report: Report | None = None
    checkpoint: bytes | None = None
    chunk: tuple[int, bytes] | None = None
    result: Result | None = None
    problem: Problem | None = None
    invalid: tuple[str, str] | None = None
    error: str | None = None


class ChildFailed(Exception):
    """An exception of the function; its text says class and message, for the object itself stayed in the child."""


_decode = msgspec.json.Decoder(Said).decode


class ProcessExecution:
    """A function in a child process of its own."""

    def __init__(self, job: Job, checkpoint: bytes | None, ended: Ended) -> None:
        self._job = job
        self._checkpoint = checkpoint
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._cancelled = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(KILL_AFTER, self._signal, signal.SIGKILL)

    async def end(self) -> None:
        """Kill it, if it still lives, and see it dead."""
        self._cancelled = True
        self._signal(signal.SIGKILL)
        await asyncio.wait({self._task}, timeout=KILL_AFTER)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)  # its own children too

    async def _run(self) -> None:
        try:
            done = await self._converse()
        except Exception as error:
            done = error
        self._ended(asyncio.CancelledError() if self._cancelled and isinstance(done, ProcessDied) else done)

    async def _converse(self) -> Result | BaseException:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "accepted.engine.child", str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        mourning = asyncio.create_task(self._mourn(self._process))
        if self._cancelled:
            self._signal(signal.SIGKILL)
        reader, writer = await asyncio.open_connection(sock=ours, limit=LINE_LIMIT)
        try:
            writer.write(msgspec.json.encode(self._start()) + b"\n")
            last = await self._listen(reader, writer)
        finally:
            writer.close()
            self._signal(signal.SIGKILL if self._cancelled else signal.SIGTERM)
            asyncio.get_running_loop().call_later(KILL_AFTER, self._signal, signal.SIGKILL)
            code = await mourning
        return last or ProcessDied(f"The child process that ran the function ended with {_ending(code)}.")

    async def _mourn(self, process: asyncio.subprocess.Process) -> int:
        """Wait for the child's end, then end what it has left behind: that may hold the line to us open."""
        code = await process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return code

    def _start(self) -> Start:
        function = self._job.registered.function
        return Start(
            module=_module(function),
            function=function.__qualname__,
            path=sys.path,
            settings={"result": self._job.registered.result, "result_id": self._job.registered.result_id},
            operation=self._job.operation,
            input=self._job.input,
            checkpoint=self._checkpoint,
            limits=self._job.limits,
            log_limit=self._job.attempt.lines_left + self._job.operation.lines,
            log_level=logging.getLogger().level,
        )

    async def _listen(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Result | BaseException | None:
        while line := await _line(reader):
            said = _decode(line)
            if said.report is not None:
                self._job.attempt.adopt(said.report)
            elif said.checkpoint is not None:
                await self._job.attempt.checkpoint_encoded(said.checkpoint)
                writer.write(b"\n")
            elif said.chunk is not None:
                await self._job.keep(*said.chunk)
                writer.write(b"\n")
            else:
                return _end(said)
        return None


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except (OSError, ValueError):  # reset, or a line over the limit
        return b""


def _end(said: Said) -> Result | BaseException:
    if said.result is not None:
        return said.result
    if said.problem is not None:
        failure = Failure(said.problem.title)
        failure.problem = said.problem
        return failure
    if said.invalid is not None:
        kind, text = said.invalid
        return ResultTooLarge(text) if kind == "ResultTooLarge" else InvalidResult(text)
    return ChildFailed(said.error or "")


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _module(function: Callable[..., Any]) -> str:
    """The module a child can import; a script's own module is known there by its file."""
    if function.__module__ != "__main__":
        return function.__module__
    return str(getattr(sys.modules["__main__"], "__file__", ""))
