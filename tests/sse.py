"""A reader of event streams, to the letter of the WHATWG's HTML standard, section 9.2.6: what an EventSource would see.

It knows nothing of the package. Bytes go in as they come, events come out.
"""

from __future__ import annotations

import codecs
import json
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One dispatched event; `id` is the last event id at that moment."""

    name: str
    data: str
    id: str

    @property
    def document(self) -> dict[str, Any]:
        """Its data as JSON."""
        found = json.loads(self.data)
        assert isinstance(found, dict)
        return found


class Parser:
    """The state of one stream. `comments` and `retry` are kept for tests; an EventSource shows neither."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id  # what would be sent as Last-Event-ID: set when an event is dispatched
        self.retry: int | None = None
        self.comments: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._begun = False
        self._name, self._data, self._id = "", "", last_id

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that these bytes complete."""
        self._text += self._decoder.decode(chunk)
        if self._text and not self._begun:
            self._text = self._text.removeprefix("\ufeff")
            self._begun = True
        found = []
        while (line := self._line()) is not None:
            if line:
                self._field(line)
            elif (event := self._dispatched()) is not None:
                found.append(event)
        return found

    def _line(self) -> str | None:
        """The next whole line. A CR at the end of what has come may yet be followed by its LF."""
        ends = [place for end in "\r\n" if (place := self._text.find(end)) >= 0]
        if not ends or (self._text[min(ends)] == "\r" and min(ends) == len(self._text) - 1):
            return None
        line, rest = self._text[: min(ends)], self._text[min(ends) :]
        self._text = rest[2:] if rest.startswith("\r\n") else rest[1:]
        return line

    def _field(self, line: str) -> None:
        name, colon, value = line.partition(":")
        if colon and not name:
            self.comments.append(value.removeprefix(" "))
            return
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data += value + "\n"
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)

    def _dispatched(self) -> Event | None:
        self.last_id = self._id
        name, data, self._name, self._data = self._name, self._data, "", ""
        return Event(name or "message", data.removesuffix("\n"), self._id) if data else None


def parsed(body: bytes) -> list[Event]:
    """The events of a whole body."""
    return Parser().feed(body)
