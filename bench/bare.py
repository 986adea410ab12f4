"""The yardstick: what uvicorn alone can answer, with no framework, no parsing and no store behind it.

It answers every request with the same 202, of the size and headers that a submit answers with, and reads nothing.
What Accepted reaches is stated as a share of this, so that a figure says something about Accepted and little about
the machine.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]

BODY = (
    b'{"operationId":"op-01k8z3v9q4e8pb6t2rj5m7n0ws","type":"noop","status":"PENDING","createdAt":"2026-01-01T00:00:00.000Z",'
    b'"statusUrl":"/operations/op-01k8z3v9q4e8pb6t2rj5m7n0ws","pollInterval":{"recommended":1,"minimum":1},'
    b'"links":{"self":"/operations/op-01k8z3v9q4e8pb6t2rj5m7n0ws","cancel":"/operations/op-01k8z3v9q4e8pb6t2rj5m7n0ws/cancel",'
    b'"stream":"/operations/op-01k8z3v9q4e8pb6t2rj5m7n0ws/stream","websocket":"/operations/op-01k8z3v9q4e8pb6t2rj5m7n0ws/status",'
    b'"job":"/jobs/job-01k8z3v9q4e8pb6t2rj5m7n0ws"}}'
)
START: Message = {
    "type": "http.response.start",
    "status": 202,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
        (b"location", b"/operations/op-01k8z3v9q4e8pb6t2rj5m7n0ws"),
        (b"retry-after", b"1"),
        (b"cache-control", b"no-store"),
    ],
}
END: Message = {"type": "http.response.body", "body": BODY}


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer 202 to whatever comes."""
    await send(START)
    await send(END)
