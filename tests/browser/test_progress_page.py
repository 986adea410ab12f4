"""examples/progress.html in a real browser, against a real server: what a person sees of an event stream."""

from __future__ import annotations

import functools
import http.server
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from accepted.demo import page as demo_page
from tests.browser.conftest import Open
from tests.browser.hostile import TAG
from tests.processes.serving import ROOT, Server


def test_a_report_is_ordered_watched_and_fetched(demo: Server, visit: Open) -> None:
    seen = visit(f"{demo.url}/")  # which leads to the page
    seen.page.get_by_label("Format").select_option("PDF")
    worker = demo.kill("worker", signal.SIGSTOP)  # until somebody looks
    seen.page.get_by_role("button", name="Order the sales report").press("Enter")
    seen.until("witness.states.at(-1)?.connection === 'live'")
    os.kill(worker.pid, signal.SIGCONT)
    assert "The result is there" in seen.ended()
    assert seen.seen("connection")[-2:] == ["live", "ended"]
    assert seen.seen("status")[-2:] == ["PROCESSING", "COMPLETED"]
    percents = [percent for percent in seen.seen("percent") if percent is not None]
    assert percents == sorted(percents)
    assert len(set(percents) - {0, 100}) > 3, "it moved, and did not jump"
    assert percents[-1] == 100
    assert _phases_that_ran(seen.seen("phases"))[:2] == [0, 1], "the last one may be too quick to be told"
    assert "1,469,307 transactions in 365 days" in seen.text("lines")
    link = seen.page.get_by_role("link", name="sales-2017-01-01-to-2017-12-31.pdf").get_attribute("href") or ""
    with demo.api() as api:
        assert api.get(link).content.startswith(b"%PDF-")


def _phases_that_ran(seen: list[str]) -> list[int]:
    """Which phases were shown as running, one after the other."""
    running = [index for phases in seen for index, status in enumerate(phases.split()) if status == "IN_PROGRESS"]
    return list(dict.fromkeys(running))


def test_a_kill_in_the_middle_is_seen_and_nothing_is_missed(demo: Server, visit: Open) -> None:
    with demo.api() as api:
        id = api.submit("/syncs/warehouse", {"failures": 1, "seconds": 6})
        seen = visit(f"{demo.url}/demo/#{id}")
        seen.until("witness.states.at(-1)?.percent > 5")
        assert api.status(id)["status"] == "PROCESSING", "it is seen while it goes on"
    demo.kill("web")
    seen.until("document.querySelector('#connection').dataset.state === 'reconnecting'")
    assert "The result is there" in seen.ended()
    assert {"live", "reconnecting"} <= set(seen.seen("connection"))
    assert seen.seen("connection")[-1] == "ended"
    numbers = seen.events()
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), "each event once and in order, over both connections"
    assert "Connected again: goes on after event" in seen.text("lines")
    assert "Attempt 2 begins" in seen.text("lines")
    assert "resumed" in seen.text("counted")


def test_it_is_cancelled_and_tried_again(demo: Server, visit: Open) -> None:
    seen = visit(f"{demo.url}/demo/")
    seen.page.get_by_role("button", name="Sync a warehouse").click()
    seen.until("witness.states.at(-1)?.percent > 0")
    first = seen.text("identity")
    seen.page.reload()  # which goes on with the same operation
    seen.until("witness.states.at(-1)?.percent > 0")
    assert seen.text("identity") == first
    seen.page.get_by_role("button", name="Cancel").click()
    assert "Cancelled on the page" in seen.ended()
    seen.page.get_by_role("button", name="Try again").click()
    seen.until(f"document.querySelector('#identity').textContent !== '{first}'")
    seen.until("witness.states.at(-1)?.status === 'PROCESSING'")
    seen.page.get_by_role("button", name="Cancel").click()
    assert "Cancelled on the page" in seen.ended()
    with demo.api() as api:
        assert [api.status(id)["status"] for id in (first, seen.text("identity"))] == ["CANCELLED"] * 2


def test_a_failure_shows_its_problem(demo: Server, visit: Open) -> None:
    with demo.api() as api:
        id = api.submit("/imports/customers", {"csv": "name,email\nEve,not an address\n"})
    seen = visit(f"{demo.url}/demo/#{id}")
    assert "No Valid Customers" in seen.ended()
    link = seen.page.get_by_role("link", name="What that means").get_attribute("href")
    assert link == f"{demo.url}/problems/no-valid-customers"


def test_an_operation_that_is_not_there(demo: Server, visit: Open) -> None:
    seen = visit(f"{demo.url}/demo/#op-{'0' * 26}")
    assert "Operation Not Found" in seen.page.get_by_role("alert").inner_text()


def test_a_refused_order_says_what_is_wrong(demo: Server, visit: Open) -> None:
    seen = visit(f"{demo.url}/demo/")
    seen.page.get_by_label("From", exact=True).fill("2017-03-01")
    seen.page.get_by_label("To", exact=True).fill("2017-02-01")
    seen.page.get_by_role("button", name="Order the sales report").click()
    assert "the range ends (2017-02-01) before it starts" in seen.page.get_by_role("alert").inner_text()


def test_lost_history_is_said(demo: Server, visit: Open) -> None:
    with demo.api() as api:
        id = api.submit("/syncs/warehouse", {"failures": 0, "seconds": 4})
        seen = visit(f"{demo.url}/demo/#{id}")
        seen.until("witness.states.at(-1)?.percent > 0")
        seen.page.evaluate("followed.source.close(), followed.lastId = '99999-0', listen(followed)")
        assert "The result is there" in seen.ended()
    assert "Some of the history is gone" in seen.text("lines")


def test_it_fits_a_small_screen(demo: Server, visit: Open) -> None:
    with demo.api() as api:
        id = api.submit("/reports/sales", {"dateRange": {"start": "2017-01-01", "end": "2017-01-31"}, "format": "PDF"})
        seen = visit(f"{demo.url}/demo/#{id}")
    seen.page.set_viewport_size({"width": 320, "height": 640})
    seen.ended()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 320


# --- the same page from elsewhere, as a plain file


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The folder of examples, as `python -m http.server` serves it."""
    handler = functools.partial(Quiet, directory=str(ROOT / "examples"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Writes no log."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, elsewhere: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    with Server(folder, target="tests.browser.hostile:app", ACCEPTED_ALLOWED_ORIGINS=elsewhere) as server:
        yield server


@pytest.mark.parametrize("path", ["/hostile", "/hostile-failure"])
def test_hostile_text_is_shown_as_text(hostile: Server, elsewhere: str, visit: Open, path: str) -> None:
    with hostile.api() as api:
        id = api.submit(path)
        api.ended(id)
    seen = visit(f"{elsewhere}/progress.html?server={hostile.url}#{id}")
    assert TAG in seen.ended()
    if path == "/hostile":
        assert TAG in seen.text("lines")
        assert TAG in seen.text("phases")
    assert seen.page.locator("img").count() == 0
    assert seen.page.evaluate("window.owned") is None


@pytest.mark.parametrize(
    "target", ["javascript:alert(1)", "data:text/html,x", "//elsewhere.example/x", "http://[", "ftp://x"]
)
def test_a_link_leads_to_the_server_or_nowhere(demo: Server, visit: Open, target: str) -> None:
    seen = visit(f"{demo.url}/demo/")
    assert seen.page.evaluate("([target]) => linkTo(target, 'here').outerHTML", [target]).startswith("<span>")
    assert seen.page.evaluate("linkTo('/reports/rpt-1', 'here').href") == f"{demo.url}/reports/rpt-1"


def test_a_server_that_does_not_allow_it(demo: Server, elsewhere: str, visit: Open) -> None:
    seen = visit(f"{elsewhere}/progress.html?server={demo.url}#op-{'0' * 26}")
    seen.until("!document.querySelector('#refused').hidden")
    assert "does not let this page read it" in seen.text("refused")


# --- how the demo serves it


def test_the_demo_serves_the_example_with_a_strict_policy(demo: Server) -> None:
    with demo.api() as api:
        answer = api.get("/demo/")
        assert answer.text == (ROOT / "examples" / "progress.html").read_text(encoding="utf-8")
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert api.head("/demo/").headers["content-length"] == str(len(answer.content))
        assert api.post("/demo/").status_code == 405
        assert [api.get(path).headers["location"] for path in ("/", "/demo")] == ["/demo/"] * 2


def test_it_needs_nothing_from_elsewhere() -> None:
    html = Path(demo_page.__file__).with_name("progress.html").read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href)="(?!data:)""", html) == []
    dangerous = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
    assert [word for word in dangerous if word in html] == []


def test_a_waiting_browser_is_no_reason_to_stay(tmp_path: Path, visit: Open) -> None:
    with Server(tmp_path, target="demo", ACCEPTED_DRAIN_TIMEOUT="2s") as server:
        with httpx2.Client(base_url=server.url, trust_env=False) as client:
            id = client.post("/syncs/warehouse", json={"failures": 0, "seconds": 60}).json()["operationId"]
        seen = visit(f"{server.url}/demo/#{id}")
        seen.until("witness.states.at(-1)?.percent > 0")
        assert server.end() < 10
        seen.until("document.querySelector('#connection').dataset.state === 'reconnecting'")
