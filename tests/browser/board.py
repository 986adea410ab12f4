"""The dashboard as a test sees it: the page, its streams, what it complained about, and how it measures up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Request

from tests.browser.conftest import PATIENCE
from tests.processes.deadline import until

MEASURES = (Path(__file__).parent / "measures.js").read_text(encoding="utf-8").partition("\n")[2]


class Board:
    """One dashboard in a browser."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.streams: set[Request] = set()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._complaint(message.text))
        page.on("request", self._opened)
        page.on("requestfinished", self._closed)
        page.on("requestfailed", self._closed)

    def _complaint(self, text: str) -> None:
        if "Content Security Policy" in text or "Refused to" in text:
            self.errors.append(text)

    def _opened(self, request: Request) -> None:
        if request.url.partition("?")[0].endswith("/stream"):
            self.streams.add(request)

    def _closed(self, request: Request) -> None:
        self.streams.discard(request)

    def goto(self, query: str = "") -> Board:
        self.page.goto(f"{self.url}/dashboard{query}")
        return self

    def until(self, expression: str, *, patience: float = PATIENCE) -> Any:
        """What this JavaScript gives, once it is true."""
        return until(expression, lambda: self.page.evaluate(expression), patience / 1000)

    def sees(self, selector: str, text: str) -> None:
        """Wait until something there holds this text."""
        self.page.locator(selector).filter(has_text=text).first.wait_for()

    def live(self) -> None:
        self.until("document.querySelector('#connection').dataset.state === 'live'")

    def statuses(self) -> list[str]:
        """The status of each row of the list."""
        return [str(row) for row in self.page.locator("table.list tbody .badge").all_inner_texts()]

    def measured(self) -> list[str]:
        """What is wrong with the page for somebody."""
        return [str(found) for found in self.page.evaluate(MEASURES)]
