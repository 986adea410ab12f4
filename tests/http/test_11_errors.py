"""Contract, section 11: every 4xx and 5xx is a problem; a definite refusal means that nothing was stored."""

import asyncio
import re

import httpx2
import pytest

from accepted.contract.problem import catalogue
from tests.databases import Database
from tests.http.api import Api, document, eventually, problem
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start
from tests.http.disk import Disk
from tests.http.gate import Gates

JSON = {"Content-Type": "application/json"}
ID = "op-" + "0" * 26
JOB = "job-" + "0" * 26

PATHS = {
    "/noops": {"POST"},
    f"/operations/{ID}": {"GET", "HEAD"},
    f"/operations/{ID}/result": {"GET", "HEAD"},
    f"/operations/{ID}/cancel": {"POST"},
    f"/operations/{ID}/retry": {"POST"},
    "/jobs": {"GET", "HEAD"},
    f"/jobs/{JOB}": {"GET", "HEAD"},
    f"/jobs/{JOB}/logs": {"GET", "HEAD"},
    f"/jobs/{JOB}/cancel": {"POST"},
    "/health": {"GET", "HEAD"},
    "/health/live": {"GET", "HEAD"},
    "/health/ready": {"GET", "HEAD"},
    "/metrics": {"GET", "HEAD"},
    "/problems": {"GET", "HEAD"},
    "/problems/not-found": {"GET", "HEAD"},
    "/openapi.json": {"GET", "HEAD"},
}

UNKNOWN = [
    "/",
    "/noop",
    "/noops/",
    "/noops/1",
    "/operations",
    "/operations/",
    f"/operations/{ID}/",
    f"/operations/{ID}/x",
    "/jobs/",
    f"/jobs/{JOB}/results",
    "//noops",
    "/NOOPS",
    "/health/dead",
    "/problems/",
    "/%F0%9F%98%80",
]


@pytest.mark.parametrize("path", UNKNOWN)
async def test_an_unknown_path_is_404_not_found(idle: Api, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = await idle.request(method, path)
        if path not in {"/operations/", "/jobs/"}:
            problem(answer, 404, "not-found")
        assert answer.status_code == 404


@pytest.mark.parametrize(("path", "methods"), PATHS.items())
async def test_a_wrong_method_is_405_with_allow(idle: Api, path: str, methods: set[str]) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - methods:
        answer = await idle.request(method, path)
        problem(answer, 405, "method-not-allowed")
        assert set(answer.headers["allow"].split(", ")) == methods


async def test_a_head_that_is_not_known_is_405_without_a_body(idle: Api) -> None:
    head = await Exchange("HEAD", "/noops").through(idle.app)
    assert (head.status, head.body, head.headers["allow"]) == (405, b"", "POST")


async def test_a_problem_is_not_kept_by_caches(idle: Api) -> None:
    assert (await idle.get("/nothing")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("slug", "title"), [(slug, title) for slug, title, _, _ in catalogue()])
async def test_get_on_a_type_explains_that_problem_to_a_person(idle: Api, slug: str, title: str) -> None:
    answer = await idle.get(f"/problems/{slug}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<h1>{title}</h1>" in answer.text
    sentences = re.findall(r"<p>(.*?)</p>", answer.text, re.DOTALL)
    assert any(len(sentence) > 20 and "." in sentence for sentence in sentences)


async def test_all_problems_are_listed(idle: Api) -> None:
    page = (await idle.get("/problems")).text
    for slug, *_ in catalogue():
        assert f'href="/problems/{slug}"' in page


async def test_a_problem_that_does_not_exist_is_404(idle: Api) -> None:
    problem(await idle.get("/problems/Nothing%20of%20that%20name"), 404, "not-found")


async def test_a_problem_that_a_function_has_named_is_explained_in_general(idle: Api) -> None:
    page = await idle.get("/problems/data-processing-error")
    assert page.status_code == 200
    assert "belongs to an operation of this application" in page.text


async def test_the_contracts_slugs_all_exist(idle: Api) -> None:
    named = """invalid-json invalid-request invalid-parameter idempotency-key-reused
        operation-expired operation-not-found result-not-ready no-result operation-not-cancellable
        operation-not-retryable polling-too-fast not-found overloaded internal-error operation-failed
        operation-timed-out worker-lost"""
    assert set(named.split()) <= {slug for slug, *_ in catalogue()}


async def test_anything_unexpected_is_500_with_no_internals_in_it(
    idle: Api, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    database.run("DROP TABLE tally")
    for answer in (await idle.get("/jobs"), await idle.post("/noops")):
        problem(answer, 500, "internal-error")
        assert not re.search(r"tally|table|sql|Error\b|Traceback|\.py", answer.text.replace("Internal Error", ""))
    assert "tally" in caplog.text, "the server's log has the details"


@pytest.mark.parametrize("host", ["evil.example.com", "testserver.evil.example.com", "", "169.254.169.254", "[::2]"])
async def test_a_host_that_is_not_its_own_is_refused(idle: Api, host: str) -> None:
    sent = await Exchange("GET", "/health", headers={"host": host}).through(idle.app)
    assert (sent.status, sent.headers["content-type"]) == (421, "application/problem+json")


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:80", "TESTSERVER"])
async def test_its_own_hosts_are_answered(idle: Api, host: str) -> None:
    assert (await Exchange("GET", "/health", headers={"host": host}).through(idle.app)).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://testserver:8080", "http://["])
async def test_a_page_from_another_origin_may_not_ask_for_changes(idle: Api, origin: str) -> None:
    problem(await idle.post("/noops", headers={"Origin": origin}), 403, "origin-not-allowed")
    assert await idle.total() == 0
    assert (await idle.get("/jobs", headers={"Origin": origin})).status_code == 200


async def test_pages_of_its_own_and_of_listed_origins_may(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False, allowed_origins=["https://app.example.com"]))
    for origin in ("http://testserver", "https://app.example.com"):
        assert (await api.post("/noops", headers={"Origin": origin})).status_code == 202


# --- 503


def assert_refused(answer: httpx2.Response, status: int, slug: str) -> None:
    problem(answer, status, slug)
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_full_disk_is_507_stores_nothing_and_heals_without_a_restart(
    disk: Disk, make_app: MakeApp, start: Start
) -> None:
    api = await start(make_app())
    small = await api.run("/echoes", "before")
    disk.fills()
    for _ in range(3):
        answer = await api.post("/echoes", json="x" * 500_000, headers={"Idempotency-Key": "large"})
        assert_refused(answer, 507, "storage-full")
    assert await api.total() == 1
    assert await api.status(small["operationId"]) == small, "what is there can be read"
    disk.is_mended()
    again = await api.post("/echoes", json="x" * 500_000, headers={"Idempotency-Key": "large"})
    assert (again.status_code, "idempotency-replayed" in again.headers) == (202, False)
    assert (await api.ended(document(again)["operationId"]))["status"] == "COMPLETED"


async def test_a_database_that_does_not_work_is_503_with_retry_after_and_heals_without_a_restart(
    disk: Disk, make_app: MakeApp, start: Start
) -> None:
    api = await start(make_app())
    id = (await api.run("/noops"))["operationId"]
    disk.breaks()
    assert_refused(await api.post("/noops"), 503, "overloaded")
    assert_refused(await api.get(f"/operations/{id}"), 503, "overloaded")
    assert_refused(await api.get("/jobs"), 503, "overloaded")
    assert_refused(await api.post(f"/operations/{id}/cancel"), 503, "overloaded")
    disk.is_mended()
    assert await api.total() == 1
    assert (await api.run("/noops"))["status"] == "COMPLETED"


async def test_what_ends_while_the_database_does_not_work_is_not_lost(
    disk: Disk, make_app: MakeApp, start: Start, gates: Gates
) -> None:
    api = await start(make_app())
    id = (await api.submit("/slows"))["operationId"]
    await gates.started.passed()
    disk.breaks()
    gates.go.open()
    assert_refused(await api.post("/noops"), 503, "overloaded")
    disk.is_mended()
    done = await eventually(lambda: api.status(id), lambda found: found["status"] == "COMPLETED")
    assert (done["attempt"], gates.runs) == (1, [(id, 1)])


async def test_a_server_about_to_stop_takes_no_submits_but_still_answers(api: Api) -> None:
    id = (await api.run("/noops"))["operationId"]
    api.app.drain()
    assert_refused(await api.post("/noops"), 503, "overloaded")
    assert (await api.get(f"/operations/{id}")).status_code == 303
    assert await api.total() == 1


async def test_a_server_that_stops_is_not_started_anew_by_a_request(
    make_app: MakeApp, start: Start, gates: Gates
) -> None:
    api = await start(make_app())
    await api.submit("/slows")
    await gates.started.passed()
    stopping = asyncio.create_task(api.app.stop())
    await asyncio.sleep(0)
    assert_refused(await api.post("/noops"), 503, "overloaded")
    gates.go.open()
    await stopping
