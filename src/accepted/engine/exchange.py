"""One connection to a receiver of webhooks, and one exchange at a time on it.

Of an answer only the status code and `Retry-After` are of interest, so the answer is there as soon as its head is. What
follows is read for one purpose, to use the connection again, and never beyond `ANSWER_LIMIT`: whoever sends more is
cut off. httptools reads, as it does for the server; httpcore2 took 500 µs for each delivery, this takes a tenth of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httptools
import msgspec

ANSWER_LIMIT = 16 * 1024
BODY_PATIENCE = 1.0  # seconds for what comes after the head
CLOSED, INVALID = "connection-closed", "invalid-answer"


class Undelivered(Exception):
    """No answer came; `word` says why, in a word that may be shown to the client.

    `untouched` where not one byte of an answer had come on a connection that had been used before.
    """

    def __init__(self, word: str, *, untouched: bool = False) -> None:
        super().__init__(word)
        self.word = word
        self.untouched = untouched


class Head(msgspec.Struct, frozen=True):
    """What is kept of an answer; `retry_after` in seconds, where it was given so."""

    status_code: int
    retry_after: int | None = None


class Connection(asyncio.Protocol):
    """Open until `lost`; `on_idle` is called when it can be used again."""

    def __init__(self, on_idle: Callable[[Connection], None], on_lost: Callable[[Connection], None]) -> None:
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._head: asyncio.Future[Head] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._exchanges = 0
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._read = 0
        self._retry_after: int | None = None

    async def exchange(self, request: bytes) -> Head:
        """Send a request and wait for the head of its answer. Raises `Undelivered`."""
        if self._transport is None or self._transport.is_closing():
            raise Undelivered(CLOSED, untouched=True)
        self._begin()
        self._exchanges += 1
        head: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self._head = head
        self._transport.write(request)
        try:
            return await head
        finally:
            if head.cancelled():
                self.abort()  # whoever waited has given up; the answer to this must not be taken for another's

    def rest(self, seconds: float) -> None:
        """Close after so many seconds, unless it is used again."""
        self._set_timer(seconds)

    def wake(self) -> None:
        """It is used again."""
        self._set_timer(None)

    def abort(self) -> None:
        """Close at once."""
        self._set_timer(None)
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._read += len(data)
        if self._head is None:  # nobody asked
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(INVALID)
            self.abort()
            return
        if self._read > ANSWER_LIMIT:
            self._fail(INVALID)
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._set_timer(None)
        self._fail(CLOSED)
        self._on_lost(self)

    # --- httptools

    def on_message_begin(self) -> None:
        if self._head is None:  # a second answer to one question
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and value.isdigit() and len(value) < 10:
            self._retry_after = int(value)

    def on_headers_complete(self) -> None:
        code = self._parser.get_status_code()
        if code >= 200 and self._head is not None and not self._head.done():
            self._head.set_result(Head(code, self._retry_after))
            self._set_timer(BODY_PATIENCE)

    def on_message_complete(self) -> None:
        if self._head is None or not self._head.done():
            return  # 100 Continue, 103 Early Hints
        self._set_timer(None)
        self._head = None
        if self._parser.should_keep_alive():
            self._on_idle(self)
        else:
            self.abort()

    # ---

    def _fail(self, word: str) -> None:
        if self._head is not None and not self._head.done():
            self._head.set_exception(Undelivered(word, untouched=self._read == 0 and self._exchanges > 1))

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)
