"""Who is slow, silent or many keeps nobody waiting but itself (guarantees E7 and Q1)."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.processes.serving import Server

SMALL: dict[str, Any] = {
    "ACCEPTED_HEAD_TIMEOUT": "1",
    "ACCEPTED_BODY_TIMEOUT": "2",
    "ACCEPTED_SEND_TIMEOUT": "2",
    "ACCEPTED_CONNECTION_LIMIT": "20",
    "ACCEPTED_CONNECTIONS_PER_ADDRESS": "100",
}
HEAD = b"POST /notes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
PATIENCE = 20.0  # seconds; only a test that fails waits for so long


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("slow"), workers=0, **SMALL) as server:
        yield server


class Peer(socket.socket):
    """A client that says exactly what it is told to."""

    def __init__(self, server: Server) -> None:
        address = urlsplit(server.url)
        super().__init__()
        self.settimeout(PATIENCE)
        self.connect((address.hostname, address.port))

    def rest(self) -> bytes:
        """Everything until the server closes."""
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while part := self.recv(65536):
                parts.append(part)
        return b"".join(parts)

    def answer(self) -> tuple[int, dict[str, Any]]:
        """The status and the problem of the last answer."""
        head, _, body = self.rest().partition(b"\r\n\r\n")
        assert b"application/problem+json" in head
        assert b"connection: close" in head
        return int(head.split()[1]), json.loads(body)


def asked(server: Server) -> float:
    """Seconds that somebody healthy waits for an answer."""
    began = time.monotonic()
    with Peer(server) as peer:
        peer.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert peer.rest().startswith(b"HTTP/1.1 200")
    return time.monotonic() - began


def drip(peer: Peer, data: bytes) -> bytes:
    """A byte every tenth of a second, until the server has had enough; gives its answer."""
    peer.settimeout(0.1)
    for number in range(600):
        with contextlib.suppress(TimeoutError):
            beginning = peer.recv(1000)
            peer.settimeout(PATIENCE)
            return beginning + peer.rest()
        with contextlib.suppress(ConnectionError):
            peer.sendall(data[number % len(data) :][:1])
    raise AssertionError("it waits for ever")


def test_a_head_that_comes_byte_by_byte_is_late(server: Server) -> None:
    with Peer(server) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        assert drip(peer, b"a").startswith(b"HTTP/1.1 408")
    assert asked(server) < PATIENCE


def test_who_says_nothing_at_all_is_sent_away(server: Server) -> None:
    with Peer(server) as peer:
        assert peer.rest() == b""


def test_a_body_that_never_ends_is_late(server: Server) -> None:
    with Peer(server) as peer:
        peer.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        assert drip(peer, b" ").startswith(b"HTTP/1.1 408")


def test_the_second_request_of_a_connection_has_a_deadline_too(server: Server) -> None:
    with Peer(server) as peer:
        peer.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.recv(1000).startswith(b"HTTP/1.1 200")
        peer.sendall(b"GET /health")
        assert peer.answer()[0] == 408


def test_a_refusal_before_the_app_is_a_problem_whose_page_exists(server: Server) -> None:
    lines = b"".join(b"X-%d: a\r\n" % number for number in range(100))
    for request, status in (
        (b"not http\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 17_000 + b"\r\n\r\n", 431),
    ):
        with Peer(server) as peer:
            peer.sendall(request)
            found, problem = peer.answer()
        assert (found, problem["status"]) == (status, status)
        with server.api() as api:
            assert api.get(problem["type"]).status_code == 200
            assert "belongs to an operation" not in api.get(problem["type"]).text


def test_two_hosts_are_refused(server: Server) -> None:
    with Peer(server) as peer:
        peer.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert peer.rest().startswith(b"HTTP/1.1 400")


def test_a_refused_body_that_was_not_sent_ends_the_connection(server: Server) -> None:
    with Peer(server) as peer:
        peer.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
        assert peer.answer()[0] == 413


def test_silent_connections_make_place_for_who_asks(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            peer = stack.enter_context(Peer(server))
            peer.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert peer.recv(1000).startswith(b"HTTP/1.1 200")
        with Peer(server) as peer:
            peer.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert peer.rest().startswith(b"HTTP/1.1 200")


def test_one_address_cannot_take_all_places(tmp_path: Path) -> None:
    few: dict[str, Any] = {"ACCEPTED_CONNECTION_LIMIT": "20", "ACCEPTED_CONNECTIONS_PER_ADDRESS": "4"}
    with Server(tmp_path, workers=0, **few) as server, contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(server)) for _ in range(4)]
        with Peer(server) as one_too_many:
            status, problem = one_too_many.answer()
        assert (status, problem["type"]) == (503, "/problems/overloaded")
        for peer in peers:
            peer.close()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with Peer(server) as peer:
                peer.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if peer.rest().startswith(b"HTTP/1.1 200"):
                    return
        raise AssertionError("their places were not given back")
