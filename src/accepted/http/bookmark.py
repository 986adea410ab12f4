"""Where a reader of an event stream stands, as the text of `id:` and `Last-Event-ID` (contract, section 8).

One operation: the number of its event, with logs `<event>-<line>`. Many operations: a mark of which they are, and the
position in each; opaque to clients, and good only for the same operations in the same order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from ..engine.follower import News, Position

_POSITION = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15}))?")
_NOWHERE = "~"  # an operation of which nothing has been told yet

LOST = Position(10**15)
"""A position that nobody can be at: whoever claims it gets a reset."""


def read_position(text: str) -> Position | None:
    """`7` or `7-12`; None for anything else."""
    match = _POSITION.fullmatch(text)
    return Position(int(match[1]), int(match[2] or 0)) if match else None


class Bookmark:
    """The positions of one reader in the operations `ids`, kept up to date with what is told."""

    def __init__(self, ids: Sequence[str], *, many: bool, logs: bool) -> None:
        self._places = {id: place for place, id in enumerate(ids)}
        self._logs = logs
        self._many = many
        self._mark = hashlib.sha256(",".join(ids).encode()).hexdigest()[:8] if many else ""
        self._texts = [_NOWHERE] * len(ids)

    def read(self, text: str) -> dict[str, Position | None] | None:
        """Where to go on in each operation, as an `id:` said it; None for what no id of this stream can be."""
        mark, _, rest = text.partition(".") if self._many else ("", "", text)
        texts = rest.split(".") if self._many else [rest]
        if mark != self._mark or len(texts) != len(self._places):
            return None
        found: dict[str, Position | None] = {}
        for id, part in zip(self._places, texts, strict=True):
            found[id] = None if self._many and part == _NOWHERE else read_position(part)
            if found[id] is None and part != _NOWHERE:
                return None
        if not self._many and found[next(iter(found))] is None:
            return None
        self._texts = texts
        return found

    def after(self, news: News) -> bytes:
        """The `id:` line of what is told now."""
        position = news.position
        if not (self._many or self._logs):
            return b"id: %d\n" % position.event
        text = f"{position.event}-{position.line}" if self._logs else str(position.event)
        if not self._many:
            return f"id: {text}\n".encode()
        self._texts[self._places[news.operation_id]] = text
        return f"id: {self._mark}.{'.'.join(self._texts)}\n".encode()
