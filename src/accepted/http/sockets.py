"""Events over WebSocket: contract, section 8. The same events as on an event stream, and a few commands back.

One coroutine tells what is new, another reads commands. A wrong command gets an ERROR message and hurts nothing else;
only who sends too large or too fast is cut off.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ..contract import frame
from ..contract.caller import Rule
from ..contract.event import event_of
from ..contract.operation import is_operation_id
from ..contract.problem import (
    InternalError,
    InvalidCommand,
    InvalidParameter,
    OperationNotFound,
    Refusal,
)
from ..contract.traffic import TooManyMessages
from ..engine import audit
from ..engine.follower import Follower, News, Position
from ..service import Service
from ..settings import Settings
from ..store.protocol import StoreUnavailable
from . import body
from .bookmark import read_position
from .call import Call
from .guard import Guard
from .pace import Throttle
from .pulse import Pulse, Stream

log = logging.getLogger("accepted.http")

FOLLOWED_LIMIT = 100

DONE, TOO_LARGE, TOO_FAST, RESTART = 1000, 1009, 1008, 1012  # RFC 6455, section 7.4.1, and IANA's registry


class Sockets:
    """The endpoints that end in `/status`."""

    def __init__(self, service: Service, pulse: Pulse, guard: Guard, settings: Settings) -> None:
        self._service = service
        self._settings = settings
        self._pulse = pulse
        self._guard = guard

    async def operation(self, call: Call, id: str) -> None:
        """`/operations/{id}/status`: closes after the last event."""
        after = _after(dict(call.query()).get("after"))
        with self._service.follower() as follower:
            await self._service.join(follower, id, call.sees, after)
            await self._converse(call, follower, id)

    async def operations(self, call: Call) -> None:
        """`/operations/status`: follows what it is told to, until the client goes."""
        with self._service.follower(lasting=True) as follower:
            await self._converse(call, follower, None)

    async def _converse(self, call: Call, follower: Follower, only: str | None) -> None:
        self._service.check_open()
        self._pulse.check(call.caller)
        await call.receive()
        call.started = True
        await call.send({"type": "websocket.accept"})
        with self._pulse.stream("websocket", follower, call, beats=False) as stream:
            reading = asyncio.create_task(self._commands(call, stream, follower, only).run())
            reading.add_done_callback(lambda _: follower.nudge())
            try:
                await self._tell(call, stream, follower, reading)
            finally:
                reading.cancel()

    def _commands(self, call: Call, stream: Stream, follower: Follower, only: str | None) -> _Commands:
        return _Commands(call, self._service, stream, follower, only, self._guard, self._settings)

    async def _tell(self, call: Call, stream: Stream, follower: Follower, reading: asyncio.Task[int | None]) -> None:
        code: int | None = DONE
        try:
            while not (follower.over or reading.done()):
                for news in await follower.news():
                    await stream.send(_text(_written(news, call.base)))
        except StoreUnavailable:
            log.warning("a socket is closed early, for the database cannot be read; its reader will resume")
            code = RESTART
        if reading.done():
            code = reading.result()
        elif follower.interrupted:
            code = RESTART
        if code is not None:
            await stream.send({"type": "websocket.close", "code": code})


class _Commands:
    """The reading half of one socket. `only` is its operation, where it has just one."""

    def __init__(
        self,
        call: Call,
        service: Service,
        stream: Stream,
        follower: Follower,
        only: str | None,
        guard: Guard,
        settings: Settings,
    ) -> None:
        self._call = call
        self._service = service
        self._stream = stream
        self._follower = follower
        self._only = only
        self._guard = guard
        self._largest = settings.message_limit
        self._rate = settings.message_rate
        time = asyncio.get_running_loop().time
        self._throttle = Throttle(self._rate.quota, self._rate.window, time) if self._rate.quota else None

    async def run(self) -> int | None:
        """Take commands until the client goes; gives the code to close with, None where it has closed itself."""
        while (received := await self._call.receive())["type"] != "websocket.disconnect":
            text = received.get("text")
            if (
                len(text.encode("utf-8", "surrogatepass") if text is not None else received.get("bytes") or b"")
                > self._largest
            ):
                return TOO_LARGE
            if self._throttle is not None and self._throttle.take(""):
                await self._refuse(TooManyMessages(f"More commands than {self._rate}."), None)
                return TOO_FAST
            await self._take(text)
        return None

    async def _take(self, text: str | None) -> None:
        command: Any = {}
        try:
            command = _parsed(text)
            await self._obey(command)
        except Refusal as refusal:
            await self._refuse(refusal, command.get("operationId"))
        except StoreUnavailable:
            await self._refuse(InternalError("The database cannot be read."), command.get("operationId"))

    async def _obey(self, command: dict[str, Any]) -> None:
        match command.get("command"):
            case "get-status":
                await self._status(self._id(command))
            case "cancel":
                self._guard.check(self._call.caller, Rule.CANCEL)
                await self._cancel(self._id(command), body.reason(command))
            case "subscribe" if self._only is None:
                await self._subscribe(self._id(command), command.get("after"))
            case "unsubscribe" if self._only is None:
                self._follower.drop(self._id(command))
            case _:
                known = "get-status, cancel" + ("" if self._only else ", subscribe, unsubscribe")
                raise InvalidCommand(f"The command is one of: {known}.")

    def _id(self, command: dict[str, Any]) -> str:
        id = command.get("operationId", self._only)
        if not isinstance(id, str):
            raise InvalidCommand("operationId has to name an operation.")
        if not is_operation_id(id) or self._only not in {None, id}:
            raise OperationNotFound
        return id

    async def _status(self, id: str) -> None:
        operation = await self._service.get(id, self._call.sees)
        end = operation if operation.terminal else None
        await self._stream.send(_text(frame.status_message(event_of(operation), end, self._call.base)))

    async def _cancel(self, id: str, reason: str | None) -> None:
        operation = await self._service.cancel(id, self._call.sees, reason)
        audit.note("cancel", self._call.caller, id)
        if not self._follower.follows(id) and self._only is None:
            await self._stream.send(_text(frame.message(event_of(operation), operation, self._call.base)))

    async def _subscribe(self, id: str, after: Any) -> None:
        if after is not None and (isinstance(after, bool) or not isinstance(after, int) or after < 0):
            raise InvalidCommand("after has to be the sequence of the last event seen.")
        if not self._follower.follows(id) and self._follower.following >= FOLLOWED_LIMIT:
            raise InvalidCommand(f"One socket follows at most {FOLLOWED_LIMIT} operations.")
        await self._service.get(id, self._call.sees)  # what cannot be followed takes nothing's place
        self._follower.drop(id)
        await self._service.join(self._follower, id, self._call.sees, None if after is None else Position(after))

    async def _refuse(self, refusal: Refusal, operation_id: Any) -> None:
        about = operation_id if isinstance(operation_id, str) and len(operation_id) < 100 else None
        instance = self._call.scope.get("root_path", "") + self._call.path
        await self._stream.send(_text(frame.error_message(refusal.problem, self._call.base, instance, about)))


def _parsed(text: str | None) -> dict[str, Any]:
    """A command. Raises `InvalidCommand` or `InvalidJson`."""
    if text is None:
        raise InvalidCommand("Commands are texts, not bytes.")
    command = body.parse(text.encode("utf-8", "surrogatepass"))
    if not isinstance(command, dict):
        raise InvalidCommand("A command is an object with the member `command`.")
    return command


def _written(news: News, base: str) -> bytes:
    assert news.told is not None  # no socket follows logs
    return news.told.written(frame.reset_message if news.reset else frame.message, base)


def _text(message: bytes) -> dict[str, Any]:
    return {"type": "websocket.send", "text": message.decode()}


def _after(text: str | None) -> Position | None:
    if text is None:
        return None
    if (position := read_position(text)) is None:
        detail = "has to be the sequence of the last event seen"
        raise InvalidParameter(f"after: {detail}.", errors=[{"parameter": "after", "detail": detail}])
    return position
