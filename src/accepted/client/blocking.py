"""The blocking client: carries out conversations, one step after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, overload

import httpx2

from ..contract.policy import Duration
from .conversation import Conversation
from .document import Event, Job, LogLine, State
from .exchange import LIMITS, LOST, answered, built, limit, lost, terms_of
from .site import Credential, Place
from .step import Answer, Call, Close, Lost, Open, Read, Request, Send, Step, Talk, Tell, Wait

T = TypeVar("T")


class Client:
    """A server of the contract, from a program that may wait.

        with Client("https://api.example.com", token="...") as client:
            report = client.submit("/reports/sales", {"year": 2017}).result()

    `url` is where the app is mounted. `token` goes out as `Authorization: Bearer`, to that origin alone; it may be a
    function that gives the one to use now. `patience`: for how long to go on while nothing answers. `timeout`: how long
    one request may be silent. `transport` and `sleep` are for tests. May be used by many threads.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Credential = None,
        headers: Mapping[str, str] | None = None,
        patience: Duration = "5m",
        timeout: Duration = "30s",
        quiet: Duration = "20s",
        transport: httpx2.BaseTransport | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        terms = terms_of(now, patience=patience, timeout=timeout, quiet=quiet)
        self.conversation = Conversation(url, token, terms, headers or {})
        self._http = httpx2.Client(transport=transport, timeout=terms.timeout, limits=LIMITS)
        self._sleep = sleep

    def submit(
        self,
        path: str,
        input: Any = None,
        *,
        idempotency_key: str | None = None,
        webhook: Mapping[str, Any] | None = None,
        timeout: Duration | None = None,
    ) -> Operation:
        """Start an operation: POST `input` (JSON values, a Struct, dataclass or pydantic model) to its `path`.

        When this returns it is on the server's disk. Lost answers are asked for again under the same key (one of its
        own, unless you give one), so there is one operation however often. Raises what `accepted.client` lists.
        """
        talk = self.conversation.submit(path, input, idempotency_key, webhook, limit(timeout))
        return Operation(self, self.run(talk))

    def operation(self, id: str) -> Operation:
        """An operation by its id or its status URL. Nothing is asked of the server yet."""
        return Operation(self, self.conversation.site.place(id))

    def resume(self, token: str) -> Operation:
        """The operation whose `token` somebody kept, perhaps another process. Raises `InvalidToken`."""
        return Operation(self, self.conversation.site.resumed(token))

    def jobs(
        self, *, status: str | Iterable[str] = (), type: str | Iterable[str] = (), limit: int | None = None
    ) -> Iterator[Job]:
        """Operations, newest first, page after page as they are wanted; `status` and `type` are those to show."""
        return self.each(self.conversation.jobs(status, type, limit))

    def close(self) -> None:
        """Let go of all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the driver

    def run(self, talk: Talk[T], told: Callable[[Any], object] | None = None) -> T:
        """Carry out a conversation to its end; `told` hears what it tells."""
        driving = _drive(talk, self._http, self._sleep)
        while True:
            try:
                item = next(driving)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # StopIteration knows no types
            if told is not None:
                told(item)

    def each(self, talk: Talk[Any]) -> Iterator[Any]:
        """What a conversation tells, as it does."""
        return _drive(talk, self._http, self._sleep)


class Operation:
    """One operation on a server. `state` is the last status that was seen."""

    def __init__(self, client: Client, place: Place) -> None:
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

    def status(self) -> State:
        """What it is now: one request."""
        return self._client.run(self._said.state(self._place))

    def wait(self, timeout: Duration | None = None, *, on_event: Callable[[Event], object] | None = None) -> State:
        """Its state once it has ended, however that was. `on_event` hears of everything on the way.

        Raises `TimedOut` after `timeout` seconds.
        """
        return self._client.run(self._said.wait(self._place, limit(timeout)), on_event)

    @overload
    def result(self, *, timeout: Duration | None = None) -> Any: ...
    @overload
    def result(self, type: type[T], *, timeout: Duration | None = None) -> T: ...
    def result(self, type: Any = None, *, timeout: Duration | None = None) -> Any:
        """Wait, and give what it returned: as `type` (Struct, dataclass, pydantic model, `list[int]` ...), else as
        plain values; the bytes of an artifact.

        Raises `OperationFailed`, `OperationCancelled`, `TimedOut`, `ResultMismatch`.
        """
        return self._client.run(self._said.result(self._place, type, limit(timeout)))

    def events(
        self, *, after: str | None = None, logs: bool = False, timeout: Duration | None = None
    ) -> Iterator[Event]:
        """Everything that happens, in order and once, until it has ended; `after` the event with this id, or from the
        present state on (`after="0"`: from the first). With `logs` its lines too.
        """
        return self._client.each(self._said.events(self._place, after, logs, limit(timeout)))

    def logs(self, *, follow: bool = False, timeout: Duration | None = None) -> Iterator[LogLine]:
        """The lines of its log; with `follow` also those to come, until it has ended."""
        return self._client.each(self._said.logs(self._place, follow, limit(timeout)))

    def cancel(self, reason: str | None = None) -> State:
        """Cancel it; gives its state, CANCELLED. Raises `OperationNotCancellable`."""
        return self._client.run(self._said.cancel(self._place, reason))

    def retry(self) -> Operation:
        """A new operation that does again what failed or was cancelled. Raises `OperationNotRetryable`."""
        return Operation(self._client, self._client.run(self._said.retry(self._place)))

    def download(
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
        return self._client.run(talk, told)

    def __repr__(self) -> str:
        return f"<Operation {self.id} {self.state.status if self.state else 'not asked yet'}>"


def _drive(talk: Talk[Any], http: httpx2.Client, sleep: Callable[[float], object]) -> Generator[Any, None, Any]:
    """Carry out a conversation; gives what it tells and returns what it returns."""
    wire = _Wire(http, sleep)
    reply = None
    try:
        while True:
            try:
                step = talk.send(reply)
            except StopIteration as end:
                return end.value
            if isinstance(step, Tell):
                reply = None
                yield step.item
            else:
                reply = wire.do(step)
    finally:
        wire.close()
        talk.close()


class _Wire:
    """Does what steps say. At most one answer is open at a time."""

    def __init__(self, http: httpx2.Client, sleep: Callable[[float], object]) -> None:
        self._http = http
        self._sleep = sleep
        self._answer: httpx2.Response | None = None
        self._parts: Iterator[bytes] = iter(())

    def do(self, step: Step) -> Any:
        match step:
            case Send(request):
                return self._send(request)
            case Open(request):
                return self._open(request)
            case Read():
                return self._read()
            case Close():
                return self.close()
            case Wait(seconds):
                return self._sleep(seconds)
            case Call(function):
                return function()

    def close(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def _send(self, request: Request) -> Answer | Lost:
        try:
            answer = self._http.send(built(self._http, request))
        except LOST as error:
            return lost(error)
        return answered(answer, answer.content)

    def _open(self, request: Request) -> Answer | Lost:
        self.close()
        try:
            self._answer = answer = self._http.send(built(self._http, request), stream=True)
            if not answer.is_success:
                body = answer.read()
                self.close()
                return answered(answer, body)
        except LOST as error:
            self.close()
            return lost(error)
        self._parts = answer.iter_bytes()
        return answered(answer)

    def _read(self) -> bytes | Lost:
        try:
            part = next(self._parts, b"")
        except LOST as error:
            self.close()
            return lost(error)
        if not part:
            self.close()
        return part
