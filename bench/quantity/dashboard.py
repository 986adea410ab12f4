"""The dashboard's first paint with 100,000 operations behind it, and when it is filled with them: on this machine, in
headless Chromium, which has no share of the server's core. Each round is a browser without a memory of the page.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from bench import ours
from bench.figure import Result, figure
from bench.quantity.history import ORIGINALS
from bench.seed import seed
from bench.server import Broken, Server
from bench.setting import Setting

OPERATIONS = 100_000
PATIENCE = 30_000  # ms
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
VIEWS = {
    "overview": ("", "rect[data-tone]"),
    "list": ("?view=operations", "tbody tr:nth-child(50)"),
}


def measure(setting: Setting) -> Result:
    """Milliseconds from the navigation to the first paint, and until the rows or the charts are there."""
    count = setting.count(OPERATIONS)
    with setting.directory() as directory:
        with Server(ours.embedded(directory), setting.server_core) as server:
            for path, number in ORIGINALS.items():
                ours.fill(server, number, setting.load_core, path)
        seed(ours.database(directory), count)
        with Server(ours.serve(directory, workers=0), setting.server_core) as server, _chromium(setting) as browser:
            found = {view: [_opened(browser, server, *VIEWS[view]) for _ in range(setting.rounds)] for view in VIEWS}
    figures = []
    for view, rounds in found.items():
        paints, fills = ([each[index] for each in rounds] for index in (0, 1))
        what = f"dashboard, {view}: first paint"
        figures += [
            figure(paints, quantity="dashboard", what=what, unit="ms", floor=500, aim=250, smaller=True),
            figure(fills, quantity="dashboard", what=f"dashboard, {view}: filled", unit="ms"),
        ]
    return Result(figures, notes=[f"dashboard: {count:,} operations in the file"])


def _opened(browser: Browser, server: Server, query: str, selector: str) -> tuple[float, float]:
    """(first paint, filled) in milliseconds, with nothing kept from before."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/dashboard{query}")
    page.wait_for_selector(selector, timeout=PATIENCE, state="attached")
    filled = float(page.evaluate("performance.now()"))
    paint = float(page.evaluate(PAINT))
    context.close()
    return paint, filled


@contextmanager
def _chromium(setting: Setting) -> Iterator[Browser]:
    """A browser on the load's core."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise Broken("chromium is not installed: apt-get install chromium")
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {setting.load_core})
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=path, args=["--headless", "--no-sandbox", "--disable-gpu"]
            )
            yield browser
            browser.close()
    finally:
        os.sched_setaffinity(0, mine)
