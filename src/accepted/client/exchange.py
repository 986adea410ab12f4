"""What both drivers share: steps in the words of httpx2, and durations as users write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2

from ..contract.policy import Duration, seconds
from .error import UnexpectedAnswer
from .patience import Terms
from .step import Answer, Lost, Request

LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
"""A hundred streams must not keep a cancel waiting for a connection."""

LOST = (httpx2.TransportError, httpx2.DecodingError)
"""What means that there is no answer, or not the rest of it."""


def terms_of(now: Callable[[], float], *, patience: Duration, timeout: Duration, quiet: Duration) -> Terms:
    """Raises ValueError for what is no duration."""
    return Terms(now=now, patience=seconds(patience), timeout=seconds(timeout), quiet=seconds(quiet))


def limit(timeout: Duration | None) -> float | None:
    """A caller's timeout in seconds; None is never."""
    return None if timeout is None else seconds(timeout)


def built(http: httpx2.Client | httpx2.AsyncClient, request: Request) -> httpx2.Request:
    """The request for httpx2, which adds what is its own, such as Host and lengths."""
    connect = min(request.timeout, 10.0)
    timeout = httpx2.Timeout(request.timeout, connect=connect, pool=None)
    try:
        return http.build_request(
            request.method, request.url, headers=dict(request.headers), content=request.body or None, timeout=timeout
        )
    except httpx2.InvalidURL as error:
        raise UnexpectedAnswer(f"{request.url!r} is no URL: {error}") from None


def answered(answer: httpx2.Response, body: bytes = b"") -> Answer:
    """What came, without the library."""
    return Answer(status=answer.status_code, headers=dict(answer.headers), body=body)


def lost(error: Any) -> Lost:
    """Why nothing came. Silence is no damage: who reads a stream has to tell them apart."""
    why = str(error) or type(error).__name__
    return Lost(why, silent=isinstance(error, (httpx2.ReadTimeout, TimeoutError)))
