"""How one run of the bench is set: how many rounds, how long, on which cores, where the files lie."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

SCRATCH = Path("/var/tmp")  # /tmp may be memory, where fsync costs nothing and durability measures nothing


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What every quantity is given. `scale` shrinks the counted quantities (operations, seeds) for a quick look."""

    rounds: int = 5
    seconds: float = 3.0
    connections: int = 64
    scale: float = 1.0
    server_core: int = 0
    load_core: int = 1
    scratch: Path = SCRATCH

    def count(self, full: int) -> int:
        """So many, at this scale."""
        return max(int(full * self.scale), 100)

    @contextlib.contextmanager
    def directory(self) -> Iterator[Path]:
        """An empty directory on the disk, gone afterwards."""
        with tempfile.TemporaryDirectory(
            prefix="accepted-bench-", dir=self.scratch, ignore_cleanup_errors=True
        ) as name:
            Path(name).chmod(0o711)  # root's PostgreSQL runs as another user, who must get through
            yield Path(name)


Home = Callable[[Setting], AbstractContextManager[Path]]
"""Where the files of a measurement lie: `Setting.directory`, or one whose database is elsewhere."""


def cores() -> tuple[int, int]:
    """The core for servers and the core for the load; the same one where the machine has no second."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]
