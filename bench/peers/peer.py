"""Each peer by name: which app it is, what must run behind it, how durable its 202 is, and which Python it asks for."""

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec

from bench import postgres
from bench.ours import COMPILED, UVICORN
from bench.peers import redis
from bench.peers.environment import OURS, Version, interpreter, program
from bench.server import ROOT, Command, Server


class Peer(msgspec.Struct, frozen=True):
    """One peer. `behind` is what its queue lives in: postgres, redis, or a file."""

    name: str
    app: str
    behind: str
    durability: str
    python: Version = OURS

    @property
    def remark(self) -> str:
        """What is said beside its figure. Raises FileNotFoundError where it has no Python to run on."""
        version = interpreter(self.python).version
        return self.durability if version == OURS else f"{self.durability}; Python {version[0]}.{version[1]}"


POOLED = f"PostgreSQL, {postgres.SETTINGS}; pool of 16"
PEERS = (
    Peer("FastAPI + PgQueuer", "app_pgqueuer", "postgres", POOLED),
    Peer("FastAPI + Huey", "app_huey", "file", "SQLite, WAL, synchronous=FULL, as shipped"),
    Peer("FastAPI + SAQ", "app_saq", "redis", f"Redis, {redis.SETTINGS}"),
    Peer("FastAPI + Celery", "app_celery", "redis", f"Redis, {redis.SETTINGS}"),
)


ON_POSTGRES = (
    PEERS[0],
    Peer("FastAPI + Procrastinate", "app_procrastinate", "postgres", POOLED),
    Peer("FastAPI + DBOS", "app_dbos", "postgres", POOLED),
    Peer("FastAPI + Oban", "app_oban", "postgres", POOLED, python=(3, 12)),
)


class Running(msgspec.Struct, frozen=True):
    """A peer that runs: its web process, and the servers behind it."""

    peer: Peer
    web: Server
    behind: tuple[Server, ...]


@contextmanager
def running(peer: Peer, directory: Path, core: int) -> Iterator[Running]:
    """The peer, with everything it needs. Raises FileNotFoundError where something is not on this machine."""
    directory = directory / peer.app
    directory.mkdir()
    if peer.behind == "file":
        with Server(_web(peer, directory, str(directory / "huey.db")), core) as web:
            yield Running(peer, web, ())
        return
    with _service(peer.behind, directory, core) as (server, address):
        _prepare(peer, address)
        with Server(_web(peer, directory, address), core) as web:
            yield Running(peer, web, (server,))


def _service(name: str, directory: Path, core: int) -> AbstractContextManager[tuple[Server, str]]:
    return postgres.running(directory, core) if name == "postgres" else redis.running(directory, core)


@contextmanager
def sharing(peer: Peer, directory: Path, address: str, core: int) -> Iterator[Server]:
    """The web process of a peer whose queue lives in a PostgreSQL that others use too.

    Raises FileNotFoundError where something is not on this machine.
    """
    _prepare(peer, address)
    with Server(_web(peer, directory, address), core) as web:
        yield web


def _prepare(peer: Peer, address: str) -> None:
    """Install the peer's schema, by its own command."""
    commands = {
        "app_pgqueuer": ("pgq", "--pg-dsn", address, "install"),
        "app_procrastinate": ("procrastinate", "--app", f"bench.peers.{peer.app}.queue", "schema", "--apply"),
        "app_dbos": ("dbos", "migrate", "--sys-db-url", address),
        "app_oban": ("oban", "install", "--dsn", address),
    }
    if peer.app in commands:
        name, *arguments = commands[peer.app]
        environment = {"PEER_ADDRESS": address, "PYTHONPATH": str(ROOT)}
        argv = [program(name, peer.python), *arguments]
        subprocess.run(argv, check=True, capture_output=True, cwd=ROOT, env=environment)


def _web(peer: Peer, directory: Path, address: str) -> Command:
    argv = (program("python", peer.python), "-m", "uvicorn", f"bench.peers.{peer.app}:app", *UVICORN, *COMPILED)
    return Command(
        name=peer.app, argv=argv, directory=directory, environment={"PEER_ADDRESS": address}, ready="/openapi.json"
    )
