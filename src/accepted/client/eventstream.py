"""Server-sent events out of bytes (HTML standard, section 9.2), however they are cut.

An event counts when its blank line has come; what a cut leaves unfinished was never said. So is its id: whoever resumes
after an event has had all of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

LONGEST = 16 << 20  # bytes of one event; more is not an event but somebody who wants our memory


class Message(msgspec.Struct, frozen=True):
    """One event: its name, its data, and the last id that the stream has given."""

    name: str
    data: str
    id: str


class TooLong(ValueError):
    """An event that does not end."""


class Parser:
    """Feed it bytes. `retry` is how many seconds to wait before coming back, once the server has said so."""

    def __init__(self) -> None:
        self.retry: float | None = None
        self._left = b""
        self._carriage = False
        self._data: list[str] = []
        self._size = 0
        self._name = ""
        self._id = ""
        self._begun = False

    def feed(self, part: bytes) -> Iterator[Message]:
        """The events that are complete now. Raises `TooLong`."""
        for line in self._lines(part):
            if line:
                self._field(line)
            elif self._data:
                yield Message(self._name or "message", "\n".join(self._data), self._id)
                self._data, self._name, self._size = [], "", 0
            else:
                self._name = ""

    def _lines(self, part: bytes) -> Iterator[str]:
        """Lines end with LF, CR or CRLF, of which the LF may come in the next part."""
        if not part:
            return
        if self._carriage:
            part = part.removeprefix(b"\n")
        self._carriage = part.endswith(b"\r")
        *lines, self._left = (self._left + part).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if len(self._left) + self._size > LONGEST:
            raise TooLong(f"an event of more than {LONGEST} bytes")
        for line in lines:
            text = line.decode("utf-8", "replace")
            yield text if self._begun else text.removeprefix("\ufeff")
            self._begun = True

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
                self._size += len(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit() and len(value) < 10:
                self.retry = int(value) / 1000
            case _:  # a comment, or something of tomorrow
                pass
