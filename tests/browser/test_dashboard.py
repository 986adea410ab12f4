"""The dashboard in a real browser, against a real server: every view, what can be done there, and how it lives."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.board import Board
from tests.processes.serving import Server

Show = Callable[..., Board]

SYNC = "/syncs/warehouse"
LONG = {"failures": 0, "seconds": 300}
BAD = {"csv": "name,email\nEve,not an address\n"}
GOOD = {"csv": "name,email\nAda,ada@example.com\n"}


@pytest.fixture
def show(chromium: Browser) -> Iterator[Show]:
    """Opens a dashboard; nothing on it may go wrong."""
    boards: list[Board] = []
    contexts = []

    def opened(server: str, query: str = "", *, width: int = 1200, dark: bool = False) -> Board:
        viewport = {"width": width, "height": 900}
        context = chromium.new_context(viewport=viewport, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]  # of a size
        contexts.append(context)
        boards.append(Board(context.new_page(), server))
        return boards[-1].goto(query)

    yield opened
    for context in contexts:
        context.close()
    assert [error for board in boards for error in board.errors] == []


def test_the_overview_lives_by_one_stream(demo: Server, show: Show) -> None:
    board = show(demo.url)
    board.live()
    before = board.page.locator(".tile").nth(1).locator(".figure").inner_text()
    with demo.api() as api:
        ids = [api.submit(SYNC, LONG) for _ in range(2)]
        board.sees(".tile:nth-child(2) .figure", str(int(before) + 2))
        board.sees("table.figures tbody tr", "warehouse-sync")
        api.ended(api.submit("/imports/customers", BAD))
        board.sees(".rows .row", "customer-import")
        board.until("document.querySelectorAll('.chart rect[data-tone=FAILED]').length > 0")
        assert len(board.streams) == 1
        for id in ids:
            api.post(f"/operations/{id}/cancel")


def test_a_list_changes_where_it_stands(demo: Server, show: Show) -> None:
    with demo.api() as api:
        id = api.submit(SYNC, LONG)
        board = show(demo.url, "?view=operations&type=warehouse-sync")
        board.sees(f"tr:has([value='{id}']) .badge", "Processing")
        board.sees(f"tr:has([value='{id}']) .took", "%")
        later = api.submit(SYNC, {"failures": 0, "seconds": 1})
        board.sees(f"tr:has([value='{later}']) .badge", "Completed")
        api.post(f"/operations/{id}/cancel")
    board.sees(f"tr:has([value='{id}']) .badge", "Cancelled")
    assert len(board.streams) == 1


def test_the_address_holds_what_is_looked_at(demo: Server, show: Show) -> None:
    with demo.api() as api:
        failed = api.submit("/imports/customers", BAD)
        api.ended(failed)
        api.ended(api.submit("/imports/customers", GOOD))
    board = show(demo.url, "?view=operations")
    page = board.page
    page.get_by_role("button", name="Failed").click()
    page.wait_for_url("**status=FAILED**")
    board.until("[...document.querySelectorAll('tbody .badge')].every((badge) => badge.dataset.status === 'FAILED')")
    page.get_by_role("link", name="customer-import").first.click()
    page.wait_for_url("**operation=op-**")
    expect(page.get_by_role("heading", name="customer-import")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("button", name="Failed")).to_have_attribute("aria-pressed", "true")
    page.reload()
    board.sees("tbody .badge", "Failed")
    assert set(board.statuses()) == {"Failed"}
    page.go_back()
    expect(page.get_by_role("button", name="Failed")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("searchbox").fill(failed[:14])
    page.get_by_role("searchbox").press("Enter")
    board.sees(".id", failed)
    page.get_by_role("searchbox").fill(failed)
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url(f"**operation={failed}")
    assert board.until("document.title") == "customer-import · Accepted"


def test_one_operation_from_its_order_to_its_result(demo: Server, show: Show) -> None:
    with demo.api() as api:
        period = {"start": "2017-01-01", "end": "2017-12-31"}
        id = api.submit("/reports/sales", {"dateRange": period, "format": "PDF"})
        board = show(demo.url, f"?operation={id}")
        board.sees(".badge", "Completed")
    page = board.page
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    board.sees("pre", '"format": "PDF"')
    board.sees(".file-name", "sales-2017-01-01-to-2017-12-31.pdf")
    board.sees(".log li", "transactions in 365 days")
    assert page.locator(".phases li[data-phase=COMPLETED]").count() == 3
    bars = page.locator(".bars .bar-name").all_inner_texts()
    assert bars[:2] == ["Waiting", "Attempt 1"]
    assert {"VALIDATION", "DATA_PROCESSING", "REPORT_GENERATION"} <= set(bars)
    assert page.locator(".moments li").last.inner_text().endswith("Completed")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download file").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
    board.live()
    board.until("true")
    assert len(board.streams) == 1


def test_attempts_are_told_apart(demo: Server, show: Show) -> None:
    with demo.api() as api:
        id = api.submit(SYNC, {"failures": 1, "seconds": 1})
        board = show(demo.url, f"?operation={id}")
        board.sees(".badge", "Completed")
    board.sees(".bars .bar-name", "Attempt 2")
    words = board.page.locator(".moments span").all_inner_texts()
    assert words == ["Submitted", "Attempt 1 began", "Handed back after attempt 1", "Attempt 2 began", "Completed"]


def test_it_is_cancelled_with_a_reason_and_tried_again(demo: Server, show: Show) -> None:
    with demo.api() as api:
        id = api.submit(SYNC, LONG)
        board = show(demo.url, f"?operation={id}")
        page = board.page
        board.sees(".badge", "Processing")
        page.get_by_role("button", name="Cancel").click()
        page.keyboard.press("Escape")
        assert api.status(id)["status"] == "PROCESSING", "a question that is not answered changes nothing"
        page.get_by_role("button", name="Cancel").click()
        page.get_by_label("Reason").fill("It was a mistake.")
        page.get_by_role("button", name="Cancel it").click()
        board.sees(".badge", "Cancelled")
        board.sees(".card", "It was a mistake.")
        page.get_by_role("button", name="Retry").click()
        page.get_by_role("button", name="Retry it").click()
        page.wait_for_url(lambda url: id not in url and "operation=op-" in url)
        board.sees(".badge", "Processing")
        board.sees(".facts", id)
        again = re.findall("op-[0-9a-z]{26}", page.url)[0]
        api.post(f"/operations/{again}/cancel")


def test_many_at_once_after_a_question(demo: Server, show: Show) -> None:
    with demo.api() as api:
        ids = [api.submit(SYNC, LONG) for _ in range(3)]
        board = show(demo.url, "?view=operations&status=PROCESSING,PENDING&type=warehouse-sync")
        page = board.page
        for id in ids[:2]:
            page.get_by_label(f"Select warehouse-sync {id}").check()
        board.sees(".bulk", "2 selected")
        page.get_by_role("button", name="Cancel 2").click()
        page.get_by_role("button", name="Cancel 2 operations").click()
        board.sees(".toast", "2 cancelled")
        assert [api.status(id)["status"] for id in ids] == ["CANCELLED", "CANCELLED", "PROCESSING"]
        api.post(f"/operations/{ids[2]}/cancel")


def test_workers_and_what_they_run(demo: Server, show: Show) -> None:
    with demo.api() as api:
        id = api.submit(SYNC, LONG)
        board = show(demo.url, "?view=workers")
        board.sees(".worker", "Alive")
        board.sees(".worker .row", "warehouse-sync")
        board.sees("section.card tbody tr", "warehouse-sync")
        board.page.locator(f".worker .row a[href*='{id}']").click()  # others may run beside it
        board.sees(".identity", id)
        api.post(f"/operations/{id}/cancel")


def test_a_lost_connection_is_said_and_comes_back(demo: Server, show: Show) -> None:
    board = show(demo.url, "?view=operations")
    board.live()
    demo.kill("web", signal.SIGKILL)
    board.until("document.querySelector('#connection').dataset.state === 'reconnecting'")
    board.live()
    with demo.api() as api:
        id = api.submit("/imports/customers", GOOD)
    board.sees(f"tr:has([value='{id}']) .badge", "Completed")
    assert len(board.streams) == 1


def test_what_is_not_there(demo: Server, show: Show) -> None:
    board = show(demo.url, f"?operation=op-{'0' * 26}")
    board.sees("[role=alert]", "There is no operation with this id.")
    board.goto("?view=operations&search=op-0000")
    board.sees(".empty", "Nothing fits these filters")


# --- with the keyboard alone


def test_a_walk_with_the_keyboard(demo: Server, show: Show) -> None:
    with demo.api() as api:
        ids = [api.submit(SYNC, LONG) for _ in range(2)]
        board = show(demo.url)
        board.live()
        keys = board.page.keyboard
        keys.press("Tab")
        assert board.until("document.activeElement.textContent") == "Skip to content"
        for key in "gl":
            keys.press(key)
        board.page.wait_for_url("**view=operations")
        board.sees("tbody tr", ids[0])
        keys.press("/")
        assert board.until("document.activeElement.type") == "search"
        keys.press("Escape")
        for key in "jjx":
            keys.press(key)
        board.sees(".bulk", "1 selected")
        keys.press("Escape")
        board.until("document.querySelector('.bulk').hidden")
        board.page.locator("tbody a.type").first.focus()
        keys.press("Enter")
        board.page.wait_for_url("**operation=op-**")
        board.sees(".badge", "Processing")
        keys.press("c")
        board.until("document.activeElement.id === 'reason' || document.activeElement.closest('dialog') !== null")
        keys.press("Escape")
        keys.press("?")
        board.sees("dialog", "Keyboard shortcuts")
        keys.press("Escape")
        for id in ids:
            api.post(f"/operations/{id}/cancel")


def test_what_tab_reaches_can_be_seen(demo: Server, show: Show) -> None:
    board = show(demo.url, "?view=operations")
    board.live()
    reached = set()
    for _ in range(30):
        board.page.keyboard.press("Tab")
        outlined, name = board.page.evaluate(
            "[getComputedStyle(document.activeElement).outlineStyle !== 'none', "
            "document.activeElement.ariaLabel || document.activeElement.textContent]"
        )
        assert outlined or name == "", name
        reached.add(str(name).strip())
    assert {"Overview", "Operations", "Workers", "Search by id", "Type"} <= reached


# --- for everybody


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 760, 1200])
def test_every_view_measures_up(demo: Server, show: Show, width: int, dark: bool) -> None:
    with demo.api() as api:
        done = api.submit("/imports/customers", {"csv": f"name,email\nAda,ada@example.com\n{'x' * 400},bad\n"})
        failed, running = api.submit("/imports/customers", BAD), api.submit(SYNC, LONG)
        api.ended(done), api.ended(failed), api.started(running)
        queries = ["", "?view=operations", "?view=workers", *(f"?operation={id}" for id in (done, failed, running))]
        board = show(demo.url, width=width, dark=dark)
        for query in queries:
            board.goto(query)
            board.live()
            board.until("document.querySelector('main .empty[role=status]') === null")
            assert board.measured() == [], query
        api.post(f"/operations/{running}/cancel")


def test_the_measures_measure(demo: Server, show: Show) -> None:
    board = show(demo.url, "?view=operations")
    board.live()
    assert board.measured() == []
    board.page.evaluate("document.querySelector('main h1').style.color = '#aaa'")
    board.page.evaluate("document.querySelector('main').style.width = '3000px'")
    board.page.evaluate("document.querySelector('#theme').removeAttribute('aria-label')")
    board.page.evaluate("document.querySelector('#theme').removeAttribute('title')")
    board.page.evaluate("document.querySelector('#theme').textContent = ''")
    assert {found.partition(":")[0].partition(" 2.")[0] for found in board.measured()} == {
        "contrast", "wider than the screen", "no name",
    }  # fmt: skip
