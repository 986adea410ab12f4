"""How often an owner may ask, and how much of theirs may wait (guarantee Q1): every `Retry-After` is true."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from accepted import Accepted, Caller
from accepted.contract.caller import roles
from accepted.http.pace import Throttle
from tests.clock import MovableClock
from tests.http.api import Api, problem
from tests.http.conftest import MakeApp, Start


class Clock:
    """Time that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


# --- buckets


def test_a_bucket_gives_its_quota_at_once_and_then_its_rate() -> None:
    clock = Clock()
    throttle = Throttle(10, 5.0, clock)
    assert [throttle.take("a") for _ in range(10)] == [0.0] * 10
    assert throttle.take("a") == pytest.approx(0.5)
    assert throttle.take("b") == 0.0
    clock.now += 0.5
    assert throttle.take("a") == 0.0
    assert throttle.take("a") > 0


def test_waiting_as_long_as_told_is_enough_and_a_refusal_costs_nothing() -> None:
    clock = Clock()
    throttle = Throttle(7, 3.0, clock)
    for _ in range(1000):
        while throttle.take("a") == 0.0:
            pass
        wait = throttle.wait("a")
        assert all(throttle.take("a") == pytest.approx(wait) for _ in range(5))
        clock.now += wait
        assert throttle.take("a") == 0.0


def test_what_is_left_is_what_is_let_in() -> None:
    clock = Clock()
    throttle = Throttle(5, 10.0, clock)
    assert throttle.left("a") == (5, 0)
    throttle.take("a")
    assert throttle.left("a") == (4, 2)
    clock.now += 100
    assert throttle.left("a") == (5, 0)


def test_full_buckets_are_forgotten() -> None:
    clock = Clock()
    throttle = Throttle(1, 1.0, clock)
    for number in range(10_000):
        throttle.take(str(number))
        clock.now += 0.01
    assert len(throttle._full_at) < 1100


# --- owners


async def by_name(connection: HTTPConnection) -> Caller | None:
    """Whoever says a name has it."""
    name = connection.headers.get("authorization", "").removeprefix("Bearer ")
    return Caller(name, roles("admin" if name == "root" else "submit, read")) if name else None


@pytest.fixture
def make_owned(make_app: MakeApp) -> Any:
    """An app whose callers say who they are."""

    def make(**settings: Any) -> Accepted:
        return make_app(authenticate=by_name, worker=False, **settings)

    return make


def as_(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


async def test_a_submit_says_what_is_left_and_then_when(make_owned: Any, start: Start, clock: MovableClock) -> None:
    api: Api = await start(make_owned(submit_rate="3/1m"))
    for left in (2, 1, 0):
        answer = await api.post("/noops", headers=as_("ann"))
        assert answer.status_code == 202
        assert answer.headers["ratelimit-policy"] == '"submit";q=3;w=60'
        assert answer.headers["ratelimit"].startswith(f'"submit";r={left};t=')
    refused = await api.post("/noops", headers=as_("ann"))
    problem(refused, 429, "rate-limited")
    assert refused.headers["ratelimit"].startswith('"submit";r=0;')
    assert (await api.post("/noops", headers=as_("bob"))).status_code == 202
    clock.advance(int(refused.headers["retry-after"]))
    assert (await api.post("/noops", headers=as_("ann"))).status_code == 202


async def test_reading_has_a_rate_of_its_own(make_owned: Any, start: Start) -> None:
    api: Api = await start(make_owned(submit_rate="1/1m", read_rate="2/1m"))
    assert (await api.post("/noops", headers=as_("ann"))).status_code == 202
    assert [(await api.get("/jobs", headers=as_("ann"))).status_code for _ in range(3)] == [200, 200, 429]
    assert [(await api.get("/jobs", headers=as_("bob"))).status_code for _ in range(2)] == [200, 200]


async def test_each_of_many_nodes_grants_its_part(make_owned: Any, start: Start) -> None:
    granted = 0
    for _ in range(2):
        api: Api = await start(make_owned(submit_rate="6/1m", web_nodes=2))
        answers = [(await api.post("/noops", headers=as_("ann"))).status_code for _ in range(6)]
        granted += answers.count(202)
    assert granted == 6


async def test_a_rate_that_is_off_says_nothing(make_owned: Any, start: Start) -> None:
    api: Api = await start(make_owned(submit_rate="off"))
    answer = await api.post("/noops", headers=as_("ann"))
    assert answer.status_code == 202
    assert "ratelimit" not in answer.headers


async def test_an_owner_has_a_share_of_the_queue(make_owned: Any, start: Start) -> None:
    api: Api = await start(make_owned(owner_queue_limit=2))
    made = [await api.post("/noops", headers=as_("ann")) for _ in range(2)]
    refused = await api.post("/noops", headers=as_("ann") | {"Idempotency-Key": "once"})
    problem(refused, 429, "quota-exceeded")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await api.post("/noops", headers=as_("bob"))).status_code == 202
    assert (await api.get("/jobs", headers=as_("root"))).json()["pagination"]["totalElements"] == 3
    cancelled = await api.post(f"{made[0].headers['location']}/cancel", headers=as_("ann"))
    assert cancelled.status_code == 200
    again = await api.post("/noops", headers=as_("ann") | {"Idempotency-Key": "once"})
    assert again.status_code == 202
    assert "idempotency-replayed" not in again.headers
    problem(await api.post(f"{made[0].headers['location']}/retry", headers=as_("ann")), 429, "quota-exceeded")


async def test_a_replay_needs_no_share(make_owned: Any, start: Start) -> None:
    api: Api = await start(make_owned(owner_active_limit=1))
    headers = as_("ann") | {"Idempotency-Key": "once"}
    assert [(await api.post("/noops", headers=headers)).status_code for _ in range(2)] == [202, 202]
    problem(await api.post("/noops", headers=as_("ann")), 429, "quota-exceeded")


async def test_the_queue_of_all_has_an_end(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False, depth_limit=3))
    answers = [await api.post("/noops") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 503]
    problem(answers[3], 503, "overloaded")
    assert int(answers[3].headers["retry-after"]) >= 1
    assert await api.total() == 3


# --- one operation


async def test_polling_one_operation_much_too_fast(idle: Api, clock: MovableClock) -> None:
    made = await idle.submit("/noops")
    status = made["statusUrl"]
    assert [(await idle.get(status)).status_code for _ in range(20)] == [200] * 20
    refused = await idle.get(status)
    problem(refused, 429, "polling-too-fast")
    clock.advance(int(refused.headers["retry-after"]))
    assert (await idle.get(status)).status_code == 200


async def test_polling_as_told_is_never_too_fast(idle: Api, clock: MovableClock) -> None:
    made = await idle.submit("/noops")
    for _ in range(100):
        answer = await idle.get(made["statusUrl"])
        assert answer.status_code == 200
        clock.advance(answer.json()["pollInterval"]["minimum"])


async def test_an_ended_operation_may_be_read_as_often_as_one_likes(api: Api) -> None:
    id = (await api.run("/noops"))["operationId"]
    assert [(await api.get(f"/operations/{id}")).status_code for _ in range(50)] == [303] * 50


async def test_somebody_else_cannot_use_up_the_polls(make_owned: Any, start: Start) -> None:
    api: Api = await start(make_owned())
    status = (await api.post("/noops", headers=as_("ann"))).json()["statusUrl"]
    assert {(await api.get(status, headers=as_("bob"))).status_code for _ in range(50)} == {404}
    assert (await api.get(status, headers=as_("ann"))).status_code == 200


async def test_a_long_poll_is_not_counted_but_what_only_looks_like_one_is(idle: Api) -> None:
    status = (await idle.submit("/noops"))["statusUrl"]
    hurried = {"Prefer": "wait=1", "If-None-Match": '"another"'}
    assert [(await idle.get(status, headers=hurried)).status_code for _ in range(21)] == [200] * 20 + [429]
    answer = await idle.get(status, headers={"Prefer": "wait=1"})
    assert answer.status_code == 200
