"""A Redis of our own for the peers that need one: memory only, no snapshots, no log, which is the fastest it can be.

It comes from the machine (Debian: redis-server), or from the path that REDIS_SERVER names. Without it those peers are
not run, and the table says so.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.server import Command, Server, until

SETTINGS = "memory only: no snapshot, no append-only log, no fsync"


def program() -> str | None:
    """Where redis-server is, or None."""
    return os.environ.get("REDIS_SERVER") or shutil.which("redis-server")


@contextmanager
def running(directory: Path, core: int) -> Iterator[tuple[Server, str]]:
    """The server and its address (a URL). Raises FileNotFoundError where there is no redis-server."""
    found = program()
    if not found:
        raise FileNotFoundError("redis-server missing")
    argv = [
        found,
        "--port",
        "{port}",
        "--bind",
        "127.0.0.1",
        "--dir",
        str(directory),
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    with Server(Command(name="redis", argv=argv, directory=directory, ready=""), core) as server:
        until(lambda: _listens(server.port), 10, "Redis", server.check)
        yield server, f"redis://127.0.0.1:{server.port}/0"


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
