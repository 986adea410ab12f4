"""The log of one operation, page by page: every line once.

A cursor says where a page begins. The last page may have grown since it was read, so it is read again, and the numbers
of its lines tell which are new.
"""

from __future__ import annotations

from urllib.parse import urlencode

from .asking import ask, read
from .document import Document, LogLine, parse_object
from .patience import Deadline, Terms
from .site import Place, Site
from .step import Talk

PAGE = 1000
OK = frozenset({200})


class Logbook:
    """A reader of a log. `last` is the number of the last line that was read."""

    def __init__(self, site: Site, terms: Terms, place: Place) -> None:
        self._site = site
        self._terms = terms
        self._place = place
        self._cursor: str | None = None
        self.last = 0

    def more(self, deadline: Deadline) -> Talk[list[LogLine]]:
        """All lines that are new."""
        found: list[LogLine] = []
        while True:
            page, following = yield from self._page(deadline)
            found += [line for line in page if line.sequence > self.last]
            self.last = max([self.last, *(line.sequence for line in page)])
            if following is None or following == self._cursor:
                return found
            self._cursor = following

    def _page(self, deadline: Deadline) -> Talk[tuple[list[LogLine], str | None]]:
        query = {"limit": str(PAGE)} | ({"cursor": self._cursor} if self._cursor is not None else {})
        url = f"{self._place.logs(self._site)}?{urlencode(query)}"
        request = self._site.request("GET", url, {"accept": "application/json"})
        answer = yield from ask(request, self._terms, deadline, OK)
        return read(_page, read(parse_object, answer.body, url), url)


def _page(document: Document) -> tuple[list[LogLine], str | None]:
    rows = document.get("data")
    pagination = document.get("pagination")
    following = pagination.get("next") if isinstance(pagination, dict) else None
    lines = [LogLine.read(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return lines, following if isinstance(following, str) else None
