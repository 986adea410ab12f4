"""A receiver of webhooks in a thread of the test, which may do something else between the request and its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "a secret of a client"


class Received:
    """All requests, in order; each has been judged by the library of Standard Webhooks."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.operations: list[str] = []
        self.wrong: list[str] = []
        self.between: Callable[[int], None] = lambda number: None
        self.url = ""
        self._lock = threading.Lock()

    def note(self, headers: dict[str, str], body: bytes) -> int:
        """The number of this request, from 1."""
        with self._lock:
            try:
                Webhook(SECRET.encode()).verify(body, headers)
            except Exception as error:
                self.wrong.append(f"{headers} {body!r} {error}")
            self.ids.append(headers["webhook-id"])
            self.operations.append(headers["x-operation-id"])
            return len(self.ids)


@contextmanager
def receiving() -> Iterator[Received]:
    """Listens on the loopback; `between` is called after a request was read and before it is answered."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            number = received.note({name.lower(): value for name, value in self.headers.items()}, body)
            received.between(number)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """The other side was killed; that is what it is for."""

    server = Server(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_address[1]}/hooks"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
