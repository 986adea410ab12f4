"""Event streams: contract, section 8, over `text/event-stream`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..contract import frame
from ..contract.operation import is_operation_id
from ..contract.problem import InvalidParameter, OperationNotFound
from ..engine.channel import Told
from ..engine.follower import Follower, News, Position
from ..service import Service
from .bookmark import LOST, Bookmark
from .call import Call
from .pulse import Pulse, Stream
from .telling import tell

OPERATIONS_LIMIT = 100


class Streams:
    """The endpoints that end in `/stream`."""

    def __init__(self, service: Service, pulse: Pulse) -> None:
        self._service = service
        self._pulse = pulse

    async def operation(self, call: Call, id: str) -> None:
        """`GET /operations/{id}/stream`."""
        await self._follow(call, (id,), many=False)

    async def operations(self, call: Call) -> None:
        """`GET /operations/stream?ids=a,b,c`."""
        await self._follow(call, _ids(call), many=True)

    async def _follow(self, call: Call, ids: tuple[str, ...], *, many: bool) -> None:
        logs = call.flag("logs", False)
        bookmark = Bookmark(ids, many=many, logs=logs)
        positions = _resumed(call, bookmark, ids)
        with self._service.follower(logs=logs) as follower:
            for id in ids:
                await self._service.join(follower, id, call.sees, positions.get(id))
            if many or logs:
                await tell(call, self._pulse, follower, partial(_frame, bookmark, call.base))
            else:
                shorten = partial(_shorten, follower, call.base)
                await tell(call, self._pulse, follower, partial(_frame, bookmark, call.base), shorten)


def _shorten(follower: Follower, base: str, stream: Stream) -> None:
    follower.offer = _Offer(stream, base)


class _Offer:
    """The short way of an event to a stream that waits: written once for all, and sent where it is."""

    __slots__ = ("_base", "_stream")

    def __init__(self, stream: Stream, base: str) -> None:
        self._stream = stream
        self._base = base

    def __call__(self, told: Sequence[Told]) -> bool:
        parts = [each.written(frame.sse_numbered, self._base) for each in told]
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._stream.offer({"type": "http.response.body", "body": body, "more_body": True})


def _frame(bookmark: Bookmark, base: str, news: News) -> bytes:
    if news.told is None:
        assert news.line is not None
        return bookmark.after(news) + frame.sse_line(news.operation_id, news.line)
    return bookmark.after(news) + news.told.written(frame.sse_reset if news.reset else frame.sse_event, base)


def _ids(call: Call) -> tuple[str, ...]:
    """`ids`, each once. Raises `InvalidParameter`, or `OperationNotFound` for what is no id."""
    values = [value for name, value in call.query() if name == "ids"]
    ids = tuple(dict.fromkeys(id for value in values for id in value.split(",") if id))
    if not 1 <= len(ids) <= OPERATIONS_LIMIT:
        detail = f"has to name 1 to {OPERATIONS_LIMIT} operations, as ids=a,b,c"
        raise InvalidParameter(f"ids: {detail}.", errors=[{"parameter": "ids", "detail": detail}])
    if not all(map(is_operation_id, ids)):
        raise OperationNotFound
    return ids


def _resumed(call: Call, bookmark: Bookmark, ids: tuple[str, ...]) -> dict[str, Position | None]:
    """Where the reader stands in each operation: `Last-Event-ID` wins over `?after=`; nothing where it is new.

    An id that is none of ours gets a reset, because an EventSource that is refused would never come back. `after` was
    written by a person. Raises `InvalidParameter` for it.
    """
    if b"last-event-id" in call.headers:
        text = call.header(b"last-event-id").strip()
        return bookmark.read(text) or dict.fromkeys(ids, LOST)
    after = dict(call.query()).get("after")
    if after is None:
        return {}
    if (found := bookmark.read(after)) is None:
        detail = "has to be an id as this stream gives it"
        raise InvalidParameter(f"after: {detail}.", errors=[{"parameter": "after", "detail": detail}])
    return found
