"""What is followed in the measuring of streams: Accepted with a door to publish by, and a bare ASGI loop beside it.

`POST /publish` writes one event of the operation and answers when that is done: Accepted commits it and tells its
followers by itself, the bare loop sends the same bytes to one after the other. Who measures decides when.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from accepted import Accepted, Attempt
from accepted.contract.event import Event
from accepted.contract.frame import sse_event
from accepted.contract.operation import Status
from accepted.contract.progress import Progress
from accepted.contract.transition import Accept, Advance, Claim, Renew, Report

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ID = "op-01k8z3v9q4e8pb6t2rj5m7n0ws"
STREAM = f"/operations/{ID}/stream"
SOCKET = f"/operations/{ID}/status"
WORKER = "bench"
DAY = 86_400_000

_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


def progress(number: int, message: str) -> Progress:
    """What the event with this number says."""
    return Progress(current=number, total=1_000_000, percentage=min(number // 10_000, 99), message=message)


class Published:
    """Accepted, with one operation that goes on when it is told to."""

    def __init__(self) -> None:
        self.app = Accepted(worker=False)
        self.number = 0

        @self.app.operation("/live", name="live")
        async def live() -> None: ...

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/publish":
            await self._publish((await receive())["body"].decode())
            await _answer(send)
        else:
            await self.app(scope, receive, send)

    async def _publish(self, message: str) -> None:
        commit = self.app.node.committer.commit
        if not self.number:
            await commit(Accept(ID, "live", "", b"null", retention=DAY, cancel_grace=0))
            await commit(Renew(WORKER, DAY, first=True))
            await commit(Claim(WORKER, ("live",), 1))
        self.number += 1
        report = Report(progress=progress(self.number, message))
        await commit(Advance(operation_id=ID, worker=WORKER, attempt=1, report=report))


class Bare:
    """No store, no positions: everybody who has asked for a stream is sent what is published."""

    def __init__(self) -> None:
        self.number = 0
        self.streams: set[Send] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(receive, send)
        elif scope["path"] == "/publish":
            self.number += 1
            body = self._frame((await receive())["body"].decode())
            for stream in list(self.streams):
                await stream({"type": "http.response.body", "body": body, "more_body": True})
            await _answer(send)
        elif scope["path"].endswith("/stream"):
            await self._stream(receive, send)
        else:
            await _answer(send)

    def _frame(self, message: str) -> bytes:
        event = Event(ID, self.number, 1_790_000_000_000, Status.PROCESSING, 1, progress(self.number, message))
        return b"id: %d\n" % self.number + sse_event(event, None, "")

    async def _stream(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": self._frame(""), "more_body": True})
        self.streams.add(send)
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self.streams.discard(send)

    async def _socket(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": self._frame("").decode()})
        while (await receive())["type"] != "websocket.disconnect":
            pass


async def _answer(send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def published() -> Published:
    """For uvicorn's --factory."""
    return Published()


def bare() -> Bare:
    """For uvicorn's --factory."""
    return Bare()


telling = Accepted()
"""What `accepted serve` runs for the way of one report: from a function in a worker process to the client."""


@telling.operation("/telling", name="telling")
async def tell(reports: int, attempt: Attempt) -> None:
    """Say now and then what time it is."""
    for number in range(reports):
        await asyncio.sleep(0.15)  # longer than the pause between two writes, so that none waits for another
        attempt.progress(number, message=str(time.monotonic_ns()))
