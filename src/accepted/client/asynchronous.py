"""The asynchronous client: carries out conversations on the running asyncio loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, overload

import httpx2

from ..contract.policy import Duration
from .application import App, AppTransport
from .conversation import Conversation
from .document import Event, Job, LogLine, State
from .exchange import LIMITS, LOST, answered, built, limit, lost, terms_of
from .site import Credential, Place
from .step import Answer, Call, Close, Lost, Open, Read, Request, Send, Step, Talk, Tell, Wait

T = TypeVar("T")


class AsyncClient:
    """A server of the contract, from a coroutine; `app` instead of `url` is an ASGI app in this very process.

        async with AsyncClient("https://api.example.com", token="...") as client:
            operation = await client.submit("/reports/sales", {"year": 2017})
            report = await operation.result()

    `url` is where the app is mounted. `token` goes out as `Authorization: Bearer`, to that origin alone; it may be a
    function that gives the one to use now. `patience`: for how long to go on while nothing answers. `timeout`: how long
    one request may be silent. `transport`, `now` and `sleep` are for tests.
    """

    def __init__(
        self,
        url: str = "",
        *,
        app: App | None = None,
        token: Credential = None,
        headers: Mapping[str, str] | None = None,
        patience: Duration = "5m",
        timeout: Duration = "30s",
        quiet: Duration = "20s",
        transport: httpx2.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        if (app is None) == (not url) and transport is None:
            raise ValueError("give the client a url, or an app of this process")
        terms = terms_of(now, patience=patience, timeout=timeout, quiet=quiet)
        self.conversation = Conversation(url or "http://localhost", token, terms, headers or {})
        through = AppTransport(app) if app is not None else transport
        self._http = httpx2.AsyncClient(transport=through, timeout=terms.timeout, limits=LIMITS)
        self._sleep = sleep

    async def submit(
        self,
        path: str,
        input: Any = None,
        *,
        idempotency_key: str | None = None,
        webhook: Mapping[str, Any] | None = None,
        timeout: Duration | None = None,
    ) -> AsyncOperation:
        """Start an operation: POST `input` (JSON values, a Struct, dataclass or pydantic model) to its `path`.

        When this returns it is on the server's disk. Lost answers are asked for again under the same key (one of its
        own, unless you give one), so there is one operation however often. Raises what `accepted.client` lists.
        """
        talk = self.conversation.submit(path, input, idempotency_key, webhook, limit(timeout))
        return AsyncOperation(self, await self.run(talk))

    def operation(self, id: str) -> AsyncOperation:
        """An operation by its id or its status URL. Nothing is asked of the server yet."""
        return AsyncOperation(self, self.conversation.site.place(id))

    def resume(self, token: str) -> AsyncOperation:
        """The operation whose `token` somebody kept, perhaps another process. Raises `InvalidToken`."""
        return AsyncOperation(self, self.conversation.site.resumed(token))

    def jobs(
        self, *, status: str | Iterable[str] = (), type: str | Iterable[str] = (), limit: int | None = None
    ) -> AsyncGenerator[Job, None]:
        """Operations, newest first, page after page as they are wanted; `status` and `type` are those to show."""
        return self.each(self.conversation.jobs(status, type, limit))

    async def close(self) -> None:
        """Let go of all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- the driver

    async def run(self, talk: Talk[T], told: Callable[[Any], object] | None = None) -> T:
        """Carry out a conversation to its end; `told` hears what it tells."""
        wire = _Wire(self._http, self._sleep)
        reply = None
        try:
            while True:
                try:
                    step = talk.send(reply)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]  # StopIteration knows no types
                if not isinstance(step, Tell):
                    reply = await wire.do(step)
                    continue
                reply = None
                if told is not None:
                    told(step.item)
        finally:
            await wire.close()
            talk.close()

    async def each(self, talk: Talk[Any]) -> AsyncGenerator[Any, None]:
        """What a conversation tells, as it does."""
        wire = _Wire(self._http, self._sleep)
        reply = None
        try:
            while True:
                try:
                    step = talk.send(reply)
                except StopIteration:
                    return
                if isinstance(step, Tell):
                    reply = None
                    yield step.item
                else:
                    reply = await wire.do(step)
        finally:
            await wire.close()
            talk.close()


class AsyncOperation:
    """One operation on a server. `state` is the last status that was seen."""

    def __init__(self, client: AsyncClient, place: Place) -> None:
        self._client = client
        self._place = place
        self._said = client.conversation

    @property
    def id(self) -> str:
        """`op-...`"""
        return self._place.id

    @property
    def url(self) -> str:
        """Its status URL."""
        return self._place.url

    @property
    def state(self) -> State | None:
        """The last status document that was seen; None before the first."""
        return self._place.state

    @property
    def token(self) -> str:
        """A text with which `client.resume` finds it again, in any process. It holds no credential."""
        return self._said.site.token(self._place)

    async def status(self) -> State:
        """What it is now: one request."""
        return await self._client.run(self._said.state(self._place))

    async def wait(
        self, timeout: Duration | None = None, *, on_event: Callable[[Event], object] | None = None
    ) -> State:
        """Its state once it has ended, however that was. `on_event` hears of everything on the way.

        Raises `TimedOut` after `timeout` seconds.
        """
        return await self._client.run(self._said.wait(self._place, limit(timeout)), on_event)

    @overload
    async def result(self, *, timeout: Duration | None = None) -> Any: ...
    @overload
    async def result(self, type: type[T], *, timeout: Duration | None = None) -> T: ...
    async def result(self, type: Any = None, *, timeout: Duration | None = None) -> Any:
        """Wait, and give what it returned: as `type` (Struct, dataclass, pydantic model, `list[int]` ...), else as
        plain values; the bytes of an artifact.

        Raises `OperationFailed`, `OperationCancelled`, `TimedOut`, `ResultMismatch`.
        """
        return await self._client.run(self._said.result(self._place, type, limit(timeout)))

    def events(
        self, *, after: str | None = None, logs: bool = False, timeout: Duration | None = None
    ) -> AsyncGenerator[Event, None]:
        """Everything that happens, in order and once, until it has ended; `after` the event with this id, or from the
        present state on (`after="0"`: from the first). With `logs` its lines too.
        """
        return self._client.each(self._said.events(self._place, after, logs, limit(timeout)))

    def logs(self, *, follow: bool = False, timeout: Duration | None = None) -> AsyncGenerator[LogLine, None]:
        """The lines of its log; with `follow` also those to come, until it has ended."""
        return self._client.each(self._said.logs(self._place, follow, limit(timeout)))

    async def cancel(self, reason: str | None = None) -> State:
        """Cancel it; gives its state, CANCELLED. Raises `OperationNotCancellable`."""
        return await self._client.run(self._said.cancel(self._place, reason))

    async def retry(self) -> AsyncOperation:
        """A new operation that does again what failed or was cancelled. Raises `OperationNotRetryable`."""
        return AsyncOperation(self._client, await self._client.run(self._said.retry(self._place)))

    async def download(
        self,
        path: str | Path,
        *,
        progress: Callable[[int, int | None], object] | None = None,
        timeout: Duration | None = None,
    ) -> Path:
        """Wait, and bring the result into the file `path`, or into the folder `path` under the server's name for it.

        Goes on where it broke off, also in a later call. `progress` hears (bytes there, of how many).
        """
        told = None if progress is None else lambda item: progress(*item)
        talk = self._said.download(self._place, Path(path), limit(timeout))
        return await self._client.run(talk, told)

    def __repr__(self) -> str:
        return f"<AsyncOperation {self.id} {self.state.status if self.state else 'not asked yet'}>"


class _Wire:
    """Does what steps say. At most one answer is open at a time."""

    def __init__(self, http: httpx2.AsyncClient, sleep: Callable[[float], Awaitable[object]]) -> None:
        self._http = http
        self._sleep = sleep
        self._answer: httpx2.Response | None = None
        self._parts: AsyncIterator[bytes] | None = None

    async def do(self, step: Step) -> Any:
        match step:
            case Send(request):
                return await self._send(request)
            case Open(request):
                return await self._open(request)
            case Read(seconds):
                return await self._read(seconds)
            case Close():
                return await self.close()
            case Wait(seconds):
                return await self._sleep(seconds)
            case Call(function):
                return await asyncio.to_thread(function)

    async def close(self) -> None:
        answer, self._answer, self._parts = self._answer, None, None
        if answer is not None:
            await answer.aclose()

    async def _send(self, request: Request) -> Answer | Lost:
        try:
            answer = await self._http.send(built(self._http, request))
        except LOST as error:
            return lost(error)
        return answered(answer, answer.content)

    async def _open(self, request: Request) -> Answer | Lost:
        await self.close()
        try:
            self._answer = answer = await self._http.send(built(self._http, request), stream=True)
            if not answer.is_success:
                body = await answer.aread()
                await self.close()
                return answered(answer, body)
        except LOST as error:
            await self.close()
            return lost(error)
        self._parts = answer.aiter_bytes()
        return answered(answer)

    async def _read(self, seconds: float) -> bytes | Lost:
        if self._parts is None:
            return b""
        try:
            async with asyncio.timeout(seconds):
                part = await anext(self._parts, b"")
        except (*LOST, TimeoutError) as error:
            await self.close()
            return lost(error)
        if not part:
            await self.close()
        return part
