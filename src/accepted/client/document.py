"""The documents of the contract as a client reads them: snake_case, frozen, and open to members it does not know.

Whatever a server leaves out is None; a member of the wrong kind makes the document unreadable, because a client that
guesses is worse than one that says so. `document` is always the whole of it, as it came.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from ..contract.operation import SUCCEEDED, TERMINAL, Status

Document = dict[str, Any]
T = TypeVar("T")


class Unreadable(ValueError):
    """A document that is not as the contract says."""


class _Read(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    def __repr__(self) -> str:
        known = ((name, getattr(self, name)) for name in self.__struct_fields__ if name != "document")
        told = ", ".join(f"{name}={value!r}" for name, value in known if value not in (None, (), {}))
        return f"{type(self).__name__}({told})"


class Phase(_Read, frozen=True):
    """One phase of an operation; `duration` in seconds once it is over."""

    name: str
    status: str = "PENDING"
    percentage: int | float | None = None
    duration: float | None = None


class Progress(_Read, frozen=True):
    """How far it has come; `current`, `total` and `message` are those of the running `phase`."""

    current: int | float | None = None
    total: int | float | None = None
    percentage: int | float | None = None
    message: str | None = None
    phase: str | None = None
    phases: tuple[Phase, ...] = ()


class Warning(_Read, frozen=True):
    """Something that went wrong without failing the operation."""

    code: str = ""
    message: str = ""
    affected_records: int | None = None


class PollInterval(_Read, frozen=True):
    """Seconds between two polls: what the server wishes, and what it takes."""

    recommended: float = 1.0
    minimum: float = 0.0


class State(_Read, frozen=True):
    """An operation at one moment (contract, section 3)."""

    operation_id: str
    status: Status
    type: str = ""
    attempt: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    estimated_completion: datetime | None = None
    expires_at: datetime | None = None
    progress: Progress | None = None
    poll_interval: PollInterval | None = None
    queue_position: int | None = None
    result: Document | None = None
    error: Document | None = None
    reason: str | None = None
    work_stopped: bool | None = None
    partial_result: Any = None
    retry_of: str | None = None
    links: dict[str, str] = {}
    document: Document = {}

    @property
    def ended(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.status in TERMINAL

    @property
    def succeeded(self) -> bool:
        """Whether it has a result."""
        return self.status in SUCCEEDED

    @property
    def warnings(self) -> tuple[Warning, ...]:
        """What went wrong on the way of an operation that is COMPLETED_WITH_ERRORS."""
        return convert((self.result or {}).get("warnings", ()), tuple[Warning, ...])

    @classmethod
    def read(cls, document: Document) -> State:
        """Raises `Unreadable`."""
        return convert({**document, "document": document}, cls)

    @classmethod
    def told(cls, document: Document) -> State:
        """The state that an event tells of, as far as it does."""
        known = {"progress": document.get("data"), "updatedAt": document.get("timestamp")}
        about = {name: value for name, value in known.items() if value is not None}
        return convert({**document, "progress": None, **about, "document": document}, cls)


class LogLine(_Read, frozen=True):
    """One line of an operation's log."""

    sequence: int
    message: str
    timestamp: datetime | None = None
    level: str = "INFO"
    attempt: int = 0
    fields: Document = {}
    document: Document = {}

    @classmethod
    def read(cls, document: Document) -> LogLine:
        """Raises `Unreadable`."""
        return convert({**document, "document": document}, cls)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: `name` is status-update, completed, failed, cancelled, reset or log.

    `id` resumes after it (None where it was seen by polling). A log event has a `line`, every other the `state`.
    """

    name: str
    id: str | None = None
    document: Document
    state: State | None = None
    line: LogLine | None = None

    @property
    def last(self) -> bool:
        """Whether the operation has ended with it."""
        return self.state is not None and self.state.ended


class Job(_Read, frozen=True):
    """One row of the list of operations; `duration` in seconds from first start to end."""

    job_id: str
    status: Status
    type: str = ""
    submitted_at: datetime | None = None
    completed_at: datetime | None = None
    duration: float | None = None
    document: Document = {}

    @property
    def operation_id(self) -> str:
        """The id under which it is polled: the same digits."""
        return "op-" + self.job_id.partition("-")[2]

    @classmethod
    def read(cls, document: Document) -> Job:
        """Raises `Unreadable`."""
        return convert({**document, "document": document}, cls)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem object (RFC 9457), read leniently: it may come from a proxy. `retry_after` in seconds."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    retryable: bool | None = None
    retry_after: float | None = None
    errors: list[Document] = []
    document: Document = {}

    @property
    def slug(self) -> str:
        """The last part of `type`, by which problems are told apart wherever the server is mounted."""
        return self.type.rstrip("/").rpartition("/")[2]

    @property
    def summary(self) -> str:
        """Title and detail in a line."""
        named = self.title or f"HTTP {self.status}"
        return f"{named}: {self.detail}" if self.detail and self.detail != self.title else named

    @classmethod
    def read(cls, document: Any, status: int = 0) -> Problem:
        """What can be read of it; `status` is that of the answer, where it was one."""
        given = document if isinstance(document, dict) else {}
        text = {name: value for name in ("type", "title", "detail") if isinstance(value := given.get(name), str)}
        stated = given.get("status")
        errors = given.get("errors")
        after = given.get("retryAfter")
        return cls(
            **text,
            status=status or (stated if isinstance(stated, int) else 0),
            retryable=flag if isinstance(flag := given.get("retryable"), bool) else None,
            retry_after=float(after) if isinstance(after, (int, float)) else None,
            errors=[each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else [],
            document=given,
        )


def convert(value: Any, type: type[T]) -> T:
    """The value as this type. Raises `Unreadable`."""
    try:
        return msgspec.convert(value, type)
    except msgspec.ValidationError as error:
        raise Unreadable(str(error)) from None


def rows_of(page: Document) -> list[Document]:
    """The rows of a page of a list. Raises `Unreadable`."""
    return convert(page.get("data") or [], list[Document])


def parse(body: bytes) -> Any:
    """The JSON of a body. Raises `Unreadable`."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from None


def parse_object(body: bytes) -> Document:
    """The JSON object of a body. Raises `Unreadable`."""
    if not isinstance(document := parse(body), dict):
        raise Unreadable("not a JSON object")
    return document
