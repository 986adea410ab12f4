"""A browser, its pages, and what they saw: each page notes every state of its screen and every event it was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.processes.deadline import until
from tests.processes.serving import DEMO, Server
from tests.programs import program

PATIENCE = 60_000.0  # milliseconds; only a test that fails waits for so long
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
WITNESS = (Path(__file__).parent / "witness.js").read_text(encoding="utf-8")

Open = Callable[..., "Visit"]


class Visit:
    """One page in a browser."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.add_init_script(WITNESS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._complaint(message.text))

    def _complaint(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.errors.append(text)

    def until(self, expression: str) -> None:
        """Wait until this JavaScript is true. We ask again and again: the page's policy lets nobody evaluate inside."""
        until(expression, lambda: bool(self.page.evaluate(expression)), PATIENCE / 1000)

    def text(self, id: str) -> str:
        return self.page.locator(f"#{id}").inner_text()

    def ended(self) -> str:
        """What the page shows in the end."""
        self.until("!document.querySelector('#outcome').hidden")
        return self.text("outcome")

    def seen(self, what: str) -> list[Any]:
        """One thing through time: `percent`, `status`, `connection` or `phases`, each change once."""
        values = [state[what] for state in self.page.evaluate("witness.states")]
        return [value for number, value in enumerate(values) if number == 0 or value != values[number - 1]]

    def events(self) -> list[int]:
        """The numbers of all events that came, as they came."""
        return [int(id.partition("-")[0]) for id in self.page.evaluate("witness.ids")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("demo"), target=DEMO) as server:
        yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET), timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Open]:
    """Opens a page; nothing on it may go wrong."""
    visits: list[Visit] = []
    context = chromium.new_context(viewport={"width": 900, "height": 900})

    def opened(url: str) -> Visit:
        visits.append(Visit(context.new_page()))
        visits[-1].page.goto(url)
        return visits[-1]

    yield opened
    context.close()
    assert [error for visit in visits for error in visit.errors] == []
