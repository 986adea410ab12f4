"""Reading event streams as the HTML standard has it (section 9.2.6), as far as a check has to."""

from __future__ import annotations

import asyncio
import codecs
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .exchange import Broken, expect, shown
from .trial import Trial

KNOWN = {"status-update", "completed", "failed", "cancelled", "log", "reset"}
LAST = {"completed", "failed", "cancelled"}
_LINE = re.compile(r"\r\n|\n|\r")
_KEPT = 20_000  # bytes of a stream in the journal


class Event(msgspec.Struct, frozen=True):
    """One event. `id` is what would be sent as `Last-Event-ID` after it."""

    name: str
    id: str
    data: str

    @property
    def document(self) -> dict[str, Any]:
        """Its data. Raises `Broken` unless it is a JSON object."""
        try:
            found = msgspec.json.decode(self.data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Broken(f"the data of event {self.id or self.name!r} is no JSON: {self.data[:60]!r}") from None
        expect(isinstance(found, dict), f"the data of event {self.id or self.name!r} is no JSON object")
        return dict(found)


class Heard(msgspec.Struct, frozen=True):
    """A stream so far. `closed` says that the server ended it; `times` is when each event was heard, in seconds."""

    status: int
    headers: Mapping[str, str]
    events: tuple[Event, ...]
    closed: bool
    body: bytes
    times: tuple[float, ...] = ()

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]

    @property
    def last(self) -> Event:
        """Its last event. Raises `Broken` where there is none."""
        expect(self.events, f"the stream (status {self.status}) told no event")
        return self.events[-1]


async def listen(
    trial: Trial,
    link: str,
    *,
    last_id: str | None = None,
    until: Callable[[list[Event]], bool] = lambda events: False,
    patience: float = 20.0,
) -> Heard:
    """Follow a stream until the server closes it, or what was heard is enough. Raises `Broken` if neither comes."""
    headers = {"accept": "text/event-stream", "last-event-id": last_id or ""}
    events: list[Event] = []
    times: list[float] = []
    parser = _Parser()
    body = b""
    closed = True
    async with trial.caller.stream(link, headers) as response:
        try:
            async with asyncio.timeout(patience):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    events += (new := parser.feed(chunk))
                    times += [time.monotonic()] * len(new)
                    if until(events):
                        closed = False
                        break
        except TimeoutError:
            raise Broken(
                f"the stream neither ended nor went on within {patience:g} s, after {len(events)} events"
            ) from None
        finally:
            trial.journal.note(f"< {shown(body[:_KEPT])}" if body else "< (an empty stream)")
    found = {name.lower(): value for name, value in response.headers.items()}
    return Heard(response.status_code, found, tuple(events), closed, body, tuple(times))


class _Parser:
    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._fields: dict[str, list[str]] = {}
        self._id = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that these bytes complete."""
        *lines, self._text = _LINE.split(self._text + self._decoder.decode(chunk))
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: str) -> Event | None:
        if line:
            name, _, value = line.partition(":")
            self._fields.setdefault(name, []).append(value.removeprefix(" "))
            return None
        fields, self._fields = self._fields, {}
        self._id = fields.get("id", [self._id])[-1]
        if "data" not in fields:
            return None
        return Event(fields.get("event", ["message"])[-1], self._id, "\n".join(fields["data"]))
