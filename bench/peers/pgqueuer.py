"""PgQueuer's worker and its backlog, for the comparison of draining."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.peers.environment import program
from bench.postgres import Asking
from bench.server import ROOT, Command

SHIPPED, LARGE = 10, 100  # jobs that are taken at once


def worker(directory: Path, address: str, batch: int) -> Command:
    """PgQueuer's runner."""
    argv = (program("python"), "-c", _script(f"work({batch})"))
    return Command(name="pgqueuer", argv=argv, directory=directory, environment={"PEER_ADDRESS": address}, ready="")


def fill(address: str, count: int) -> None:
    """A queue with so many no-op jobs in it."""
    subprocess.run([program("pgq"), "--pg-dsn", address, "install"], check=True, capture_output=True)
    environment: Mapping[str, str] = {"PEER_ADDRESS": address, "PYTHONPATH": str(ROOT)}
    subprocess.run([program("python"), "-c", _script(f"fill({count})")], check=True, cwd=ROOT, env=environment)


def queued(asking: Asking) -> int:
    """How many are not finished, as the database says."""
    found: int = asking.rows("SELECT count(*) FROM pgqueuer")[0][0]
    return found


def _script(call: str) -> str:
    return f"import asyncio; from bench.peers.app_pgqueuer import fill, work; asyncio.run({call})"
