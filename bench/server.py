"""Starts a server process on its core, waits until it answers, and ends it: whatever happens in between.

Each gets a free port of the loopback. What it prints goes to a file beside its data, and is shown when it does not
come up or does not stay up. Its end is SIGTERM (or the signal it asks for), then SIGKILL after ten seconds, to it and
to every descendant that it left.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from bench import process
from bench.client import Client

ROOT = Path(__file__).parent.parent
READY_SECONDS = 30.0
STOP_SECONDS = 10.0


class Broken(Exception):
    """A server that did not come up, fell over, or answered what it must not: nothing measured of it counts."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """How to start one process: `argv` may hold `{port}`; `ready` is the path to wait for, "" for none."""

    name: str
    argv: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = {}
    ready: str = "/health/live"
    user: str | None = None
    stop_signal: int = signal.SIGTERM


class Server:
    """A running process, as a context manager."""

    def __init__(self, command: Command, core: int) -> None:
        self.command = command
        self.core = core
        self.port = free_port()
        self.log = command.directory / f"{command.name}.{self.port}.log"

    def __enter__(self) -> Self:
        self._start()
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu_seconds(self) -> float:
        """Processor time used so far by the process and its descendants."""
        return process.cpu_seconds(self.pid)

    def web_pid(self) -> int:
        """The process of this server that serves HTTP."""
        return process.listener(self.pid, self.port)

    def check(self) -> None:
        """Raise Broken where the process has ended."""
        if self.process.poll() is not None:
            raise Broken(f"{self.command.name} ended with {self.process.returncode}:\n{self._tail()}")

    def stop(self) -> None:
        """End the process and all that it started; a second time does nothing."""
        family = _descendants(self.pid) if self.process.poll() is None else []
        self.process.send_signal(self.command.stop_signal)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for descriptor in family:
            _kill(descriptor)

    def _start(self) -> None:
        command = self.command
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(self.core), *(part.replace("{port}", str(self.port)) for part in command.argv)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **command.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                user=command.user,
            )

    def _await_ready(self) -> None:
        if self.command.ready:
            until(self._answers, READY_SECONDS, f"{self.command.name} to answer", self.check)

    def _answers(self) -> bool:
        try:
            with Client(self.port) as client:
                return client.get(self.command.ready).status < 500
        except OSError:
            return False

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def free_port() -> int:
    """A port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(true: Callable[[], bool], seconds: float, what: str, check: Callable[[], None], pause: float = 0.05) -> None:
    """Ask until it is true. Raises Broken after that many seconds, and what `check` raises in between."""
    deadline = time.monotonic() + seconds
    while not true():
        check()
        if time.monotonic() > deadline:
            raise Broken(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)


def _descendants(pid: int) -> list[int]:
    """Descriptors, not numbers: a number may belong to a stranger by the time it is signalled."""
    found = []
    for each in process.tree(pid)[1:]:
        with contextlib.suppress(ProcessLookupError):
            found.append(os.pidfd_open(each))
    return found


def _kill(descriptor: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    os.close(descriptor)
