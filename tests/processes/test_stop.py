"""SIGTERM, Ctrl-C and sudden death of the parts of `accepted serve`: guarantee D6."""

from __future__ import annotations

import signal
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.processes.api import Api
from tests.processes.deadline import until
from tests.processes.diary import Diary
from tests.processes.figures import Figures
from tests.processes.process import alive, kill
from tests.processes.serving import Server, served

DRAIN = 1.0  # seconds
IN_SECONDS = DRAIN + 2.0

ENDS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])


@ENDS
def test_it_ends_in_seconds_also_with_a_long_poll_open(
    tmp_path: Path, number: signal.Signals, figures: Figures
) -> None:
    with served(tmp_path, ACCEPTED_DRAIN_TIMEOUT=str(DRAIN)) as (server, api), ThreadPoolExecutor(1) as beside:
        operation = api.submit("/gates", "never")
        api.started(operation)
        waiting = _long_poll(beside, server, operation)
        took = server.end(number)
        answer = waiting.result(timeout=5)
    assert (answer.status_code, answer.json()["status"]) == (200, "PROCESSING")
    assert took < IN_SECONDS
    assert [entry.edge for entry in Diary(tmp_path / "diary").of(operation)] == ["start", "end"]
    figures.note(f"end by {number.name} with an operation and a long poll, drain 1 s", f"{took:.2f} s")


def _long_poll(beside: ThreadPoolExecutor, server: Server, operation: str) -> Future[httpx2.Response]:
    """A request that is being held by the server."""
    before = server.sockets()

    def poll() -> httpx2.Response:
        with server.api(timeout=60) as other:
            return other.get(f"/operations/{operation}", headers={"Prefer": "wait=50"})

    future = beside.submit(poll)
    until("the poll is open", lambda: server.sockets() > before)
    return future


def test_an_idle_server_ends_at_once(server: Server, figures: Figures) -> None:
    took = server.end()
    assert took < 1.5
    figures.note("end by SIGTERM when idle", f"{took:.2f} s")


def test_what_was_running_is_handed_back_uncharged_and_resumed_by_the_next_start(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "diary")
    settings = {"ACCEPTED_DRAIN_TIMEOUT": "0.5", "ACCEPTED_MAX_CRASHES": "1"}  # one crash would end it
    with served(tmp_path, **settings) as (server, api):
        operation = api.submit("/gates", "open")
        until("the function runs", lambda: diary.of(operation))
        server.end()
    with served(tmp_path, **settings) as (server, api):
        until("it runs again", lambda: len(diary.of(operation)) == 3)
        assert api.status(operation)["status"] == "PROCESSING"
        (tmp_path / "open").touch()
        ended = api.ended(operation)
    assert (ended["status"], ended["attempt"]) == ("COMPLETED", 2)


def test_what_ends_within_the_drain_time_is_not_interrupted(tmp_path: Path) -> None:
    with served(tmp_path, ACCEPTED_DRAIN_TIMEOUT="8") as (server, api):
        operation = api.submit("/notes", 700)
        api.started(operation)
        assert server.end() < 3
    with served(tmp_path, workers=0) as (_, api):
        ended = api.status(operation)
    assert (ended["status"], ended["attempt"]) == ("COMPLETED", 1)


def test_a_submit_during_the_end_is_refused_or_kept_but_never_lost(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    refused: list[int] = []

    def submit_until_refused(api: Api) -> None:
        while not refused:
            try:
                answer = api.post("/notes", json=1)
            except httpx2.TransportError:
                refused.append(0)  # the connection, or the socket itself
                return
            if answer.status_code == 202:
                acknowledged.append(answer.json()["operationId"])
            else:
                refused.append(answer.status_code)

    with served(tmp_path, ACCEPTED_DRAIN_TIMEOUT=str(DRAIN)) as (server, api):
        api.started(api.submit("/gates", "never"))  # so that the end takes its time
        beside = threading.Thread(target=submit_until_refused, args=(api,))
        beside.start()
        until("submits flow", lambda: len(acknowledged) > 20)
        server.end()
        beside.join()
    with served(tmp_path) as (_, api):
        assert {api.ended(operation)["status"] for operation in acknowledged} == {"COMPLETED"}
    assert refused[0] in {0, 503}


def test_while_workers_finish_nobody_is_kept_waiting(tmp_path: Path) -> None:
    with served(tmp_path, ACCEPTED_DRAIN_TIMEOUT="30") as (server, api):
        api.started(api.submit("/gates", "open"))
        server.send(signal.SIGTERM)
        until("the web process has ended", lambda: not server.family("web"))
        until("new connections are refused", lambda: _refuses(server), 3)
        (tmp_path / "open").touch()
        assert server.wait() == 0


@ENDS
def test_asked_twice_it_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path, ACCEPTED_DRAIN_TIMEOUT="60") as (server, api):
        api.started(api.submit("/gates", "never"))
        server.send(number)
        until("new work is refused", lambda: _refuses(server))
        asked = time.monotonic()
        server.send(number)
        server.wait(5)
        assert time.monotonic() - asked < 1.5
        until("all its children are gone", lambda: not server.left(), 5)


def _refuses(server: Server) -> bool:
    try:
        return httpx2.post(server.url + "/noops", timeout=2, trust_env=False).status_code == 503
    except (httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError):  # but no time-out
        return True


def test_a_function_that_does_not_stop_is_left_behind(tmp_path: Path) -> None:
    with served(tmp_path, ACCEPTED_DRAIN_TIMEOUT="0.5") as (server, api):
        operation = api.submit("/naps", 600)
        api.started(operation)
        assert server.end() < IN_SECONDS
    with served(tmp_path, workers=0) as (_, api):
        assert api.status(operation)["status"] == "PENDING", "it is handed back all the same"


def test_without_their_supervisor_the_children_end_by_themselves(api: Api, server: Server) -> None:
    api.started(api.submit("/notes", 300))
    family = server.family()
    assert {process.role for process in family} == {"web", "worker", "scribe"}
    server.send(signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL
    until("all its children are gone", lambda: not any(alive(process.pid) for process in family), 10)


def test_a_request_waits_while_a_dead_web_process_is_replaced(api: Api, server: Server, figures: Figures) -> None:
    before = server.only("web")
    operation = api.submit("/notes", 1)
    kill(before)
    until("it is gone", lambda: not alive(before.pid))
    began = time.monotonic()
    with server.api() as other:
        answer = other.get(f"/operations/{operation}", params={"redirect": "false"})
    took = time.monotonic() - began
    assert answer.status_code == 200
    assert server.only("web").pid != before.pid
    figures.note("web killed: a request on a new connection was answered after", f"{took:.2f} s")


def test_a_restarted_server_takes_the_same_port_again(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):  # leaves the port in TIME_WAIT on our side or theirs
            server.end()
    with Server(tmp_path, port=port) as server:
        assert server.url.endswith(f":{port}")
