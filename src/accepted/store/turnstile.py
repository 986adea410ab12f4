"""A fair lock between processes that write one SQLite file.

SQLite's own busy handler sleeps and polls, so of two processes that commit in a loop one gets nearly all turns and
the other stalls for seconds. Here whoever wants the file first stands at NEXT, where one may wait, and goes on to
MUTEX when that is free; a process that commits in a loop has to queue behind the one already waiting. The kernel
drops both locks with the process, so a kill harms nobody. The measurements are in docs/decisions/0002.

`flock`, not POSIX locks: those do not exclude two stores within one process. The descriptors are never inherited: a
forked child would hold the lock beyond its parent's death.
"""

from __future__ import annotations

import fcntl
import os


class Turnstile:
    """Context manager: one holder at a time over all processes that name the same database."""

    def __init__(self, database: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._next = os.open(f"{database}-next", flags, 0o600)
        self._mutex = os.open(f"{database}-mutex", flags, 0o600)

    def __enter__(self) -> None:
        fcntl.flock(self._next, fcntl.LOCK_EX)
        fcntl.flock(self._mutex, fcntl.LOCK_EX)
        fcntl.flock(self._next, fcntl.LOCK_UN)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._mutex, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the descriptors back; the files stay, for unlinking them would split the lock in two."""
        for descriptor in {self._next, self._mutex} - {-1}:
            os.close(descriptor)
        self._next = self._mutex = -1  # closing twice must not close what others have opened since
