"""What users' functions did, written outside of the system under test: one line for each beginning and end.

A line is one `write` on a descriptor opened with O_APPEND, so lines of many processes do not mix, and a line that is
there was written before its process died. Times are those of `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from accepted import Attempt

Edge = Literal["start", "end"]


class Entry(msgspec.Struct, frozen=True):
    """An attempt of an operation began or ended in this process."""

    operation: str
    attempt: int
    edge: Edge
    at: float
    pid: int


class Diary:
    """The file; every process opens it for itself."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def attempt(self, attempt: Attempt) -> Iterator[None]:
        """Around the work of an attempt; an attempt that was killed has no end."""
        self._note(attempt, "start")
        try:
            yield
        finally:
            self._note(attempt, "end")

    def _note(self, attempt: Attempt, edge: Edge) -> None:
        entry = Entry(attempt.operation_id, attempt.number, edge, time.monotonic(), os.getpid())
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, msgspec.json.encode(entry) + b"\n")
        finally:
            os.close(file)

    def entries(self) -> list[Entry]:
        """Everything so far."""
        if not self._path.exists():
            return []
        return [msgspec.json.decode(line, type=Entry) for line in self._path.read_bytes().splitlines()]

    def of(self, operation: str) -> list[Entry]:
        """What was done for one operation."""
        return [entry for entry in self.entries() if entry.operation == operation]
