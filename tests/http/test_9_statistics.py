"""Contract, section 9: statistics, the stream of everything, the input, and a history narrowed to a span."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from accepted.contract.problem import Overloaded
from accepted.contract.statistic import HISTORY
from tests.clock import MovableClock
from tests.http.api import Api, Document, document, problem
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates
from tests.http.streaming import Reader
from tests.http.test_13_keys import key


async def statistics(api: Api) -> Document:
    """As they are now, and not as they were a moment ago."""
    api.app.node.overview._reading.clear()
    answer = await api.get("/statistics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return document(answer)


async def written(api: Api) -> Document:
    """The same once all counts of this process are stored."""
    await api.app.node.census.write()
    return await statistics(api)


async def test_every_way_to_end_is_counted(api: Api) -> None:
    for path in ("/noops", "/noops", "/warnings", "/failures"):
        await api.run(path)
    found = await written(api)
    ended = {"COMPLETED": 2, "COMPLETED_WITH_ERRORS": 1, "FAILED": 1}
    assert {status: n for status, n in found["operations"].items() if n} == ended
    assert found["lastHour"]["ended"] == ended
    assert found["lastHour"]["submitted"] == 4
    assert found["lastHour"]["successRate"] == 0.75
    assert set(found["lastHour"]["wait"]) == set(found["lastHour"]["run"]) == {"p50", "p95", "p99"}
    assert len(found["minutes"]) == HISTORY
    assert sum(minute.get("submitted", 0) for minute in found["minutes"]) == 4
    assert [of["type"] for of in found["types"]] == ["failing", "noop", "warning"]


async def test_the_queue_and_who_runs_what(api: Api, gates: Gates) -> None:
    made = await api.submit("/slows")
    await gates.started.passed()
    found = await statistics(api)
    (worker,) = found["workers"]
    assert worker["alive"]
    assert [running["jobId"] for running in worker["running"]] == [made["operationId"].replace("op-", "job-")]
    assert found["operations"]["PROCESSING"] == 1
    gates.open_all()


async def test_the_queue_has_an_age(idle: Api, clock: MovableClock) -> None:
    made = await idle.submit("/noops")
    clock.advance(30)
    found = await statistics(idle)
    assert found["queue"] == {"depth": 1, "oldestDueAt": made["createdAt"]}
    assert found["workers"] == []


async def test_two_processes_add_up(make_app: MakeApp, start: Start) -> None:
    """What one node accepts and another one runs is counted by each, once."""
    web, worker = await start(make_app(worker=False)), await start(make_app())
    for _ in range(3):
        await web.run("/noops")
    for each in (web, worker, web, worker):
        await each.app.node.census.write()
    for each in (web, worker):
        hour = (await statistics(each))["lastHour"]
        assert (hour["submitted"], hour["ended"]) == (3, {"COMPLETED": 3})


async def test_counts_that_cannot_be_stored_are_stored_later(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.run("/noops")
    committer = api.app.node.committer
    with monkeypatch.context() as broken:
        broken.setattr(committer, "commit", _refuse)
        await api.app.node.census.write()
    assert "submitted" not in (await statistics(api))["lastHour"]
    assert (await written(api))["lastHour"]["submitted"] == 1


def _refuse(*_: object) -> None:
    raise Overloaded("not now")


async def test_counts_outlive_their_process(make_app: MakeApp, start: Start) -> None:
    first = await start(make_app())
    await first.run("/noops")
    await first.app.stop()
    second = await start(make_app())
    assert (await statistics(second))["lastHour"]["submitted"] == 1


# --- the stream


async def test_the_stream_begins_with_everything(idle: Api) -> None:
    reader = Reader(idle.app, "/statistics/stream")
    (event,) = await reader.until(1)
    assert (event.name, event.document["operations"]["PENDING"]) == ("statistics", 0)
    assert reader.headers["content-type"] == "text/event-stream"
    await reader.leave()


async def test_changes_are_told_as_rows_and_joined(idle: Api) -> None:
    reader = Reader(idle.app, "/statistics/stream")
    await reader.until(1)
    made = [(await idle.submit("/noops"))["operationId"] for _ in range(3)]
    idle.app.node.overview._reading.clear()
    await idle.app.node.overview.look()
    events = await reader.until(3)
    changes = next(event for event in events if event.name == "operations").document
    assert {row["jobId"].replace("job-", "op-") for row in changes["data"]} == set(made)
    assert changes["data"] == (await rows(idle, changes["data"]))
    assert events[-1].document["operations"]["PENDING"] == 3
    await reader.leave()


async def rows(api: Api, told: list[Document]) -> list[Document]:
    """The same jobs, as the history has them."""
    listed = {row["jobId"]: row for row in document(await api.get("/jobs"))["data"]}
    return [listed[row["jobId"]] for row in told]


async def test_a_flood_is_told_as_more(idle: Api) -> None:
    reader = Reader(idle.app, "/statistics/stream")
    await reader.until(1)
    for _ in range(120):
        await idle.submit("/noops")
    await reader.sees(lambda: any(e.name == "operations" and e.document["more"] for e in reader.events))
    assert all(len(e.document["data"]) <= 100 for e in reader.events if e.name == "operations")
    await reader.leave()


async def test_when_others_are_busy_is_not_told(idle: Api) -> None:
    """Whose: neither by what a stream says nor by when; what is lost is told of where it may have been theirs."""
    theirs, own = await key(idle), await key(idle, owner="watching")
    overview = idle.app.node.overview

    async def look(*, steady: bool) -> None:
        overview._reading.clear()
        await overview.look(steady=steady)

    with overview.watch("watching") as watcher:
        assert (await idle.post("/noops", headers=theirs)).status_code == 202
        overview._on_hints(None)
        await look(steady=False)
        assert watcher._snapshot is None
        await look(steady=True)
        (glance,) = await watcher.news()
        assert (glance.operations, glance.more, dict(glance.snapshot.counts)) == ((), False, {})

        made = (await idle.post("/noops", headers=own)).json()["operationId"]
        await look(steady=False)
        (glance,) = await watcher.news()
        assert [operation.id for operation in glance.operations] == [made]

        await idle.post("/noops", headers=own)
        overview._changed.clear()
        overview._on_hints(None)
        await look(steady=False)
        assert watcher._snapshot is None
        await look(steady=True)
        (glance,) = await watcher.news()
        assert (glance.operations, glance.more) == ((), True)


async def test_the_stream_ends_with_the_server(api: Api) -> None:
    reader = Reader(api.app, "/statistics/stream")
    await reader.until(1)
    api.app.drain()
    await reader.ended()
    assert b"the server is about to stop" in reader.body


# --- the input


async def test_the_input_is_what_was_sent(api: Api) -> None:
    value: Any = {"text": "späß", "n": [1, 2.50, None]}
    made = await api.submit("/echoes", value)
    answer = await api.get(f"/operations/{made['operationId']}/input")
    assert (answer.status_code, json.loads(answer.content)) == (200, value)
    none = await api.submit("/noops")
    assert (await api.get(f"/operations/{none['operationId']}/input")).json() is None


async def test_the_input_goes_with_its_operation(api: Api, clock: MovableClock) -> None:
    made = await api.run("/noops")
    clock.advance(hours=25)
    await api.sweep()
    problem(await api.get(f"/operations/{made['operationId']}/input"), 410, "operation-expired")
    problem(await api.get(f"/operations/op-{'0' * 26}/input"), 404, "operation-not-found")


# --- a span of the history


async def test_a_history_by_id(idle: Api) -> None:
    made = [(await idle.submit("/noops"))["operationId"] for _ in range(3)]
    jobs = [id.replace("op-", "job-") for id in made]
    for wanted in (made[1], jobs[1]):
        page = document(await idle.get("/jobs", params={"id": wanted}))
        assert [row["jobId"] for row in page["data"]] == [jobs[1]]
        assert "totalElements" not in page["pagination"]
    page = document(await idle.get("/jobs", params={"id": made[0][:8]}))
    assert {row["jobId"] for row in page["data"]} == set(jobs)


async def test_a_history_by_time(idle: Api, clock: MovableClock) -> None:
    made = []
    for _ in range(4):
        made.append(await idle.submit("/noops"))
        clock.advance(60)
    after, before = (earlier(made[number]["createdAt"]) for number in (1, 3))
    span: dict[str, Any] = {"submittedAfter": after, "submittedBefore": before, "limit": 1}
    first = document(await idle.get("/jobs", params=span))
    rest = document(await idle.get("/jobs", params={**span, "cursor": first["pagination"]["next"]}))
    found = [row["jobId"].replace("job-", "op-") for row in first["data"] + rest["data"]]
    assert found == [made[2]["operationId"], made[1]["operationId"]]


def earlier(time: str) -> str:
    return (datetime.fromisoformat(time) - timedelta(seconds=30)).isoformat()


@pytest.mark.parametrize(
    "query",
    [{"id": "op-!"}, {"id": "x"}, {"id": "op-" + "0" * 27}, {"submittedAfter": "yesterday"},
     {"submittedBefore": "2026-01-01T00:00:00"}, {"submittedAfter": ""}],
)  # fmt: skip
async def test_a_span_that_is_none(idle: Api, query: dict[str, str]) -> None:
    found = problem(await idle.get("/jobs", params=query), 422, "invalid-parameter")
    assert [error["parameter"] for error in found["errors"]] == list(query)
