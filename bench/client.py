"""One blocking keep-alive connection, for the questions that are asked one at a time.

It notes the moment the first bytes of an answer came in, before anything is parsed, because "202 to start" is counted
from there.
"""

import socket
import time
from types import TracebackType
from typing import Any, Self

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """One answer; `received_ns` is the wall clock (nanoseconds since 1970) when its first bytes were there."""

    status: int
    headers: dict[str, str]
    body: bytes
    received_ns: int

    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class Client:
    """A connection to a server on the loopback. Raises OSError where the server is not there or hangs for 60 s."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def get(self, path: str) -> Answer:
        """GET, without following redirects."""
        return self._exchange(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())

    def post(self, path: str, body: bytes = b"{}") -> Answer:
        """POST of a JSON body."""
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
        return self._exchange(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def _exchange(self, request: bytes) -> Answer:
        self.socket.sendall(request)
        data = self._more()
        received = time.time_ns()
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        status, headers = _head(head)
        while len(body) < int(headers.get("content-length", 0)):
            body += self._more()
        return Answer(status, headers, body, received)

    def _more(self) -> bytes:
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError("the server closed the connection before it had answered")
        return data


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields}
