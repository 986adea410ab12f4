"""Contract, section 9: a job's document, and the history with its filters, pages and cursor."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from tests.clock import MovableClock
from tests.http.api import Api, Document, document, eventually, problem
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

Page = dict[str, Any]


async def page(api: Api, **query: Any) -> Page:
    answer = await api.get("/jobs", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return document(answer)


def ids(page: Page) -> list[str]:
    return [row["jobId"] for row in page["data"]]


async def submitted(api: Api, number: int, path: str = "/noops") -> list[str]:
    """The job ids of so many submits, newest first."""
    made = [(await api.submit(path))["operationId"] for _ in range(number)]
    return sorted((id.replace("op-", "job-") for id in made), reverse=True)  # within one millisecond ids decide


async def job(api: Api, id: str) -> Document:
    answer = await api.get(f"/jobs/job-{id[3:]}")
    assert answer.status_code == 200, answer.text
    return document(answer)


async def test_a_job_that_waits(idle: Api) -> None:
    made = await idle.submit("/noops")
    id, job_id = made["operationId"], made["operationId"].replace("op-", "job-")
    assert await job(idle, id) == {
        "jobId": job_id,
        "operationId": id,
        "type": "noop",
        "status": "PENDING",
        "attempt": 0,
        "timestamps": {"submitted": made["createdAt"]},
        "links": {
            "self": f"/jobs/{job_id}",
            "cancel": f"/jobs/{job_id}/cancel",
            "logs": f"/jobs/{job_id}/logs",
            "operation": f"/operations/{id}",
        },
    }


async def test_a_job_that_runs_shows_its_progress(api: Api, gates: Gates) -> None:
    id = (await api.submit("/phases"))["operationId"]
    await gates.steps[0][0].passed()
    found = await eventually(lambda: job(api, id), lambda found: "phase" in found["progress"])
    assert (found["status"], found["attempt"], found["progress"]["phase"]) == ("PROCESSING", 1, "VALIDATION")
    assert set(found["timestamps"]) == {"submitted", "started"}


async def test_a_job_that_has_ended(api: Api) -> None:
    for _ in range(4):
        done = await api.run("/noops")
    times = (await job(api, done["operationId"]))["timestamps"]
    assert times == {
        "submitted": done["createdAt"],
        "started": done["startedAt"],
        "completed": done["completedAt"],
    }


async def test_a_job_with_history_has_an_estimate(api: Api, gates: Gates) -> None:
    for _ in range(3):
        assert (await api.post("/noops", headers={"Prefer": "wait=10"})).status_code == 303
    await api.app.stop()
    idle = Api(api.app)
    await idle.app.start(worker=False)
    id = (await idle.submit("/noops"))["operationId"]
    times = (await job(idle, id))["timestamps"]
    assert times["submitted"] <= times["estimatedCompletion"]


@pytest.mark.parametrize("id", ["job-" + "0" * 26, "op-" + "0" * 26, "x", "job-"])
async def test_what_is_no_job_is_404(idle: Api, id: str) -> None:
    problem(await idle.get(f"/jobs/{id}"), 404, "operation-not-found")
    problem(await idle.get(f"/jobs/{id}/logs"), 404, "operation-not-found")
    problem(await idle.post(f"/jobs/{id}/cancel"), 404, "operation-not-found")


async def test_a_job_has_its_own_path_and_no_other(idle: Api) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    problem(await idle.get(f"/jobs/{id}"), 404, "operation-not-found")
    problem(await idle.get(f"/operations/job-{id[3:]}"), 404, "operation-not-found")


# --- history


async def test_a_row_of_the_history(make_app: MakeApp, start: Start, gates: Gates, clock: MovableClock) -> None:
    api = await start(make_app(lease_ttl="1h"))
    id = (await api.submit("/slows"))["operationId"]
    await gates.started.passed()
    clock.advance(seconds=242)
    gates.go.open()
    done = await api.ended(id)
    (row,) = (await page(api))["data"]
    assert {"jobId", "type", "status", "completedAt", "duration"} <= set(row)
    assert (row["jobId"], row["type"], row["status"]) == (f"job-{id[3:]}", "slow", "COMPLETED")
    assert row["completedAt"] == done["completedAt"]
    took = datetime.fromisoformat(done["completedAt"]) - datetime.fromisoformat(done["startedAt"])
    assert row["duration"] == pytest.approx(took.total_seconds())
    assert 242 <= row["duration"] < 252


async def test_a_row_of_what_has_not_ended_has_no_end(idle: Api) -> None:
    await idle.submit("/noops")
    (row,) = (await page(idle))["data"]
    assert not {"completedAt", "duration"} & set(row)


async def test_an_empty_history(idle: Api) -> None:
    assert await page(idle) == {"data": [], "pagination": {"page": 0, "size": 10, "totalElements": 0}}


async def test_newest_first_ten_at_a_time(idle: Api) -> None:
    made = await submitted(idle, 25)
    first = await page(idle)
    assert ids(first) == made[:10]
    times = [row["submittedAt"] for row in first["data"]]
    assert times == sorted(times, reverse=True)
    assert {name: first["pagination"][name] for name in ("page", "size", "totalElements")} == {
        "page": 0,
        "size": 10,
        "totalElements": 25,
    }
    assert "next" in first["pagination"]


async def test_page_works_as_the_pattern_document_has_it(idle: Api) -> None:
    made = await submitted(idle, 25)
    pages = [await page(idle, limit=10, page=number) for number in range(4)]
    assert [ids(found) for found in pages] == [made[:10], made[10:20], made[20:], []]
    assert [found["pagination"]["page"] for found in pages] == [0, 1, 2, 3]
    assert ["next" in found["pagination"] for found in pages] == [True, True, False, False]


async def pages(api: Api, limit: int) -> AsyncIterator[Page]:
    """All pages from the newest on, by the cursor."""
    found = await page(api, limit=limit)
    yield found
    while "next" in found["pagination"]:
        found = await page(api, limit=limit, cursor=found["pagination"]["next"])
        yield found


async def test_the_cursor_goes_on_where_a_page_ended(idle: Api) -> None:
    made = await submitted(idle, 25)
    seen = []
    async for found in pages(idle, 7):
        seen += ids(found)
        assert found["pagination"]["totalElements"] == 25
    assert seen == made


async def test_the_cursor_does_not_drift_while_new_ones_arrive(api: Api) -> None:
    made = await submitted(api, 23)
    seen = []
    async for found in pages(api, 5):
        seen += ids(found)
        await submitted(api, 3)
    assert seen == made


async def test_a_page_that_ends_with_the_last_one_has_no_next(idle: Api) -> None:
    await submitted(idle, 4)
    assert "next" not in (await page(idle, limit=4))["pagination"]
    halves = await page(idle, limit=2)
    last = await page(idle, limit=2, cursor=halves["pagination"]["next"])
    assert len(last["data"]) == 2
    if "next" in last["pagination"]:  # a cursor that turns out to lead nowhere is allowed to be empty, not wrong
        assert (await page(idle, limit=2, cursor=last["pagination"]["next"]))["data"] == []


@pytest.fixture
async def mixed(api: Api, gates: Gates) -> dict[str, list[str]]:
    """Operations of many kinds: state -> job ids."""
    ends = {"COMPLETED": "/noops", "COMPLETED_WITH_ERRORS": "/warnings", "FAILED": "/finals"}
    made = {state: [(await api.run(path))["operationId"] for _ in range(3)] for state, path in ends.items()}
    made["PROCESSING"] = [(await api.submit("/slows"))["operationId"]]
    await gates.started.passed()
    return {state: [f"job-{id[3:]}" for id in sorted(found, reverse=True)] for state, found in made.items()}


async def test_status_filters_and_may_repeat(api: Api, mixed: dict[str, list[str]]) -> None:
    for state, wanted in mixed.items():
        found = await page(api, status=state)
        assert ids(found) == wanted
        assert {row["status"] for row in found["data"]} == {state}
        assert found["pagination"]["totalElements"] == len(wanted)
    both = await page(api, status=["COMPLETED", "FAILED"])
    assert ids(both) == mixed["FAILED"] + mixed["COMPLETED"]
    assert ids(await page(api, status=["CANCELLED"])) == []


async def test_type_filters(api: Api, mixed: dict[str, list[str]]) -> None:
    assert ids(await page(api, type="noop")) == mixed["COMPLETED"]
    assert ids(await page(api, type=["noop", "slow"])) == mixed["PROCESSING"] + mixed["COMPLETED"]
    assert ids(await page(api, type="never-heard-of")) == []


async def test_filters_go_together_with_page_and_cursor(api: Api, mixed: dict[str, list[str]]) -> None:
    query = {"status": ["COMPLETED", "FAILED"], "type": "final", "limit": 2}
    first = await page(api, **query)
    assert (ids(first), first["pagination"]["totalElements"]) == (mixed["FAILED"][:2], 3)
    assert ids(await page(api, **query, page=1)) == mixed["FAILED"][2:]
    assert ids(await page(api, **query, cursor=first["pagination"]["next"])) == mixed["FAILED"][2:]


async def test_others_operations_are_not_in_it(idle: Api) -> None:
    await idle.app.submit("noop", owner="somebody")
    mine = await submitted(idle, 2)
    found = await page(idle)
    assert (ids(found), found["pagination"]["totalElements"]) == (mine, 2)


@pytest.mark.parametrize("limit", [1, 100])
async def test_the_bounds_of_limit(idle: Api, limit: int) -> None:
    await submitted(idle, 2)
    found = await page(idle, limit=limit)
    assert (len(found["data"]), found["pagination"]["size"]) == (min(limit, 2), limit)


BAD = [
    ("status", "DONE"),
    ("status", "completed"),
    ("status", ""),
    ("limit", "0"),
    ("limit", "101"),
    ("limit", "-1"),
    ("limit", "ten"),
    ("limit", "1.5"),
    ("limit", ""),
    ("limit", "\u0663"),
    ("limit", "9" * 5000),
    ("page", "-1"),
    ("page", "x"),
    ("page", "99999999999"),
    ("cursor", ""),
    ("cursor", "x"),
    ("cursor", "!!!"),
    ("cursor", "b3AtMQ"),
    ("cursor", "\xfc"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
async def test_a_bad_parameter_is_422_and_named(idle: Api, name: str, value: str) -> None:
    found = problem(await idle.get("/jobs", params={name: value}), 422, "invalid-parameter")
    assert [error["parameter"] for error in found["errors"]] == [name]
    assert found["errors"][0]["detail"]


async def test_all_bad_parameters_are_named_at_once(idle: Api) -> None:
    query = {"limit": "0", "page": "x", "status": "DONE", "cursor": "?"}
    found = problem(await idle.get("/jobs", params=query), 422, "invalid-parameter")
    assert {error["parameter"] for error in found["errors"]} == set(query)


async def test_too_many_parameters_are_422(idle: Api) -> None:
    problem(await idle.get("/jobs?" + "&".join(["status=FAILED"] * 500)), 422, "invalid-parameter")
