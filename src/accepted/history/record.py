"""What a history is made of: what clients saw and what functions wrote down, a JSON object on each line.

Members are optional where they have a default; unknown ones are ignored, so a recorder may write down more than is
judged. Times are seconds of a clock that never jumps; two are compared only where both records name the same `clock`.
docs/reliability.md describes the format for those who record their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec

from ..contract.operation import TERMINAL

ENDS = frozenset(str(status) for status in TERMINAL)


class _Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="what", omit_defaults=True):
    clock: str = ""


class Submit(_Record, frozen=True, kw_only=True, tag="submit"):
    """A client asked for an operation. Without a `status` it read no answer, or not all of it.

    `problem` is the slug of a problem document's `type`: what makes a 503 a definite answer.
    """

    began: float
    ended: float
    key: str = ""
    status: int = 0
    operation_id: str = ""
    problem: str = ""

    @property
    def acknowledged(self) -> bool:
        return self.status == 202 and bool(self.operation_id)

    @property
    def refused(self) -> bool:
        """Definitely not stored by this request (guarantee D4). A complaint about the key says that it is known."""
        definite = 400 <= self.status < 500 or (self.status in {503, 507} and bool(self.problem))
        return definite and not self.problem.startswith("idempotency-key")


class Read(_Record, frozen=True, kw_only=True, tag="read"):
    """A client read an operation's document: an HTTP `status`, and what was in it.

    `version` is the number in the ETag; `body` a digest of the very bytes; `retried` says that the document links the
    operation that retries it, the one thing that may come to a terminal one.
    """

    operation_id: str
    began: float
    ended: float
    status: int = 200
    state: str = ""
    attempt: int | None = None
    version: int | None = None
    body: str = ""
    retried: bool = False


class Open(_Record, frozen=True, kw_only=True, tag="open"):
    """A stream of one operation was opened, for all after event `after`, or from the present on."""

    operation_id: str
    connection: str
    at: float
    after: int | None = None


class Told(_Record, frozen=True, kw_only=True, tag="event"):
    """An event came in. A `reset` is a snapshot in place of events that are gone."""

    operation_id: str
    connection: str
    sequence: int
    at: float
    state: str = ""
    reset: bool = False


class Close(_Record, frozen=True, kw_only=True, tag="close"):
    """A stream was over, whoever ended it."""

    connection: str
    at: float


class Listed(_Record, frozen=True, kw_only=True, tag="listed"):
    """An operation as the system had it once all was over; `events` are (sequence, state).

    Where a history has one such record it has to have all: an operation that is not listed is lost.
    """

    operation_id: str
    state: str
    key: str = ""
    attempt: int | None = None
    events: tuple[tuple[int, str], ...] | None = None
    problem: str = ""


class Start(_Record, frozen=True, kw_only=True, tag="start"):
    """A function began an attempt. `key` is the one of the submit, where its input says so."""

    operation_id: str
    attempt: int
    process: str
    at: float
    key: str = ""


class End(_Record, frozen=True, kw_only=True, tag="end"):
    """The same attempt was over: its function returned, or else did not (it raised, or was stopped)."""

    operation_id: str
    attempt: int
    process: str
    at: float
    returned: bool = True


class Write(_Record, frozen=True, kw_only=True, tag="write"):
    """A function had the system store something, a checkpoint for instance, and was told that it is stored."""

    operation_id: str
    attempt: int
    began: float
    ended: float


class Harm(_Record, frozen=True, kw_only=True, tag="harm"):
    """What was done to a process: it was killed, or frozen until `until`."""

    process: str
    at: float
    kind: Literal["killed", "frozen"] = "killed"
    until: float | None = None


Record = Submit | Read | Open | Told | Close | Listed | Start | End | Write | Harm

_decode = msgspec.json.Decoder(Record).decode
_encode = msgspec.json.encode


class Entry(NamedTuple):
    """A record, and where it stands: `file:line`."""

    place: str
    record: Record

    def line(self) -> str:
        """As evidence."""
        return f"{self.place}  {_encode(self.record).decode()}"


class Unreadable(ValueError):
    """A line that is no record; the text says which, and why."""


def read(name: str, lines: Iterable[bytes]) -> Iterator[Entry]:
    """The records of one file. A last line that was cut off is left out: its writer died over it.

    Raises `Unreadable`.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield Entry(f"{name}:{number}", _decode(line))
        except msgspec.ValidationError as error:
            raise Unreadable(f"{name}:{number}: {error}") from None
        except msgspec.DecodeError as error:
            if line.endswith(b"\n"):
                raise Unreadable(f"{name}:{number}: {error}") from None


def write(record: Record) -> bytes:
    """The record as a line."""
    return _encode(record) + b"\n"
