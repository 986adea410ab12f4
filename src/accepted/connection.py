"""A connection of `accepted serve`: the head and the body of an answer leave in one write.

ASGI hands them over one after the other and uvicorn writes them so, which costs an answer a second system call, the
network a second packet, and a client a second wake-up. Here the head waits for what follows it in the same turn of
the event loop; a stream that has nothing to say yet sends its head alone at the end of the turn.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

JOINED = 64 * 1024  # a longer body is not worth copying


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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, Coupled(transport)))

    def handle_websocket_upgrade(self) -> None:
        coupled = cast(Coupled, self.transport)
        coupled.flush()
        self.transport = coupled.transport  # frames are not couples
        super().handle_websocket_upgrade()
