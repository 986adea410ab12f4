"""A disk under SQLite that does as a test tells it: refuses, breaks, or is there when the process dies.

It stands between SQLite and the real file system (SQLite calls this a VFS), so nothing of ours has to know of it. Each
write and each sync of the database, its WAL and its journals is announced before it happens; whoever listens may
raise, or end the process.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from typing import NamedTuple, Self

import apsw

_numbers = itertools.count()


class Access(NamedTuple):
    """What is about to be done to the file of this name: "open", "write", "truncate" or "sync"."""

    kind: str
    file: str
    offset: int = 0
    data: bytes = b""

    @property
    def to_wal(self) -> bool:
        return self.file.endswith("-wal")


Listener = Callable[[Access], None]


def fine(access: Access) -> None:
    """Nothing happens."""


class FaultVfs(apsw.VFS):
    """Use as a context manager; `name` is what a connection asks for. `before` and `after` may be set at any time."""

    def __init__(self) -> None:
        self.name = f"fault-{os.getpid()}-{next(_numbers)}"
        self.before: Listener = fine
        self.after: Listener = fine
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self.before(Access("open", path))
        return _File(self, path, name, flags)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()


class _File(apsw.VFSFile):
    def __init__(self, vfs: FaultVfs, path: str, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._vfs = vfs
        self._path = path
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        access = Access("write", self._path, offset, data)
        self._vfs.before(access)
        super().xWrite(data, offset)
        self._vfs.after(access)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._vfs.before(Access("truncate", self._path, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.before(Access("sync", self._path))
        super().xSync(flags)
        self._vfs.after(Access("sync", self._path))


# --- listeners


class Counting:
    """Counts accesses of one kind and does something at the one of this number, the first being 1."""

    def __init__(self, kind: str, number: int, act: Callable[[], None]) -> None:
        self._kind = kind
        self._number = number
        self._act = act
        self.seen = 0

    def __call__(self, access: Access) -> None:
        if access.kind == self._kind:
            self.seen += 1
            if self.seen == self._number:
                self._act()


def die() -> None:
    """As `kill -9` does it: without a word to anybody."""
    os.kill(os.getpid(), signal.SIGKILL)


def full() -> None:
    """There is no room left (ENOSPC)."""
    raise apsw.FullError("no room left")


def broken() -> None:
    """The disk reports an error (EIO)."""
    raise apsw.IOError("the disk is broken")
