"""A connection of `accepted serve`: the head and the body of an answer leave in one write.

ASGI hands them over one after the other and uvicorn writes them so, which costs an answer a second system call, the
network a second packet, and a client a second wake-up. Here the head waits for what follows it in the same turn of
the event loop; a stream that has nothing to say yet sends its head alone at the end of the turn.

It also bounds what uvicorn does not: the head and the trailers of a request, how long they may take (`crowd.py`), and
the answers to pings of who does not read them; and what is refused before any app is asked is refused with problem
details like everything else.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from .contract import wire
from .contract.problem import Overloaded, Refusal
from .contract.traffic import BadRequest, HeadTooLarge, RequestTimeout
from .crowd import Crowd, Queue

JOINED = 64 * 1024  # a longer body is not worth copying
LINGER = 10.0  # seconds in which a connection that we have closed may take what is still to be sent
UNREAD_LIMIT = 128 * 1024  # bytes that wait for who sends pings


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
        if self.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(LINGER, self.transport.abort)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


class Connection(HttpToolsProtocol):
    """uvicorn's, on such a transport, as one of a crowd."""

    crowd: Crowd
    queue: Queue | None = None

    _unfinished = 0
    _steps = 0
    _fed = 0
    _heading = False
    _address: str | None = None
    _refusal: Refusal | None = None

    # --- coming and going

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a stream, not of datagrams: asyncio declares both alike
        super().connection_made(cast(asyncio.Transport, Coupled(transport)))
        address = self.client[0] if self.client else ""
        if self.crowd.enter(self, address):
            self._address = address
        else:
            self._refuse(Overloaded("There are too many connections.", retry_after=5))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._address is not None:
            self.crowd.wait(self, None)
            self.crowd.left(self._address)
        super().connection_lost(exc)

    def leave(self) -> None:
        """Make place: nothing is asked here, so nothing is lost."""
        self.transport.close()

    def late(self, queue: Queue) -> None:
        """End what has kept us waiting; where it still can be, with an answer that says so."""
        if queue is self.crowd.unread:
            self.transport.abort()
        elif self._answering() or not self._unanswered():
            self.transport.close()
        else:
            what, limit = ("head", self.crowd.head.limit) if queue is self.crowd.head else ("body", queue.limit)
            self._refuse(RequestTimeout(f"The {what} of the request took longer than {limit:g} s."))

    def _unanswered(self) -> bool:
        """Whether a request has begun that could be answered now."""
        return self._heading or not getattr(self.cycle, "response_complete", True)

    def _answering(self) -> bool:
        return bool(getattr(self.cycle, "response_started", False)) and not self.cycle.response_complete

    # --- what comes in: `cycle`, the request and its answer, is None until the first head is complete

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # what comes after a refusal is nobody's
        steps = self._steps
        self._fed += len(data)
        super().data_received(data)
        self._unfinished = self._unfinished + len(data) if self._steps == steps else 0
        if self._unfinished > self.crowd.limits.head_size and not self.transport.is_closing():
            self._refuse(self._too_large())
        if self._address is not None and not self.transport.is_closing():
            self.crowd.wait(self, self._owed())

    def _owed(self) -> Queue | None:
        """What the other side has begun and not ended."""
        if self.flow.write_paused:
            return self.crowd.unread
        if self._heading:
            return self.crowd.head
        return self.crowd.body if getattr(self.cycle, "more_body", False) else None

    def on_message_begin(self) -> None:
        self._steps += 1
        self._heading = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._steps += 1
        self._heading = False
        limits = self.crowd.limits
        fed, self._fed = self._fed, 0
        if len(self.headers) > limits.head_lines or (fed > limits.head_size and self._size() > limits.head_size):
            self._refusal = self._too_large()
            raise ValueError("the head is too large")  # ends the parser, which has `send_400_response` called
        super().on_headers_complete()
        if self.expect_100_continue:
            # Nobody knows whether the body still comes after an early answer, and so where the next head begins.
            self.cycle.keep_alive = False

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> Refusal:
        limits = self.crowd.limits
        return HeadTooLarge(f"The limits are {limits.head_size} bytes and {limits.head_lines} lines.")

    def on_body(self, body: bytes) -> None:
        self._steps += 1
        super().on_body(body)

    def handle_websocket_upgrade(self) -> None:
        coupled = cast(Coupled, self.transport)
        coupled.flush()
        self.transport = coupled.transport  # frames are not couples
        self.crowd.wait(self, None)  # a socket has pings and timers of its own, and is still one of the crowd
        self._address = None
        super().handle_websocket_upgrade()

    # --- what goes out

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not (self._address is None or self.pipeline or self._heading or self.transport.is_closing()):
            self.crowd.wait(self, self.crowd.body if self.cycle.more_body else self.crowd.idle)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._address is not None:
            self.crowd.wait(self, self.crowd.unread)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._address is not None and self.queue is self.crowd.unread:
            self.crowd.wait(self, None)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or too much of it."""
        self._refuse(self._refusal or BadRequest("What came is not a request of HTTP/1.1."))

    def _refuse(self, refusal: Refusal) -> None:
        """The last answer on this connection."""
        self.transport.write(_answer(refusal, self.crowd.limits.base))
        self.transport.close()


def _answer(refusal: Refusal, base: str) -> bytes:
    document = wire.problem_document(refusal.problem, base, "")
    del document["instance"]  # there may be no path yet
    body = wire.encode(document)
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        "content-type: application/problem+json",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    if refusal.retry_after is not None:
        lines.append(f"retry-after: {refusal.retry_after:.0f}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Socket(WebSocketsSansIOProtocol):
    """uvicorn's, but who sends pings and does not read the answers is cut off: uvicorn would keep them all."""

    crowd: Crowd

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.left(self.client[0] if self.client else "")
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > UNREAD_LIMIT:
            self.transport.abort()
            return
        super().handle_ping()


def connections(crowd: Crowd) -> tuple[type[Connection], type[Socket]]:
    """The two protocols of one crowd."""
    members = {"crowd": crowd}
    return type("Connection", (Connection,), members), type("Socket", (Socket,), members)
