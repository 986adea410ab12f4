"""Disks that fill up: a small file system of its own where we may mount one, and a limit on file sizes anywhere.

Both meet real system calls: ENOSPC from the one, EFBIG from the other.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.processes.serving import Server

CAP_SYS_ADMIN = 1 << 21
SIZE = 4 << 20  # of the small file system; a fresh database with its WAL takes a tenth

Fill = Callable[[Server, Path], AbstractContextManager[None]]


def may_mount() -> bool:
    """Whether this process may mount file systems."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))
    return bool(int(effective, 16) & CAP_SYS_ADMIN)


@contextlib.contextmanager
def small(folder: Path) -> Iterator[Path]:
    """`folder`, as a file system of `SIZE`."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def ballast(_: Server, folder: Path) -> Iterator[None]:
    """Not a byte is free."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    try:
        yield
    finally:
        path.unlink()


@contextlib.contextmanager
def size_limit(server: Server, _: Path) -> Iterator[None]:
    """No process of the server may make a file longer than a page, or write behind that."""
    pids = [process.pid for process in server.family() if process.role in {"web", "scribe"}]
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_soft, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


WAYS: dict[str, Fill] = {"file size limit": size_limit} | ({"full disk": ballast} if may_mount() else {})


@contextlib.contextmanager
def place(way: str, folder: Path) -> Iterator[Path]:
    """Where a database for this way of filling up can lie."""
    if WAYS[way] is ballast:
        with small(folder / "small") as mounted:
            yield mounted
    else:
        (folder / "large").mkdir()
        yield folder / "large"
