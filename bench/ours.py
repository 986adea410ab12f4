"""Accepted as it is run for the measuring: the four ways to start it, and how a file is filled with operations."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import load, postgres
from bench.client import Client
from bench.rounds import send
from bench.server import Command, Server, until
from bench.setting import Setting

APPLICATION = "bench.application:app"
WEB = "bench.web:app"
BODY = '{"dateRange":{"start":"2017-01-01","end":"2017-12-31"},"format":"PDF"}'
UVICORN = (
    "--host",
    "127.0.0.1",
    "--port",
    "{port}",
    "--no-access-log",
    "--log-level",
    "warning",
)
COMPILED = ("--loop", "uvloop", "--http", "httptools")
PLAIN = ("--loop", "asyncio", "--http", "h11")
ON_PLAIN = ", uvicorn in pure Python"


def bare(directory: Path, stack: Sequence[str] = COMPILED) -> Command:
    """The bare responder."""
    argv = (sys.executable, "-m", "uvicorn", "bench.bare:app", *UVICORN, *stack, "--lifespan", "off")
    return Command(name="bare", argv=argv, directory=directory, ready="/")


def embedded(directory: Path, stack: Sequence[str] = COMPILED, application: str = APPLICATION) -> Command:
    """Web and worker in one process: the app on uvicorn."""
    argv = (sys.executable, "-m", "uvicorn", application, *UVICORN, *stack)
    return Command(name="embedded", argv=argv, directory=directory, environment=_environment(directory))


def live(directory: Path, which: str) -> Command:
    """What is followed: "published" or "bare" of bench.live, with WebSocket set as `accepted serve` sets it."""
    sockets = ("--ws", "websockets-sansio", "--ws-max-size", "16384", "--ws-per-message-deflate", "false")
    argv = (
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        f"bench.live:{which}",
        *UVICORN,
        *COMPILED,
        *sockets,
        "--lifespan",
        "off",
    )
    return Command(name=which, argv=argv, directory=directory, environment=_environment(directory), ready="/health")


def telling(directory: Path, workers: int = 1) -> Command:
    """`accepted serve`, as a rule with one worker process, of a function that reports now and then."""
    argv = (
        script(),
        "serve",
        "bench.live:telling",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
        "--workers",
        str(workers),
    )
    return Command(name="telling", argv=argv, directory=directory, environment=_environment(directory))


def publish(server: Server) -> None:
    """Publish one event."""
    with Client(server.port) as client:
        client.post("/publish", b"0")


def serve(directory: Path, workers: int) -> Command:
    """`accepted serve`: a web process, and so many worker processes."""
    argv = (script(), "serve", APPLICATION, "--host", "127.0.0.1", "--port", "{port}", "--workers", str(workers))
    return Command(name=f"serve-{workers}", argv=argv, directory=directory, environment=_environment(directory))


def owned(directory: Path) -> Command:
    """`accepted serve` without workers, for one owner whose limits are never reached."""
    argv = (script(), "serve", "bench.owned:app", "--host", "127.0.0.1", "--port", "{port}", "--workers", "0")
    wide = {
        "ACCEPTED_SUBMIT_RATE": "1000000000/1m",
        "ACCEPTED_OWNER_QUEUE_LIMIT": "1000000000",
        "ACCEPTED_OWNER_ACTIVE_LIMIT": "1000000000",
    }
    return Command(name="owned", argv=argv, directory=directory, environment={**_environment(directory), **wide})


def keyed(directory: Path) -> tuple[Command, str]:
    """The same as `owned`, where an API key says who they are; and its token."""
    made = subprocess.run(
        (script(), "keys", "create", "--owner", "bench", "--database", url(directory)),
        capture_output=True,
        text=True,
        check=True,
    )
    command = owned(directory)
    argv = [APPLICATION if word == "bench.owned:app" else word for word in command.argv]
    return Command(
        name="keyed", argv=tuple(argv), directory=directory, environment=command.environment
    ), made.stdout.strip()


def worker(directory: Path) -> Command:
    """`accepted worker`: one worker process over the file of a server that runs already."""
    argv = (script(), "worker", APPLICATION)
    return Command(name="worker", argv=argv, directory=directory, environment=_environment(directory), ready="")


def script() -> str:
    """The command `accepted` that belongs to this interpreter."""
    beside = Path(sys.executable).parent / "accepted"
    found = str(beside) if beside.exists() else shutil.which("accepted")
    if not found:
        raise FileNotFoundError("the command accepted is not installed beside this interpreter")
    return found


def database(directory: Path) -> Path:
    """The file of a directory whose database is SQLite's."""
    return directory / "accepted.db"


def submits(server: Server, setting: Setting, path: str = "/noop", token: str = "") -> load.Spec:
    """POSTs of the operation, for as long as a round lasts."""
    return load.Spec(
        port=server.port,
        method="POST",
        paths=[path],
        body=BODY,
        token=token,
        expect=[202],
        connections=setting.connections,
        seconds=setting.seconds,
        core=setting.load_core,
    )


def reads(server: Server, setting: Setting, paths: list[str], expect: list[int]) -> load.Spec:
    """GETs of the paths in turn, for as long as a round lasts."""
    return load.Spec(
        port=server.port,
        method="GET",
        paths=paths,
        expect=expect,
        connections=setting.connections,
        seconds=setting.seconds,
        core=setting.load_core,
    )


def fill(server: Server, count: int, core: int, path: str = "/noop") -> load.Outcome:
    """Submit exactly that many operations, as fast as it goes; the outcome's locations are their status paths."""
    spec = load.Spec(
        port=server.port,
        method="POST",
        paths=[path],
        body=BODY,
        expect=[202],
        seconds=max(60.0, count / 200),
        count=count,
        core=core,
        locations=True,
    )
    return send(server, spec)


def completed(client: Client) -> int:
    """How many operations are readable as COMPLETED."""
    answer = client.get("/jobs?status=COMPLETED&limit=1").json()
    total: int = answer["pagination"]["totalElements"]
    return total


def await_completed(server: Server, total: int, seconds: float, pause: float = 0.02) -> None:
    """Wait until so many operations are readable as COMPLETED. Raises Broken after that many seconds."""
    with Client(server.port) as client:
        until(lambda: completed(client) >= total, seconds, f"{total} operations to be COMPLETED", server.check, pause)


@contextlib.contextmanager
def on_postgres(setting: Setting) -> Iterator[Path]:
    """A directory whose database is in a PostgreSQL server of its own on the load's core, with our schema."""
    with setting.directory() as directory, postgres.running(directory, setting.load_core) as (_, url):
        yield settle(directory, url)


def settle(directory: Path, url: str) -> Path:
    """The directory, whose database is from now on this one, with our schema."""
    _note(directory).write_text(url)
    subprocess.run((script(), "migrate", "--database", url), check=True, capture_output=True)
    return directory


def url(directory: Path) -> str:
    """The database that everything started with this directory works on."""
    noted = _note(directory)
    return noted.read_text() if noted.exists() else f"sqlite:///{database(directory)}"


def _note(directory: Path) -> Path:
    return directory / "database.url"


def _environment(directory: Path) -> Mapping[str, str]:
    # All load comes from one address and nobody runs what it leaves: what is measured is the server, not its limits.
    return {
        "ACCEPTED_DATABASE_URL": url(directory),
        "ACCEPTED_DEPTH_LIMIT": "1000000000",
        "ACCEPTED_CONNECTION_LIMIT": "100000",
        "ACCEPTED_CONNECTIONS_PER_ADDRESS": "100000",
    }
