"""Cross-origin reading by browsers (the Fetch standard, section 3.2): off until `allowed_origins` names the page's."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import Message, Send

Header = tuple[bytes, bytes]

_EXPOSED = (
    b"Location, Retry-After, ETag, Idempotency-Replayed, Preference-Applied, Content-Disposition, Content-Range, "
    b"Accept-Ranges"
)
_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Prefer, Range",
    ),
    (b"access-control-max-age", b"600"),
)


def is_preflight(method: str, headers: dict[bytes, bytes]) -> bool:
    """Whether a browser asks what it may ask."""
    return method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers


def preflight() -> Sequence[Header]:
    """Headers of the answer to a page that is allowed."""
    return _PREFLIGHT


def shared(send: Send, origin: bytes) -> Send:
    """A `send` whose answers the page at `origin` may read."""
    headers = [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"Origin"),
    ]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return sending
