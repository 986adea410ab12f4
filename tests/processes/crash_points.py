"""Deaths at the n-th sync of the database, one after the other, over one file and one stubborn customer."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.processes.api import Api, up
from tests.processes.customer import Customer
from tests.processes.deadline import until
from tests.processes.evidence import integrity
from tests.processes.serving import MENU, Program

SETTINGS = {
    "ACCEPTED_LEASE_TTL": "1s",
    "ACCEPTED_SCAN_INTERVAL": "200ms",
    "ACCEPTED_CANCEL_GRACE": "200ms",
    "ACCEPTED_MAX_CRASHES": "1000",
}
STRACE = "strace -f -qq -o {trace} -e trace=fdatasync -e inject=fdatasync:signal=KILL:when={n}"


class Death(NamedTuple):
    """At which sync a process dies, and by whose hand: "before" or "after" the sync by a VFS, or by "strace"."""

    at: int
    way: str


def die(folder: Path, customer: Customer, deaths: Iterable[Death]) -> int:
    """Serve the customer until each of the deaths has come; gives how many have."""
    died = 0
    for number, death in enumerate(deaths):
        with _doomed(folder, death, f"{number}-{death.way}-{death.at}") as program:
            program.wait_until_ready_or_dead()
            if not program.dead:
                with Api(program.url) as api:
                    customer.visit(api)
            died += program.wait(5) in {-signal.SIGKILL, 128 + signal.SIGKILL}
        assert integrity(folder / "accepted.db") == "ok"
    return died


class Doomed(Program):
    """uvicorn with the app and its worker in one process, on a free port."""

    def __init__(self, folder: Path, target: str, prefix: list[str], name: str, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [*prefix, sys.executable, "-m", "uvicorn", target, "--port", str(port), "--log-level", "warning"]
        database = f"sqlite:///{folder}/accepted.db"
        own = {"ACCEPTED_DATABASE_URL": database, "TEST_FOLDER": str(folder)}
        super().__init__(command, folder, name=name, settings=SETTINGS | own | settings)

    def wait_until_ready_or_dead(self) -> None:
        until("it is ready or dead", lambda: up(self.url) or self.dead)

    @property
    def dead(self) -> bool:
        return self.process.poll() is not None


def _doomed(folder: Path, death: Death, name: str) -> Doomed:
    if death.way == "strace":
        prefix = STRACE.format(trace=folder / f"{name}.trace", n=death.at).split()
        return Doomed(folder, MENU, prefix, name)
    settings = {"TEST_DIES_AT": str(death.at), "TEST_DIES": death.way}
    return Doomed(folder, "tests.processes.deadly:app", [], name, **settings)


def survivor(folder: Path) -> Doomed:
    """The same server, with nothing to fear."""
    return Doomed(folder, MENU, [], "survivor")
