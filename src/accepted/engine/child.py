"""The child's side of `isolate=True`: run one function, tell the parent, end (`isolation.py` has the other end).

A thread of its own sends reports ten times a second while there are any, so that a function that computes for minutes
is still seen moving. SIGTERM ends the child at once: the parent asks so on cancel and timeout.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import runpy
import socket
import sys
import threading
from collections.abc import Awaitable
from queue import SimpleQueue
from typing import Any

import msgspec

from ..contract.problem import Failure, InvalidRequest, Problem
from ..contract.transition import NOTHING
from .attempt import Attempt, Done
from .execution import Job, LogCapture, current, drive, perform
from .isolation import Said, Start
from .registry import Kind, Registered
from .result import InvalidResult, ResultTooLarge
from .runner import FLUSH_INTERVAL, describe


class Line:
    """The conversation with the parent; also the attempt's sink and the keeper of chunks."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._file = self._socket.makefile("rb")
        self._turn = threading.RLock()
        self._asking = threading.Lock()
        self._answers: SimpleQueue[None] = SimpleQueue()
        self._news = threading.Event()

    def start(self) -> Start:
        return msgspec.json.decode(self._file.readline(), type=Start)

    def say(self, said: Said) -> None:
        with self._turn:
            self._socket.sendall(msgspec.json.encode(said) + b"\n")

    def ask(self, said: Said) -> None:
        """Say something and wait until the parent has made it durable."""
        with self._asking:
            self.say(said)
            self._answers.get()

    def listen(self) -> None:
        """Take answers, for ever; a child whose parent is gone must not go on (guarantee L6)."""
        while self._file.readline():
            self._answers.put(None)
        os._exit(1)

    def wake(self) -> None:
        self._news.set()

    def checkpoint(self, value: bytes) -> Awaitable[None]:
        self.ask(Said(checkpoint=value))
        return Done()

    def keep(self, number: int, data: bytes) -> Awaitable[None]:
        self.ask(Said(chunk=(number, data)))
        return Done()

    def report(self, attempt: Attempt) -> None:
        """Send what is new, for ever."""
        pause = threading.Event()
        while self._news.wait():
            self._news.clear()
            self.pass_on(attempt)
            pause.wait(FLUSH_INTERVAL)

    def pass_on(self, attempt: Attempt) -> None:
        with self._turn:  # or the last word could overtake what was taken before it
            report = attempt.take()
            if report != NOTHING:
                self.say(Said(report=report))


def main(descriptor: int) -> None:
    """Serve one attempt."""
    line = Line(descriptor)
    start = line.start()
    sys.path[:] = start.path
    attempt = Attempt(
        start.operation,
        start.checkpoint,
        line,
        log_limit=start.log_limit,
        value_limit=start.limits.value,
        raises=True,
    )
    logging.getLogger().addHandler(LogCapture())
    logging.getLogger().setLevel(start.log_level)
    threading.Thread(target=line.listen, daemon=True).start()
    threading.Thread(target=line.report, args=(attempt,), daemon=True).start()
    end = _end(start, attempt, line)
    line.pass_on(attempt)
    line.say(end)


def _end(start: Start, attempt: Attempt, line: Line) -> Said:
    current.set(attempt)
    try:
        registered = Registered("/isolated", _function(start), name=start.operation.type, **start.settings)
        job = Job(registered, start.operation, start.input, attempt, start.limits, line.keep)
        if registered.kind is Kind.COROUTINE:
            return Said(result=asyncio.run(perform(job)))
        return Said(result=drive(perform(job)))
    except Failure as failure:
        return Said(problem=failure.problem)
    except (InvalidResult, ResultTooLarge) as error:
        return Said(invalid=(type(error).__name__, str(error)))
    except InvalidRequest as refusal:
        members = {"errors": refusal.members.get("errors", [])}
        return Said(
            problem=Problem(slug="invalid-input", title="Invalid Input", detail=refusal.detail, members=members)
        )
    except BaseException as error:
        logging.getLogger("accepted.engine").warning("%s failed", start.operation.id, exc_info=error)
        return Said(error=describe(error))


def _function(start: Start) -> Any:
    if start.module.endswith(".py"):
        return runpy.run_path(start.module, run_name="__accepted_child__")[start.function]
    return getattr(importlib.import_module(start.module), start.function)


if __name__ == "__main__":
    main(int(sys.argv[1]))
