"""A real server under test: `accepted serve` (or any other command) as a process, and everything below it.

Whatever a test starts here is ended here, by its number, however the test goes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from tests.processes.api import Api, up
from tests.processes.deadline import PATIENCE, until
from tests.processes.process import Kill, Process, alive, descendants, kill

ROOT = Path(__file__).parents[2]
MENU = "tests.processes.menu:app"
DEMO = "demo"
ACCEPTED = [sys.executable, "-m", "accepted.cli"]


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server: nothing of the tester's own settings, but these. Tests look more often than clients
    may, and their PostgreSQL does not sync.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ACCEPTED_", "PROMETHEUS_"))}
    return {
        **kept,
        "PYTHONUNBUFFERED": "1",
        "ACCEPTED_POLL_MINIMUM": "0",
        "ACCEPTED_UNSAFE_DATABASE": "true",
        **changes,
    }


def run(*arguments: str, settings: Mapping[str, str] = MappingProxyType({})) -> subprocess.CompletedProcess[str]:
    """`accepted ...` to its end, with what it wrote."""
    command = [*ACCEPTED, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(settings), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


class Program:
    """A process with its children, and its output in files."""

    def __init__(self, command: list[str], folder: Path, *, name: str, settings: Mapping[str, str]) -> None:
        self.output, self.log = folder / f"{name}.out", folder / f"{name}.err"
        with self.output.open("ab") as output, self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment(settings), stdout=output, stderr=log, start_new_session=True
            )
        self._seen: set[int] = set()

    @property
    def pid(self) -> int:
        return self.process.pid

    def family(self, role: str | None = None) -> list[Process]:
        """Its living descendants, or those of one role, in the order of their numbers."""
        found = sorted(descendants(self.pid))
        self._seen |= {process.pid for process in found}
        return [process for process in found if role is None or process.role == role]

    def only(self, role: str) -> Process:
        """The one process of this role, as soon as there is exactly one."""
        return until(f"one {role} process", lambda: len(found := self.family(role)) == 1 and found[0])

    def kill(self, role: str, number: signal.Signals = signal.SIGKILL) -> Kill:
        """Signal the one process of this role."""
        return kill(self.only(role), number)

    def send(self, number: signal.Signals) -> None:
        """Signal the process itself."""
        self.family()
        self.process.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """Its exit code, once it has ended. AssertionError if it does not."""
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs after {patience:g} s\n{self.logged()}") from None

    def end(self, number: signal.Signals = signal.SIGTERM, patience: float = PATIENCE) -> float:
        """Ask it to end, in good order; gives the seconds that it took. Nothing of it may be left."""
        began = time.monotonic()
        self.send(number)
        assert self.wait(patience) == 0, self.logged()
        took = time.monotonic() - began
        until("all its children are gone", lambda: not self.left(), 5)
        return took

    def left(self) -> list[int]:
        """Descendants seen earlier that still live, also when they are orphans now."""
        return [pid for pid in self._seen if alive(pid)]

    def logged(self) -> str:
        """Standard error so far."""
        return self.log.read_text(errors="replace")

    def close(self) -> None:
        """End by force whatever still lives."""
        self.family()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        for pid in self.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Server(Program):
    """`accepted serve` on a free port of this machine, ready when the constructor returns."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        target: str = MENU,
        workers: int = 1,
        port: int = 0,
        home: Path | None = None,
        **changes: str,
    ) -> None:
        self.database = (home or folder) / "accepted.db"
        what = ["demo"] if target == DEMO else ["serve", target]
        command = [*ACCEPTED, *what, "--port", str(port), "--workers", str(workers), *options]
        settings = {"ACCEPTED_DATABASE_URL": f"sqlite:///{self.database}", "TEST_FOLDER": str(folder)}
        began = time.monotonic()
        super().__init__(command, folder, name=f"serve-{time.monotonic_ns()}", settings=settings | changes)
        try:
            self.url = until("the server says where it is", self._said)
            until("the server is ready", lambda: up(self.url))
            with self.api() as api:
                until(f"{workers} workers", lambda: api.healthy()["checks"]["workers"].get("alive", 0) >= workers)
        except AssertionError as error:
            self.close()
            raise AssertionError(f"{error}\n{self.logged()}") from None
        self.started_in = time.monotonic() - began

    def api(self, timeout: float = PATIENCE) -> Api:
        """A client of it."""
        return Api(self.url, timeout=timeout)

    def sockets(self) -> int:
        """How many sockets the web process has open."""
        folder = Path(f"/proc/{self.only('web').pid}/fd")
        return sum("socket:" in str(entry.readlink()) for entry in folder.iterdir() if entry.is_symlink())

    def _said(self) -> str | None:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}"
        words = self.output.read_text().split()
        return next((word for word in words if word.startswith("http://")), None)


@contextlib.contextmanager
def served(folder: Path, *options: str, **choices: str | int | Path) -> Iterator[tuple[Server, Api]]:
    """A server and a client of it."""
    with Server(folder, *options, **choices) as server, server.api() as api:  # type: ignore[arg-type]
        yield server, api
