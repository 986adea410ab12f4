"""Huey's worker and its backlog, for the comparison of draining."""

import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from bench.peers.environment import program
from bench.server import ROOT, Command

WORKER = "one worker thread, results stored, WAL with synchronous=FULL (SQLite's default), as shipped"


def worker(directory: Path) -> Command:
    """Huey's consumer with one worker."""
    argv = (
        program("huey_consumer"),
        "bench.peers.app_huey.queue",
        "--workers",
        "1",
        "--worker-type",
        "thread",
        "--quiet",
    )
    return Command(name="huey", argv=argv, directory=directory, environment=_environment(directory), ready="")


def fill(directory: Path, count: int) -> None:
    """Put so many no-op tasks into the queue."""
    script = f"from bench.peers.app_huey import fill; fill({count})"
    environment = {**_environment(directory), "PYTHONPATH": str(ROOT)}
    subprocess.run([program("python"), "-c", script], check=True, cwd=ROOT, env=environment)


def queued(directory: Path) -> int:
    """How many still wait, as the file says."""
    with closing(sqlite3.connect(_file(directory))) as connection:
        found: int = connection.execute("select count(*) from task").fetchone()[0]
        return found


def _file(directory: Path) -> Path:
    return directory / "huey.db"


def _environment(directory: Path) -> Mapping[str, str]:
    return {"PEER_ADDRESS": str(_file(directory))}
