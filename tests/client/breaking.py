"""A way to an app in the same process that breaks where a test says: an answer ends after so many bytes of its body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

import httpx2

from accepted.client.application import AppTransport


class Breaking(httpx2.AsyncBaseTransport):
    """Breaks answers to requests that `which` chooses: the first after `cuts[0]` bytes, and so on, until all are used.

    `asked` are the requests that reached the app.
    """

    def __init__(self, app: object, cuts: Iterable[int], which: Callable[[httpx2.Request], bool]) -> None:
        self._inner = AppTransport(app)  # type: ignore[arg-type]  # any ASGI app
        self._cuts = list(cuts)
        self._which = which
        self.asked: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = await self._inner.handle_async_request(request)
        if self._cuts and self._which(request):
            assert isinstance(answer.stream, httpx2.AsyncByteStream)
            answer.stream = _Broken(answer.stream, self._cuts.pop(0))
        return answer


class _Broken(httpx2.AsyncByteStream):
    def __init__(self, whole: httpx2.AsyncByteStream, left: int) -> None:
        self._whole = whole
        self._left = left

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._whole:
            if len(part) >= self._left:
                yield part[: self._left]
                raise httpx2.ReadError("cut")
            self._left -= len(part)
            yield part
        raise httpx2.ReadError("cut at its end")

    async def aclose(self) -> None:
        await self._whole.aclose()


def streams(request: httpx2.Request) -> bool:
    """Whether it asks for an event stream."""
    return request.url.path.endswith("/stream")


def results(request: httpx2.Request) -> bool:
    """Whether it asks for a result."""
    return request.url.path.endswith("/result")
