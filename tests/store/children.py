"""Processes that tests start, speak with over pipes, freeze and kill; each by its own pid; none outlives its test."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds for what has to come; only a failing test waits so long


class Child:
    """`python -m module arguments...`, whose standard output is read line by line; a context manager."""

    def __init__(self, module: str, *arguments: object, prefix: tuple[str, ...] = ()) -> None:
        command = [*prefix, sys.executable, "-m", module, *map(str, arguments)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def line(self) -> str:
        """The next line it prints; it has to come."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        assert ready, "the child says nothing"
        return self._process.stdout.readline().rstrip("\n")

    def say(self, line: str) -> None:
        """A line for its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """`kill -9`, unless it has ended by itself."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)

    def ended(self) -> int:
        """Its exit status, negative for a signal; it has to end."""
        return self._process.wait(PATIENCE)


def environment() -> dict[str, str]:
    """Where a child finds us, installed or not."""
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}


class Watch:
    """Tells when a process has ended that is not our child."""

    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    def ended(self) -> bool:
        """Waits for it."""
        ready, _, _ = select.select([self._descriptor], [], [], PATIENCE)
        os.close(self._descriptor)
        return bool(ready)


def scribe_of(path: Path, parent: int) -> int:
    """The pid of the process that writes to the database at `path` for the process `parent`."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            status = (entry / "status").read_text(encoding="ascii")
        except OSError:
            continue  # it has just ended
        if b"accepted.store.scribe" in command and os.fsencode(path) in command and f"\nPPid:\t{parent}\n" in status:
            return int(entry.name)
    raise AssertionError("there is no scribe")
