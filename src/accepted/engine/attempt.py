"""What a user's function holds while it runs.

Reporting is cheap and may come from any thread: a report only notes what is newest and, once, that there is something
to write; the runner collects it at most ten times a second (guarantee P3). What was said last before the end is never
lost: the transition that ends the attempt carries it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Generator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, TypeVar, overload

import msgspec

from ..contract.operation import NO_JSON, Operation, Warning
from ..contract.progress import Progress, advance, enter, leave
from ..contract.transition import LogEntry, Report
from .model import to_json

T = TypeVar("T")

MESSAGE_LIMIT = 8_192  # characters of one log line
TEXT_LIMIT = 1_000  # characters of a progress message, a phase's name, a warning: they stand in every status document
WARNING_LIMIT = 100  # warnings kept with an operation; the rest is counted


class Cancelled(Exception):
    """Raised by reporting calls in a thread or a child process once the operation is cancelled: let it pass to stop."""


class Sink(Protocol):
    """Where an attempt's reports go."""

    def wake(self) -> None:
        """There is something to collect. May be called from any thread."""

    def checkpoint(self, value: bytes) -> Awaitable[None]:
        """Make `value` durable; in a thread it has already happened on return."""


class Done(Awaitable[None]):
    """What has already happened; awaiting it is allowed and not needed."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


class Attempt:
    """One run of an operation's function. All its methods may be called from any thread."""

    def __init__(
        self,
        operation: Operation,
        checkpoint: bytes | None,
        sink: Sink,
        *,
        log_limit: int,
        value_limit: int,
        raises: bool,
    ) -> None:
        self.operation_id = operation.id
        self.number = operation.attempt
        self.owner = operation.owner
        self.trace = operation.trace
        self.resume: Any = None if checkpoint is None else msgspec.json.decode(checkpoint)
        self._sink = sink
        self._raises = raises
        self._value_limit = value_limit
        self._lock = threading.Lock()
        self._progress = operation.progress or Progress()
        self._latest: tuple[float | None, float | None, str | None, float | None] | None = None
        self._moved = False
        self._waiting = False
        self._warnings: list[Warning] = []
        self._warned = len(operation.warnings)
        self._lines: list[LogEntry] = []
        self._lines_left = log_limit - operation.lines
        self._partial: msgspec.Raw = NO_JSON
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """True once somebody has asked for this operation to be cancelled."""
        return self._cancelled

    def progress(
        self,
        current: float | None = None,
        total: float | None = None,
        message: str | None = None,
        *,
        percentage: float | None = None,
    ) -> None:
        """How far it has come: so many of so many, or a percentage. Call it as often as you like."""
        self._latest = (current, total, message, percentage)
        if not self._waiting:
            self._notify()
        if self._cancelled:
            self._check()

    def phase(self, name: str) -> Phase:
        """A phase for the length of a `with` or `async with` block; progress inside is the phase's."""
        return Phase(self, name)

    @overload
    def track(self, items: Iterable[T], total: float | None = None, message: str | None = None) -> Iterator[T]: ...
    @overload
    def track(
        self, items: AsyncIterable[T], total: float | None = None, message: str | None = None
    ) -> AsyncIterator[T]: ...
    def track(self, items: Any, total: float | None = None, message: str | None = None) -> Any:
        """The same items, with progress on the way; `total` is found out where `items` has a length."""
        if total is None and hasattr(items, "__len__"):
            total = len(items)
        if hasattr(items, "__aiter__"):
            return self._track_async(items, total, message)
        return self._track(items, total, message)

    def warn(self, code: str, message: str, affected_records: int | None = None) -> None:
        """Something went wrong that need not fail the operation: it will end COMPLETED_WITH_ERRORS."""
        affected = None if affected_records is None else int(affected_records)
        warning = Warning(clean(code)[:TEXT_LIMIT], clean(message)[:TEXT_LIMIT], affected)
        with self._lock:
            self._warned += 1
            if self._warned <= WARNING_LIMIT:
                self._warnings.append(warning)
            elif self._warned == WARNING_LIMIT + 1:
                self._warnings.append(Warning("MORE_WARNINGS", f"Only the first {WARNING_LIMIT} warnings are kept."))
        self._notify()
        self._check()

    def log(self, message: str, level: str = "INFO", **fields: Any) -> None:
        """A line for the operation's log."""
        self._write_line(message, level, fields)
        self._check()

    def checkpoint(self, value: Any) -> Awaitable[None]:
        """Make `value` durable: the next attempt finds it in `resume`. Await it in a coroutine."""
        self._check()
        return self._sink.checkpoint(self._bounded(value))

    def partial(self, value: Any) -> None:
        """What to keep as `partialResult` should the operation be cancelled."""
        encoded = msgspec.Raw(self._bounded(value))
        with self._lock:
            self._partial = encoded
        self._notify()

    # --- the runner's side

    def cancel(self) -> None:
        """From now on `cancelled` is true."""
        self._cancelled = True

    def take(self) -> Report:
        """All that has been reported since the last time."""
        with self._lock:
            self._waiting = False
            self._settle_latest()
            moved, self._moved = self._moved, False
            warnings, self._warnings = self._warnings, []
            lines, self._lines = self._lines, []
            partial, self._partial = self._partial, NO_JSON
            return Report(
                progress=self._progress if moved else None,
                warnings=tuple(warnings),
                lines=tuple(lines),
                partial=partial,
            )

    def restore(self, report: Report) -> None:
        """Take back what could not be stored; it goes with the next report."""
        with self._lock:
            self._moved = self._moved or report.progress is not None
            self._warnings[:0] = report.warnings
            self._lines[:0] = report.lines
            if self._partial is NO_JSON:
                self._partial = report.partial
        self._notify()

    def adopt(self, report: Report) -> None:
        """Take over what the same attempt has reported in a child process."""
        with self._lock:
            if report.progress is not None:
                self._progress, self._moved = report.progress, True
            self._warnings += report.warnings
            self._lines += report.lines
            if report.partial is not NO_JSON:
                self._partial = report.partial
        self._notify()

    def checkpoint_encoded(self, value: bytes) -> Awaitable[None]:
        """A checkpoint that a child process has written as JSON."""
        return self._sink.checkpoint(value)

    @property
    def lines_left(self) -> int:
        """How many lines the log may still take."""
        return self._lines_left

    def capture(self, message: str, level: str) -> None:
        """A record of the `logging` module that was made inside the function."""
        self._write_line(message, level, {})

    # --- inside

    def _bounded(self, value: Any) -> bytes:
        encoded = to_json(value)
        if len(encoded) > self._value_limit:
            raise ValueError(f"{len(encoded)} bytes of JSON are over the limit of {self._value_limit} (result_limit)")
        return encoded

    def _notify(self) -> None:
        if not self._waiting:
            self._waiting = True
            self._sink.wake()

    def _check(self) -> None:
        if self._cancelled and self._raises:
            raise Cancelled(f"operation {self.operation_id} is cancelled")

    def _settle_latest(self) -> None:
        latest, self._latest = self._latest, None
        if latest is not None:
            current, total, message, percentage = latest
            before = self._progress
            with contextlib.suppress(Exception):  # a report that makes no sense says nothing, and harms nothing
                text = None if message is None else clean(message)[:TEXT_LIMIT]
                self._progress = advance(before, current=current, total=total, message=text, percentage=percentage)
            self._moved = self._moved or self._progress != before

    def _enter(self, name: str) -> None:
        with self._lock:
            self._settle_latest()
            self._progress = enter(self._progress, clean(name)[:TEXT_LIMIT], _now())
            self._moved = True
        self._notify()
        self._check()

    def _leave(self) -> None:
        with self._lock:
            self._settle_latest()
            self._progress = leave(self._progress, _now())
            self._moved = True
        self._notify()

    def _write_line(self, message: str, level: str, fields: dict[str, Any]) -> None:
        if self._lines_left <= 0:
            return
        safe = {name: _plain(value) for name, value in fields.items()}  # a value may log on its part: no lock here
        entry = LogEntry(_now(), clean(level).upper(), clean(message)[:MESSAGE_LIMIT], safe)
        with self._lock:
            self._lines_left -= 1
            if self._lines_left == 0:
                entry = LogEntry(_now(), "WARNING", "The log is full; nothing more of it is kept.")
            if self._lines_left >= 0:
                self._lines.append(entry)
        self._notify()

    def _track(self, items: Iterable[T], total: float | None, message: str | None) -> Iterator[T]:
        number = 0
        self.progress(number, total, message)
        for number, item in enumerate(items, 1):
            yield item
            self.progress(number, total, message)

    async def _track_async(self, items: AsyncIterable[T], total: float | None, message: str | None) -> AsyncIterator[T]:
        number = 0
        self.progress(number, total, message)
        async for item in items:
            yield item
            number += 1
            self.progress(number, total, message)


class Phase(AbstractContextManager[None], AbstractAsyncContextManager[None]):
    """A named part of the work, completed when its block ends without an exception."""

    def __init__(self, attempt: Attempt, name: str) -> None:
        self._attempt = attempt
        self._name = name

    def __enter__(self) -> None:
        self._attempt._enter(self._name)  # noqa: SLF001  (one room)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._attempt._leave()  # noqa: SLF001

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def clean(text: object) -> str:
    """Text as JSON and databases can hold it: no lone surrogates, no NUL."""
    return str(text).encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _plain(value: Any) -> Any:
    try:
        return msgspec.json.decode(to_json(value))
    except Exception:  # a field of a log line is not worth failing for
        return clean(repr(value))[:MESSAGE_LIMIT]


def _now() -> int:
    return time.time_ns() // 1_000_000
