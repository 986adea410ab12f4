"""Processes as the kernel shows them: whose children they are, what they do, and whether they still live.

Only processes that a test has started itself, and their descendants, are ever looked at or signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

ROLES = {"web": ("accepted.cli", "web"), "worker": ("accepted.cli", "worker"), "scribe": ("accepted.store.scribe",)}


class Process(NamedTuple):
    """One process; `role` is web, worker, scribe or, for anything else, empty."""

    pid: int
    parent: int
    state: str
    role: str

    @property
    def alive(self) -> bool:
        return self.state not in {"Z", "X"}


class Kill(NamedTuple):
    """That a test was about to kill this process at this moment of `time.monotonic`."""

    pid: int
    role: str
    at: float


def descendants(pid: int) -> list[Process]:
    """Everything alive that `pid` has started, directly or not."""
    everyone = [found for entry in Path("/proc").iterdir() if entry.name.isdigit() and (found := look(int(entry.name)))]
    family = {pid}
    for process in sorted(everyone):  # children mostly have higher numbers; the loop below takes the others in
        if process.parent in family:
            family.add(process.pid)
    while new := {p.pid for p in everyone if p.parent in family} - family:
        family |= new
    return [process for process in everyone if process.pid in family - {pid} and process.alive]


def look(pid: int) -> Process | None:
    """The process with this number, if there is one."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    role = next((role for role, marks in ROLES.items() if all(mark in words for mark in marks)), "")
    return Process(pid, int(parent), state, role)


def alive(pid: int) -> bool:
    """Whether it still runs; a process that has ended and only waits to be buried does not."""
    found = look(pid)
    return found is not None and found.alive


def kill(process: Process, number: signal.Signals = signal.SIGKILL) -> Kill:
    """Send a signal, and say when."""
    at = time.monotonic()
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
    return Kill(process.pid, process.role, at)
