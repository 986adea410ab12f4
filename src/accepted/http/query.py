"""Query parameters and cursors."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime

from ..contract.operation import Status, is_operation_id, operation_id, renamed
from ..contract.problem import InvalidParameter
from .call import Call

_BEGINNING = re.compile(r"op-[0-9a-hjkmnp-tv-z]{0,26}")


def written_cursor(position: str) -> str:
    """A position as the opaque cursor that a client gives back."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _read_cursor(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


class Query:
    """Query parameters, read with care: every wrong one is named at once (422 `invalid-parameter`)."""

    def __init__(self, call: Call) -> None:
        self._pairs = call.query()
        self._errors: list[dict[str, str]] = []

    def check(self) -> None:
        """Raises `InvalidParameter` if anything was wrong."""
        if self._errors:
            raise InvalidParameter(f"{self._errors[0]['parameter']}: {self._errors[0]['detail']}.", errors=self._errors)

    def all(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return [value for key, value in self._pairs if key == name]

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds."""
        values = self.all(name)
        if not values:
            return default
        text = values[-1]
        if text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most:
            return int(text)
        return self._wrong(name, f"a whole number from {least} to {most}", default)

    def statuses(self) -> tuple[Status, ...] | None:
        """`status`, which may repeat and hold several."""
        values = [part for value in self.all("status") for part in value.split(",")]
        known = [Status(value) for value in values if value in Status.__members__]
        if len(known) != len(values):
            self._wrong("status", "one of " + ", ".join(Status), 0)
        return tuple(known) or None

    def owner(self) -> str | None:
        """`owner`; None where none is named."""
        value = next(iter(self.all("owner")[-1:]), None)
        if value is not None and "\0" in value:  # PostgreSQL's texts cannot hold it
            self._wrong("owner", "whose operations are asked for", 0)
        return value

    def cursor(self) -> str | None:
        """`cursor` of a list of operations."""
        values = self.all("cursor")
        if not values:
            return None
        position = _read_cursor(values[-1])
        if not is_operation_id(position):
            self._wrong("cursor", "a cursor as `pagination.next` gave it", 0)
        return position

    def span(self) -> tuple[str, str | None]:
        """The ids (since, before), both exclusive, between which `id`, `submittedAfter` and `submittedBefore` ask.

        Ids begin with their time, so a moment is a place among them, and so is the beginning of an id.
        """
        after, until = self._moment("submittedAfter"), self._moment("submittedBefore")
        since = "" if after is None else operation_id(after, 0)
        before = None if until is None else operation_id(until, 0)
        for value in self.all("id"):
            beginning = renamed(value, "op") if value.startswith("job-") else value
            if not _BEGINNING.fullmatch(beginning):
                self._wrong("id", "an id, or how one begins", 0)
                continue
            since = max(since, beginning[:-1] + chr(ord(beginning[-1]) - 1) + "~")
            before = min(before or "~", beginning + "~")
        return since, before

    def _moment(self, name: str) -> int | None:
        """A time in milliseconds, as RFC 3339 writes it."""
        values = self.all(name)
        if not values:
            return None
        try:
            moment = datetime.fromisoformat(values[-1])
            return max(round(moment.timestamp() * 1000), 0) if moment.tzinfo is not None else self._not_a_time(name)
        except (ValueError, OverflowError):
            return self._not_a_time(name)

    def _not_a_time(self, name: str) -> int:
        return self._wrong(name, "a time such as 2026-01-31T12:00:00Z", 0)

    def line_cursor(self) -> int:
        """`cursor` of a log."""
        values = self.all("cursor")
        position = _read_cursor(values[-1]) if values else "0"
        if position.isascii() and position.isdigit() and len(position) < 10:
            return int(position)
        return self._wrong("cursor", "a cursor as `pagination.next` gave it", 0)

    def _wrong(self, name: str, detail: str, instead: int) -> int:
        self._errors.append({"parameter": name, "detail": f"has to be {detail}"})
        return instead
