"""The operator's view: contract, section 9."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ..contract import wire
from ..contract.operation import LogLine, renamed
from ..contract.problem import NotAcceptable
from ..service import Service
from ..store.protocol import Selection
from .call import NOSNIFF, Call
from .headers import accepts
from .query import Query, written_cursor

PAGE_LIMIT = 100
PAGE_NUMBER_LIMIT = 10_000
LINES_DEFAULT = 100
LINES_LIMIT = 1_000
HEARTBEAT = 15.0
_SSE_BREAKS = str.maketrans({"\r": " ", "\n": " ", "\0": " "})

_LOG_TYPES = ("application/json", "text/plain", "text/event-stream")


class Jobs:
    """The endpoints under `/jobs`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get(self, call: Call, id: str) -> None:
        """`GET /jobs/{id}`."""
        operation = await self._service.get(id, call.owner)
        advice = await self._service.advice(operation)
        await call.json(200, wire.job_document(operation, call.base, advice))

    async def history(self, call: Call) -> None:
        """`GET /jobs`: newest first, with filters; `cursor` goes on where a page ended and does not drift."""
        query = Query(call)
        statuses = query.statuses()
        types = tuple(query.all("type")) or None
        limit = query.number("limit", 10, 1, PAGE_LIMIT)
        page = query.number("page", 0, 0, PAGE_NUMBER_LIMIT)
        before = query.cursor()
        query.check()
        skip = 0 if before is not None else page * limit
        selection = Selection(call.owner, types, statuses, before, skip, limit)
        operations, total = await self._service.page(selection)
        pagination: dict[str, Any] = {"page": page, "size": limit, "totalElements": total}
        if len(operations) == limit and (before is not None or skip + limit < total):
            pagination["next"] = written_cursor(operations[-1].id)
        await call.json(200, wire.page_document(map(wire.job_row, operations), pagination))

    async def logs(self, call: Call, id: str) -> None:
        """`GET /jobs/{id}/logs`: a page as JSON, all of it as text, or followed as a stream, by `Accept`."""
        operation = await self._service.get(id, call.owner)
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
                await call.json(200, wire.page_document(map(wire.log_document, lines), pagination))
            case "text/plain":
                await self._text(call, id, after)
            case "text/event-stream":
                after = _resumed(call, after)
                if b"last-event-id" in call.headers and operation.terminal and after >= operation.lines:
                    await call.empty(204)  # it knows all there is: this ends an EventSource (guarantee E6)
                    return
                await self._follow(call, id, after)
            case _:
                raise NotAcceptable("The log comes as " + ", ".join(_LOG_TYPES) + ".")

    async def _text(self, call: Call, id: str, after: int) -> None:
        if not await _begin(call, b"text/plain; charset=utf-8"):
            return
        async for lines in self._all(id, after):
            text = "".join(map(_text_line, lines))
            await call.send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await call.send({"type": "http.response.body", "body": b""})

    async def _follow(self, call: Call, id: str, after: int) -> None:
        """Lines as they come, until the operation has ended and all of its log is told, or the client has gone."""
        if not await _begin(call, b"text/event-stream"):
            return
        telling, gone = asyncio.create_task(self._tell(call, id, after)), asyncio.create_task(call.disconnected())
        try:
            await asyncio.wait({telling, gone}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
        finally:
            telling.cancel()
            gone.cancel()

    async def _tell(self, call: Call, id: str, after: int) -> None:
        async for lines in self._service.follow_lines(id, call.owner, after, HEARTBEAT):
            part = "".join(map(_event, lines)) if lines else ": still here\n\n"
            await call.send({"type": "http.response.body", "body": part.encode(), "more_body": True})
        await call.send({"type": "http.response.body", "body": b""})

    async def _all(self, id: str, after: int) -> AsyncIterator[list[LogLine]]:
        while lines := await self._service.lines(id, after, LINES_LIMIT):
            yield lines
            after = lines[-1].line


async def _begin(call: Call, media: bytes) -> bool:
    """Whether a body is to follow: a HEAD has its answer."""
    call.started = True
    headers = [(b"content-type", media), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"), NOSNIFF]
    await call.send({"type": "http.response.start", "status": 200, "headers": headers})
    if call.scope["method"] == "HEAD":
        await call.send({"type": "http.response.body", "body": b""})
        return False
    return True


def _text_line(line: LogLine) -> str:
    message = line.message.replace("\n", "\n    ").replace("\r", " ")
    return f"{wire.timestamp(line.at)} {line.level:<7} [{line.attempt}] {message}\n"


def _event(line: LogLine) -> str:
    """One server-sent event; JSON keeps line breaks of the message inside of its data."""
    data = wire.encode(wire.log_document(line)).decode().translate(_SSE_BREAKS)
    return f"id: {line.line}\nevent: log\ndata: {data}\n\n"


def _resumed(call: Call, after: int) -> int:
    last = call.header(b"last-event-id")
    return int(last) if last.isascii() and last.isdigit() and len(last) < 10 else after


def operation_of(job: str) -> str:
    """The id of the operation whose record this job is; empty for what is no job's id."""
    return renamed(job, "op") if job.startswith("job-") else ""
