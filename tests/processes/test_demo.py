"""`accepted demo` as a visitor meets it: the four operations over HTTP, each to its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.processes.api import Api
from tests.processes.deadline import until
from tests.processes.figures import Figures
from tests.processes.serving import DEMO, Server

JANUARY = {"start": "2017-01-01", "end": "2017-01-31"}
YEAR = {"start": "2017-01-01", "end": "2017-12-31"}
LONG = 60.0  # seconds; the work is real, and the machine may be busy


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo on a database of its own, started for the second time, as the guarantee counts."""
    folder = tmp_path_factory.mktemp("demo")
    with Server(folder, target=DEMO) as first:
        first.end()
    with Server(folder, target=DEMO) as server:
        yield server
        server.end()


@pytest.fixture
def api(demo: Server) -> Iterator[Api]:
    with demo.api(LONG) as api:
        yield api


def test_it_starts_in_seconds_and_says_what_to_try(demo: Server, figures: Figures) -> None:
    said = demo.output.read_text()
    assert f"curl -i {demo.url}/reports/sales" in said
    assert "$URL" not in said
    assert demo.started_in < 5
    figures.note("demo: second start until ready with a worker", f"{demo.started_in:.2f} s")


@pytest.mark.parametrize(
    ("form", "begins"), [("PDF", b"%PDF-"), ("CSV", b"department,"), ("JSON", b"{")], ids=["PDF", "CSV", "JSON"]
)
def test_a_sales_report(api: Api, form: str, begins: bytes) -> None:
    answer = api.post("/reports/sales", json={"dateRange": JANUARY, "format": form})
    assert answer.status_code == 202
    document = api.ended(answer.json()["operationId"], LONG)
    assert document["status"] == "COMPLETED"
    assert document["result"]["transactions"] > 50_000
    poll = api.get(answer.headers["Location"])
    assert (poll.status_code, poll.headers["Location"]) == (303, document["result"]["url"])
    report = api.get(poll.headers["Location"])
    assert poll.headers["Location"].startswith("/reports/rpt-")
    assert (report.status_code, len(report.content)) == (200, document["result"]["size"])
    assert report.content.startswith(begins)


def test_a_report_shows_its_three_phases(api: Api) -> None:
    operation = api.submit("/reports/sales", {"dateRange": YEAR, "format": "PDF"})
    seen: list[dict[str, Any]] = []

    def ended() -> bool:
        seen.append(api.status(operation))
        return bool(seen[-1]["status"] == "COMPLETED")

    until("it has ended", ended, LONG)
    names = [phase["name"] for phase in seen[0]["progress"]["phases"]]
    assert names == ["VALIDATION", "DATA_PROCESSING", "REPORT_GENERATION"]
    percentages = [document["progress"].get("percentage", 0) for document in seen]
    assert percentages == sorted(percentages)
    assert len(set(percentages)) > 3
    assert percentages[-1] == 100


def test_an_import_with_gaps_and_one_without_a_single_good_row(api: Api) -> None:
    rows = "name,email,household_id\nAda,ada@example.org,1001\nBob,,1003\nEve,not an address,1\n"
    document = api.ended(api.submit("/imports/customers", {"csv": rows}), LONG)
    assert document["status"] == "COMPLETED_WITH_ERRORS"
    assert "MISSING_DATA" in {warning["code"] for warning in document["result"]["warnings"]}
    failed = api.ended(api.submit("/imports/customers", {"csv": "name,email\nEve,not an address\n"}), LONG)
    assert failed["status"] == "FAILED"


def test_an_export_is_a_file(api: Api) -> None:
    operation = api.submit("/exports/transactions", {"dateRange": YEAR, "household": 1001})
    result = api.ended(operation, LONG)["result"]
    content = api.get(result["url"])
    assert (content.headers["content-type"], len(content.content)) == ("text/csv; charset=utf-8", result["size"])
    assert len(content.text.splitlines()) == result["transactions"] + 1
    part = api.get(result["url"], headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, content.content[:10])


def test_a_sync_is_tried_again_until_it_succeeds(api: Api) -> None:
    document = api.ended(api.submit("/syncs/warehouse", {"failures": 1, "seconds": 0.2}), LONG)
    assert (document["status"], document["attempt"]) == ("COMPLETED", 2)
    assert document["result"]["simulated"] is True


def test_the_history_lists_them_all(api: Api) -> None:
    api.ended(api.submit("/syncs/warehouse", {"failures": 0, "seconds": 0}), LONG)
    jobs = api.get("/jobs", params={"type": "warehouse-sync", "status": "COMPLETED"}).json()
    assert jobs["pagination"]["totalElements"] >= 1
    assert {job["type"] for job in jobs["data"]} == {"warehouse-sync"}
