"""What users' functions did, written outside of the system under test, in the lines that `check-history` reads.

A line is one `write` on a descriptor opened with O_APPEND, so lines of many processes do not mix, and a line that is
there was written before its process died. Times are those of `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from accepted import Attempt, history

Edge = Literal["start", "end"]


class Entry(NamedTuple):
    """An attempt of an operation began or ended in this process."""

    operation: str
    attempt: int
    edge: Edge
    at: float
    pid: int


def append(path: Path, *records: history.Record) -> None:
    """Lines at the end of a file, at once: whoever kills us kills none of them."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, b"".join(map(history.write, records)))
    finally:
        os.close(file)


class Diary:
    """The file; every process opens it for itself."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def attempt(self, attempt: Attempt) -> Iterator[None]:
        """Around the work of an attempt; an attempt that was killed has no end."""
        id, number, process = attempt.operation_id, attempt.number, str(os.getpid())
        self._note(history.Start(operation_id=id, attempt=number, process=process, at=time.monotonic()))
        returned = False
        try:
            yield
            returned = True
        finally:
            end = history.End(operation_id=id, attempt=number, process=process, at=time.monotonic(), returned=returned)
            self._note(end)

    def wrote(self, attempt: Attempt, began: float) -> None:
        """What the attempt asked to be stored at `began` is stored: it was told so just now."""
        id, ended = attempt.operation_id, time.monotonic()
        self._note(history.Write(operation_id=id, attempt=attempt.number, began=began, ended=ended))

    def _note(self, record: history.Record) -> None:
        append(self.path, record)

    def records(self) -> list[history.Entry]:
        """Everything so far, for the judge."""
        if not self.path.exists():
            return []
        return list(history.read(self.path.name, self.path.read_bytes().splitlines(keepends=True)))

    def entries(self) -> list[Entry]:
        """The beginnings and ends so far."""
        found = []
        for _, record in self.records():
            if isinstance(record, history.Start):
                found.append(Entry(record.operation_id, record.attempt, "start", record.at, int(record.process)))
            elif isinstance(record, history.End):
                found.append(Entry(record.operation_id, record.attempt, "end", record.at, int(record.process)))
        return found

    def of(self, operation: str) -> list[Entry]:
        """What was done for one operation."""
        return [entry for entry in self.entries() if entry.operation == operation]
