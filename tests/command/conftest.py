"""The commands in this process, against a real server; and on a terminal, in a process of their own."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from accepted.cli import main
from tests.processes.serving import ACCEPTED, ROOT, Server, environment

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's gates are opened."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A server of the menu, one for all tests of a file."""
    with Server(folder) as server:
        yield server


@pytest.fixture
def run(server: Server, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command to its end, with that server in the environment."""
    for name in list(os.environ):
        if name.startswith("ACCEPTED_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ACCEPTED_URL", server.url)
    return lambda *words, **options: CliRunner().invoke(main, [str(word) for word in words], **options)


def on_a_terminal(*words: str, size: tuple[int, int] = (30, 110), **settings: str) -> tuple[int, str]:
    """Exit code and all that a command writes to a terminal of so many lines and columns."""
    mine, theirs = pty.openpty()
    child = subprocess.Popen(
        [*ACCEPTED, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=environment({"TERM": "xterm-256color", "LINES": str(size[0]), "COLUMNS": str(size[1]), **settings}),
    )
    os.close(theirs)
    parts = []
    try:
        while part := os.read(mine, 1 << 16):
            parts.append(part)
    except OSError:  # the terminal's other side is closed: how a pty says that nothing more comes
        pass
    os.close(mine)
    return child.wait(20), b"".join(parts).decode()
