"""The client's bad days: a server that is killed and started anew, proxies that cut, refuse and hold back.

Every operation has to give the right result, and there have to be as many as were submitted (guarantees D1, D4, I1,
E2). Waiting takes a hundredth of its time here.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from accepted import Client
from tests.processes.deadline import until
from tests.processes.proxy import Fault, Plan, proxied
from tests.processes.serving import Server

OPERATIONS = 50 * int(os.environ.get("CHAOS_SCALE", "1"))


def hurried(seconds: float) -> None:
    """Wait a hundredth of it."""
    time.sleep(seconds / 100)


def client_of(port: int, quiet: float = 20) -> Client:
    return Client(f"http://127.0.0.1:{port}", sleep=hurried, quiet=quiet)


def port_of(server: Server) -> int:
    port = urlsplit(server.url).port
    assert port is not None
    return port


def ordered(client: Client, number: int) -> int:
    """One operation from submit to result: its number, unless something was lost."""
    operation = client.submit("/texts", number % 50)
    return len(operation.result(str))


def all_right(client: Client, enough: threading.Event) -> int:
    """Operations four at a time, at least OPERATIONS and until it is `enough`, give their results; how many."""
    numbers = itertools.count()

    def work() -> int:
        done = 0
        while (number := next(numbers)) < OPERATIONS or not enough.is_set():
            assert ordered(client, number) == number % 50
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        return sum(task.result() for task in [pool.submit(work) for _ in range(4)])


def total(server: Server) -> int:
    """How many operations the server knows."""
    with server.api() as api:
        return int(api.get("/jobs?limit=1").json()["pagination"]["totalElements"])


def replaced(server: Server, role: str) -> None:
    """Kill the process of this role, and see another in its place."""
    dead = server.kill(role).pid
    until(f"another {role}", lambda: [process for process in server.family(role) if process.pid != dead])


def faults(seed: int) -> Plan:
    """Two of three connections break: somewhere, or they are told to come later."""
    chance = random.Random(seed)

    def plan(number: int) -> Fault:
        match chance.randrange(6):
            case 0 | 1:
                return Fault(after=chance.randrange(1500))
            case 2:
                return Fault(after=chance.randrange(200))
            case 3:
                return Fault(status=chance.choice([429, 503]))
            case _:
                return Fault()

    return plan


@pytest.mark.chaos
def test_connections_that_break_anywhere(tmp_path: Path) -> None:
    enough = threading.Event()
    enough.set()
    with Server(tmp_path) as server, proxied(port_of(server), faults(7)) as proxy, client_of(proxy.port) as client:
        assert all_right(client, enough) == total(server)


@pytest.mark.chaos
def test_a_server_that_is_killed_and_started_anew(tmp_path: Path) -> None:
    enough = threading.Event()
    with Server(tmp_path) as server, ThreadPoolExecutor(1) as pool, client_of(port_of(server)) as client:
        working = pool.submit(all_right, client, enough)
        try:
            for role in ("web", "worker", "web", "worker"):
                replaced(server, role)
            server.end()
            with Server(tmp_path, port=port_of(server)) as again:
                enough.set()
                assert working.result(600) == total(again)
        finally:
            enough.set()


@pytest.mark.chaos
def test_a_proxy_that_holds_streams_back(tmp_path: Path) -> None:
    enough = threading.Event()
    enough.set()
    with (
        Server(tmp_path) as server,
        proxied(port_of(server), lambda number: Fault(buffers=True)) as proxy,
        client_of(proxy.port, 0.3) as client,
    ):
        assert all_right(client, enough) == total(server)
