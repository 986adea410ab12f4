"""Under somebody else's server, everything in one process: SIGTERM ends it in seconds, and nothing is lost."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.processes.api import Api, up
from tests.processes.deadline import until
from tests.processes.diary import Diary
from tests.processes.figures import Figures
from tests.processes.serving import MENU, Program

IN_SECONDS = 3.0


@contextmanager
def embedded(folder: Path, target: str = MENU, prefix: str = "", **settings: str) -> Iterator[tuple[Program, Api]]:
    """uvicorn with the app and its worker inside, without any help of ours."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", target, "--port", str(port), "--log-level", "warning"]
    defaults = {
        "ACCEPTED_DATABASE_URL": f"sqlite:///{folder}/accepted.db",
        "ACCEPTED_DRAIN_TIMEOUT": "1",
        "TEST_FOLDER": str(folder),
    }
    url = f"http://127.0.0.1:{port}{prefix}"
    with Program(command, folder, name=f"uvicorn-{port}", settings=defaults | settings) as program, Api(url) as api:
        until("it is ready", lambda: up(url))
        yield program, api


def test_it_ends_in_seconds_and_hands_back(tmp_path: Path, figures: Figures) -> None:
    diary = Diary(tmp_path / "diary")
    with embedded(tmp_path) as (program, api), ThreadPoolExecutor(1) as beside:
        operation = api.submit("/gates", "open")
        until("the function runs", lambda: diary.of(operation))
        waiting = beside.submit(_long_poll, str(api.base_url), operation)
        until("the poll is open", lambda: _established(api) >= 2)
        took = _terminated(program)
        assert waiting.result(timeout=5).json()["status"] == "PROCESSING"
    assert [entry.edge for entry in diary.of(operation)] == ["start", "end"], "it was asked to stop"
    assert took < IN_SECONDS
    figures.note("uvicorn with all in one process, an operation and a long poll, drain 1 s: end", f"{took:.2f} s")
    (tmp_path / "open").touch()
    with embedded(tmp_path, ACCEPTED_MAX_CRASHES="1") as (program, api):
        ended = api.ended(operation)
        _terminated(program)
    assert (ended["status"], ended["attempt"]) == ("COMPLETED", 2)


def test_where_the_lifespan_was_forgotten_it_still_ends_and_the_operation_is_taken_up(tmp_path: Path) -> None:
    settings = {"ACCEPTED_LEASE_TTL": "1s", "ACCEPTED_SCAN_INTERVAL": "200ms"}
    target = "tests.processes.parent:parent"
    diary = Diary(tmp_path / "diary")
    with embedded(tmp_path, target, "/ops", **settings) as (program, api):
        operation = api.submit("/gates", "open")
        until("the function runs", lambda: diary.of(operation))
        assert _terminated(program) < IN_SECONDS
    (tmp_path / "open").touch()
    with embedded(tmp_path, target, "/ops", **settings) as (_, api):
        ended = api.ended(operation)
    assert (ended["status"], ended["attempt"]) == ("COMPLETED", 2)


@pytest.mark.parametrize("path", ["/spins", "/naps"])
def test_work_that_blocks_its_loop_delays_no_request(tmp_path: Path, path: str, figures: Figures) -> None:
    with embedded(tmp_path) as (_, api):
        operation = api.submit(path, 1.0)
        api.started(operation)
        times = []
        while api.status(operation)["status"] == "PROCESSING":
            times.append(api.timed("POST", "/noops")[1])
        ended = api.status(operation)
    assert (ended["status"], ended["attempt"]) == ("COMPLETED", 1)
    assert len(times) > 5
    assert max(times) < 0.5
    figures.milliseconds(f"submits beside {path} in the same process", times)


def _long_poll(url: str, operation: str) -> httpx2.Response:
    with Api(url, timeout=60) as other:
        return other.get(f"/operations/{operation}", headers={"Prefer": "wait=50"})


def _established(api: Api) -> int:
    """How many connections the server's port has."""
    port = f":{api.base_url.port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(port) and row[3] == "01" for row in rows)


def _terminated(program: Program) -> float:
    began = time.monotonic()
    program.send(signal.SIGTERM)
    assert program.wait() in {0, -signal.SIGTERM}  # uvicorn dies of the signal once it has cleaned up
    return time.monotonic() - began
