"""Contract, section 1: a submit, its 202, and what the 202 promises."""

import asyncio
import re
import time
from functools import partial

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.databases import Database, rows
from tests.http.api import Api, eventually, problem
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


async def test_there_is_one_path_for_each_registered_operation(idle: Api) -> None:
    assert (await idle.submit("/noops"))["type"] == "noop"
    assert (await idle.submit("/echoes", 1))["type"] == "echo"


async def test_the_202_names_the_status_url_and_when_to_ask_for_it(idle: Api) -> None:
    answer = await idle.post("/noops")
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["location"] == body["statusUrl"] == body["links"]["self"]
    assert answer.headers["location"] == f"/operations/{body['operationId']}"
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Prefer"


async def test_the_document_of_a_202(idle: Api) -> None:
    body = await idle.submit("/noops")
    id = body["operationId"]
    assert body["status"] == "PENDING"
    assert body["pollInterval"] == {"recommended": 1, "minimum": 1}
    assert body["links"]["cancel"] == f"/operations/{id}/cancel"
    assert body["links"]["job"] == f"/jobs/{id.replace('op-', 'job-')}"
    assert TIME.fullmatch(body["createdAt"])
    always = {"operationId", "type", "status", "createdAt", "statusUrl", "pollInterval", "links"}
    assert set(body) - {"queuePosition"} == always


async def test_the_status_is_processing_where_an_attempt_has_already_begun(api: Api, gates: Gates) -> None:
    await api.submit("/slows", Idempotency_Key="slow")
    await gates.started.passed()
    assert (await api.submit("/slows", Idempotency_Key="slow"))["status"] == "PROCESSING"


async def test_an_id_is_op_and_26_crockford_characters_of_a_uuid_version_7(idle: Api) -> None:
    before = time.time_ns() // 1_000_000
    ids = [(await idle.submit("/noops"))["operationId"] for _ in range(20)]
    after = time.time_ns() // 1_000_000
    assert len(set(ids)) == 20
    for id in ids:
        assert re.fullmatch(f"op-[{CROCKFORD}]{{26}}", id)
        number = sum(CROCKFORD.index(digit) << 5 * place for place, digit in enumerate(reversed(id[3:])))
        assert number >> 128 == 0
        assert number >> 76 & 0xF == 7
        assert number >> 62 & 0b11 == 0b10
        assert before <= number >> 80 <= after


async def test_job_with_the_same_26_characters_is_the_same_record(idle: Api) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    job = (await idle.get(f"/jobs/job-{id[3:]}")).json()
    assert job["operationId"] == id
    assert job["jobId"] == f"job-{id[3:]}"


async def test_no_byte_of_a_202_leaves_before_all_of_it_is_committed(idle: Api, database: Database) -> None:
    seen: list[int] = []

    def look() -> None:
        kept = rows(database)
        seen.extend(kept[table] for table in ("operation", "payload", "event", "idempotency_key"))

    headers = {"content-type": "application/json", "idempotency-key": "abc"}
    sent = await Exchange("POST", "/echoes", headers=headers, body=b"[1]", on_start=look).through(idle.app)
    assert sent.status == 202
    assert seen == [1, 1, 1, 1]


async def test_a_poll_right_after_the_202_finds_it_on_any_node(make_app: MakeApp, start: Start) -> None:
    here, there = await start(make_app(worker=False)), await start(make_app(worker=False))
    for _ in range(20):
        id = (await here.submit("/noops"))["operationId"]
        assert (await there.status(id))["status"] == "PENDING"


async def test_estimated_completion_is_absent_without_history_and_there_with_it(api: Api, gates: Gates) -> None:
    for _ in range(4):
        assert (await api.post("/noops", headers={"Prefer": "wait=10"})).status_code == 303
    assert "estimatedCompletion" not in await api.submit("/slows")
    known = await api.submit("/noops")
    assert known["createdAt"] <= known["estimatedCompletion"]
    assert known["estimatedCompletion"][:15] == known["createdAt"][:15]


async def test_queue_position_counts_from_one(idle: Api) -> None:
    ids = [(await idle.submit("/noops"))["operationId"] for _ in range(3)]
    for position, id in enumerate(ids, 1):
        found = await eventually(partial(idle.status, id), lambda document: "queuePosition" in document)
        assert found["queuePosition"] == position


async def test_links_honour_the_mount_point_of_the_server(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False), root_path="/api")
    answer = await api.post("/api/noops")
    id = answer.json()["operationId"]
    assert answer.headers["location"] == f"/api/operations/{id}"
    assert all(link.startswith("/api/") for link in answer.json()["links"].values())
    assert (await api.get(answer.headers["location"])).status_code == 200
    missing = await api.get("/api/nothing")
    assert missing.json()["type"] == "/api/problems/not-found"


async def test_links_honour_the_mount_point_in_a_parent_that_forgets_the_lifespan(make_app: MakeApp) -> None:
    app = make_app()
    parent = Starlette(routes=[Mount("/ops", app)])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(parent), base_url="http://testserver") as client:
        try:
            answer = await client.post("/ops/noops", headers={"Prefer": "wait=10"})
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/ops/operations/op-")
            assert (await client.get(answer.headers["location"])).json() is None
        finally:
            await app.stop()


async def test_public_url_makes_links_absolute(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False, public_url="https://ops.example.com/v1/"))
    answer = await api.post("/noops")
    assert answer.headers["location"].startswith("https://ops.example.com/v1/operations/op-")
    links = answer.json()["links"]
    assert links.pop("websocket").startswith("wss://ops.example.com/v1/operations/op-")
    assert all(link.startswith("https://ops.example.com/v1/") for link in links.values())


@pytest.mark.parametrize("body", [b"", b"{}", b"null"])
async def test_an_operation_without_input_needs_no_body(api: Api, body: bytes) -> None:
    headers = {"Content-Type": "application/json"} if body else {}
    assert (await api.post("/noops", content=body, headers=headers)).status_code == 202


async def test_an_operation_without_input_takes_none(api: Api) -> None:
    found = problem(await api.post("/noops", json={"n": 1}), 422, "invalid-request")
    assert found["errors"][0]["pointer"] == ""
    assert await api.total() == 0


async def test_the_input_reaches_the_function_exactly(api: Api) -> None:
    value = {"text": "grün \U0001f600 \u2028", "numbers": [0, -1, 1.5, 1e300, 2**63 - 1, -(2**63)], "none": None}
    done = await api.run("/echoes", value)
    assert (await api.get(f"/operations/{done['operationId']}/result")).json() == value


async def test_overload_is_503_with_retry_after_and_stores_nothing(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False, queue_limit=4))
    answers = await asyncio.gather(*(api.post("/noops") for _ in range(60)))
    refused = [answer for answer in answers if answer.status_code != 202]
    assert refused
    for answer in refused:
        problem(answer, 503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
    assert await api.total() == 60 - len(refused)
