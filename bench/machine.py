"""The facts of the machine and the software that a figure depends on, gathered at the moment of measuring."""

import os
import platform
import sqlite3
import statistics
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import apsw

from bench.setting import Setting

SYNCS = 300
PACKAGES = ("accepted", "uvicorn", "uvloop", "httptools", "starlette", "msgspec", "apsw")
MEMORY = {"tmpfs", "ramfs"}


def facts(setting: Setting) -> list[str]:
    """Lines to print above the figures."""
    return [
        f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB; {platform.system()} {platform.release()}",
        f"servers on core {setting.server_core}, load and harness on core {setting.load_core}",
        f"files on {filesystem(setting.scratch)}, where a fdatasync of 4 KiB takes {_sync_ms(setting.scratch):.2f} ms",
        f"Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()} (Huey: {sqlite3.sqlite_version})",
        ", ".join(f"{package} {_version(package)}" for package in PACKAGES),
        f"{setting.rounds} rounds of {setting.seconds:g} s, {setting.connections} connections"
        + (f", counts scaled by {setting.scale:g}" if setting.scale != 1 else ""),
    ]


def doubts(setting: Setting) -> list[str]:
    """What makes every figure of this machine doubtful, and is said loudly."""
    found = []
    if setting.server_core == setting.load_core:
        found.append("ONE CORE: the load shares the servers' core, so every rate is too low")
    if filesystem(setting.scratch) in MEMORY:
        found.append(
            f"NO DISK: {setting.scratch} is memory, where a commit costs nothing; give --scratch a directory on a disk"
        )
    if os.getloadavg()[0] > 0.5:
        found.append(f"BUSY MACHINE: load average {os.getloadavg()[0]:.1f} at the start")
    return found


def filesystem(path: Path) -> str:
    """The type of the file system that the path lies on."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    under = [(Path(point), kind) for point, kind in mounts if path.resolve().is_relative_to(point)]
    return max(under, key=lambda mount: len(mount[0].parts))[1]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _sync_ms(directory: Path) -> float:
    """What the disk takes for the smallest durable append, as a write-ahead log makes it."""
    path = directory / f"accepted-bench-sync-{os.getpid()}"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        return statistics.median(_one_sync(descriptor) for _ in range(SYNCS)) * 1000
    finally:
        os.close(descriptor)
        path.unlink()


def _one_sync(descriptor: int) -> float:
    started = time.perf_counter()
    os.write(descriptor, b"\0" * 4096)
    os.fdatasync(descriptor)
    return time.perf_counter() - started


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed" if package not in sys.modules else "from source"
