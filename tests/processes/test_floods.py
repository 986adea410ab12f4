"""Who sends without end, or does not read what it has asked for, costs a bounded buffer (guarantees E7 and Q1)."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from urllib.parse import urlsplit

from tests.processes.serving import Server

MEGABYTE = 1 << 20
UPGRADE = (
    b"GET /operations/status HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def flooded(server: Server, beginning: bytes, answer: bytes, flood: bytes, most: int) -> int:
    """How many bytes could be sent after the beginning."""
    address = urlsplit(server.url)
    sent = 0
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as client:
        client.sendall(beginning)
        assert client.recv(1000).startswith(answer) if answer else True
        with contextlib.suppress(ConnectionError):
            while sent < most:
                client.sendall(flood)
                sent += len(flood)
    return sent


def test_a_head_without_end_is_cut(tmp_path: Path) -> None:
    with Server(tmp_path, workers=0) as server:
        head = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: "
        assert flooded(server, head, b"", b"a" * MEGABYTE, 64 * MEGABYTE) < 32 * MEGABYTE


def test_trailers_without_end_are_cut(tmp_path: Path) -> None:
    with Server(tmp_path, workers=0) as server:
        chunked = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
        assert flooded(server, chunked, b"", b"a" * MEGABYTE, 64 * MEGABYTE) < 32 * MEGABYTE


def test_pings_of_who_does_not_read_are_cut(tmp_path: Path) -> None:
    with Server(tmp_path, workers=0) as server:
        pings = (b"\x89\xfd" + bytes(4) + b"p" * 125) * 8000
        assert flooded(server, UPGRADE, b"HTTP/1.1 101", pings, 64 * MEGABYTE) < 32 * MEGABYTE
