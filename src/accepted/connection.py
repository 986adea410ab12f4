"""A connection of `accepted serve`: the head and the body of an answer leave in one write.

ASGI hands them over one after the other and uvicorn writes them so, which costs an answer a second system call, the
network a second packet, and a client a second wake-up. Here the head waits for what follows it in the same turn of
the event loop; a stream that has nothing to say yet sends its head alone at the end of the turn.

It also bounds what uvicorn does not: the head and the trailers of a request, and the answers to pings of who does not
read them.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

JOINED = 64 * 1024  # a longer body is not worth copying
HEAD_LIMIT = 64 * 1024  # bytes of a head, or of trailers, that came without their end
UNREAD_LIMIT = 128 * 1024  # bytes that wait for who sends pings
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/problem+json\r\n"
    b"content-length: 89\r\nconnection: close\r\n\r\n"
    b'{"type":"about:blank","title":"Request Header Fields Too Large","status":431,"detail":""}'
)


class Coupled:
    """A transport that holds the head of an answer back for its body, no longer than to the end of the turn."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._held = b""
        self._soon = asyncio.get_running_loop().call_soon

    def write(self, data: bytes) -> None:
        if not self._held:
            if not data.startswith(b"HTTP/"):  # a further part of a stream
                self.transport.write(data)
                return
            self._held = data
            self._soon(self.flush)
        elif len(data) <= JOINED:
            self._held += data
            self.flush()
        else:
            self.flush()
            self.transport.write(data)

    def flush(self) -> None:
        """Write what is held back."""
        held, self._held = self._held, b""
        if held:
            self.transport.write(held)

    def close(self) -> None:
        self.flush()
        self.transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


class Connection(HttpToolsProtocol):
    """uvicorn's, on such a transport."""

    _unfinished = 0
    _steps = 0

    def data_received(self, data: bytes) -> None:
        steps = self._steps
        super().data_received(data)
        self._unfinished = self._unfinished + len(data) if self._steps == steps else 0
        if self._unfinished > HEAD_LIMIT and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        self._steps += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._steps += 1
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._steps += 1
        super().on_body(body)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, Coupled(transport)))

    def handle_websocket_upgrade(self) -> None:
        coupled = cast(Coupled, self.transport)
        coupled.flush()
        self.transport = coupled.transport  # frames are not couples
        super().handle_websocket_upgrade()


class Socket(WebSocketsSansIOProtocol):
    """uvicorn's, but who sends pings and does not read the answers is cut off: uvicorn would keep them all."""

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > UNREAD_LIMIT:
            self.transport.abort()
            return
        super().handle_ping()
