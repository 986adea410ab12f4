"""The menu, in a process that dies at the n-th sync of the database: a default VFS of SQLite that kills.

`TEST_DIES_AT` names the sync, `TEST_DIES` says whether its bytes are handed to the disk before the death or not.
"""

from __future__ import annotations

import os
import signal
from itertools import count

import apsw

from tests.processes.menu import app

__all__ = ["app"]

DIES_AT = int(os.environ["TEST_DIES_AT"])
AFTER = os.environ["TEST_DIES"] == "after"
SYSTEM = apsw.vfs_names()[0]  # by name: an empty one would be the default, which is this one soon
_syncs = count(1)


class DeadlyFile(apsw.VFSFile):
    """A file whose syncs are counted."""

    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(SYSTEM, name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802  (SQLite's name)
        last = next(_syncs) == DIES_AT
        if AFTER or not last:
            super().xSync(flags)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)


class DeadlyVFS(apsw.VFS):
    """The system's own file system, but for that."""

    def __init__(self) -> None:
        super().__init__("deadly", SYSTEM, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> DeadlyFile:  # noqa: N802
        return DeadlyFile(name, flags)


deadly = DeadlyVFS()
