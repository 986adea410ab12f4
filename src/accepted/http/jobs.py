"""The operator's view: contract, section 9."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from ..contract import frame, job, wire
from ..contract.operation import LogLine, Operation, renamed
from ..contract.problem import Forbidden, NotAcceptable
from ..engine.follower import News, Position
from ..service import Service
from ..store.protocol import Selection
from .call import SAFE, Call
from .headers import accepts
from .pulse import Pulse
from .query import Query, written_cursor
from .telling import tell

PAGE_LIMIT = 100
PAGE_NUMBER_LIMIT = 10_000
LINES_DEFAULT = 100
LINES_LIMIT = 1_000

_LOG_TYPES = ("application/json", "text/plain", "text/event-stream")


class Jobs:
    """The endpoints under `/jobs`."""

    def __init__(self, service: Service, pulse: Pulse) -> None:
        self._service = service
        self._pulse = pulse

    async def get(self, call: Call, id: str) -> None:
        """`GET /jobs/{id}`."""
        operation = await self._service.get(id, call.sees)
        advice = await self._service.advice(operation)
        await call.json(200, job.job_document(operation, call.base, advice) | _whose(call, operation))

    async def history(self, call: Call) -> None:
        """`GET /jobs`: newest first, with filters; `cursor` goes on where a page ended and does not drift.

        `owner` is an admin's filter. Anybody else may name nobody but themselves.
        """
        query = Query(call)
        named = query.owner()
        owner = call.sees if named is None else named
        if call.sees is not None and owner != call.sees:
            raise Forbidden("Only an admin may ask for the jobs of another owner.")
        statuses = query.statuses()
        types = tuple(query.all("type")) or None
        limit = query.number("limit", 10, 1, PAGE_LIMIT)
        page = query.number("page", 0, 0, PAGE_NUMBER_LIMIT)
        cursor = query.cursor()
        since, before = query.span()
        query.check()
        skip = 0 if cursor is not None else page * limit
        if cursor is not None:
            before = min(cursor, before or cursor)
        selection = Selection(owner, types, statuses, before, skip, limit, since)
        operations, total = await self._service.page(selection)
        pagination: dict[str, Any] = {"page": page, "size": limit}
        narrowed = since or query.all("submittedBefore")  # how many lie within a span is known to nobody
        if not narrowed:
            pagination["totalElements"] = total
        if len(operations) == limit and (narrowed or cursor is not None or skip + limit < total):
            pagination["next"] = written_cursor(operations[-1].id)
        rows = [job.job_row(operation) | _whose(call, operation) for operation in operations]
        await call.json(200, wire.page_document(rows, pagination))

    async def logs(self, call: Call, id: str) -> None:
        """`GET /jobs/{id}/logs`: a page as JSON, all of it as text, or followed as a stream, by `Accept`."""
        operation = await self._service.get(id, call.sees)
        query = Query(call)
        limit = query.number("limit", LINES_DEFAULT, 1, LINES_LIMIT)
        after = query.line_cursor()
        query.check()
        match accepts(call.header(b"accept"), _LOG_TYPES):
            case "application/json":
                lines = await self._service.lines(id, after, limit)
                pagination: dict[str, Any] = {"size": limit, "totalElements": operation.lines}
                if len(lines) == limit and lines[-1].line < operation.lines:
                    pagination["next"] = written_cursor(str(lines[-1].line))
                await call.json(200, wire.page_document(map(job.log_document, lines), pagination))
            case "text/plain":
                await self._text(call, id, after)
            case "text/event-stream":
                await self._follow(call, id, Position(operation.sequence, _resumed(call, after)))
            case _:
                raise NotAcceptable("The log comes as " + ", ".join(_LOG_TYPES) + ".")

    async def _text(self, call: Call, id: str, after: int) -> None:
        if not await _begin(call, b"text/plain; charset=utf-8"):
            return
        async for lines in self._all(id, after):
            text = "".join(map(_text_line, lines))
            await call.send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await call.send({"type": "http.response.body", "body": b""})

    async def _follow(self, call: Call, id: str, after: Position) -> None:
        """Lines as they come, until the operation has ended and all of its log is told."""
        with self._service.follower(logs=True) as follower:
            await self._service.join(follower, id, call.sees, after)
            await tell(call, self._pulse, follower, partial(_event, call.base))

    async def _all(self, id: str, after: int) -> AsyncIterator[list[LogLine]]:
        while lines := await self._service.lines(id, after, LINES_LIMIT):
            yield lines
            after = lines[-1].line


def _whose(call: Call, operation: Operation) -> dict[str, str]:
    """What only an admin needs to be told."""
    return {"owner": operation.owner} if call.caller.is_admin else {}


async def _begin(call: Call, media: bytes) -> bool:
    """Whether a body is to follow: a HEAD has its answer."""
    call.started = True
    headers = [(b"content-type", media), (b"cache-control", b"no-store"), *SAFE, *call.pace]
    await call.send({"type": "http.response.start", "status": 200, "headers": headers})
    if call.scope["method"] == "HEAD":
        await call.send({"type": "http.response.body", "body": b""})
        return False
    return True


def _text_line(line: LogLine) -> str:
    message = line.message.replace("\n", "\n    ").replace("\r", " ")
    return f"{wire.timestamp(line.at)} {line.level:<7} [{line.attempt}] {message}\n"


def _event(base: str, news: News) -> bytes:
    """One server-sent event, for a line; of the operation's own events only that some history is not there."""
    if news.line is not None:
        return frame.sse_job_line(news.line)
    return b"id: 0\n" + news.told.written(frame.sse_reset, base) if news.told is not None and news.reset else b""


def _resumed(call: Call, after: int) -> int:
    last = call.header(b"last-event-id")
    return int(last) if last.isascii() and last.isdigit() and len(last) < 10 else after


def operation_of(job: str) -> str:
    """The id of the operation whose record this job is; empty for what is no job's id."""
    return renamed(job, "op") if job.startswith("job-") else ""
