"""An app on trial: the whole contract in process, time that the test moves, webhooks that it catches."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from accepted import Accepted
from accepted.client import OperationExpired, OperationFailed
from accepted.testing import Trial, trial
from accepted.webhooks import InvalidSignature
from tests.testing.menu import HOOK, SECRET, YEAR, codes, menu

DAYS = 3.5 * 86400


@pytest.fixture
def tried() -> list[int]:
    return []


@pytest.fixture
async def running(tried: list[int]) -> AsyncIterator[Trial]:
    app, attempts = menu()
    async with trial(app) as running:
        yield running
        tried += attempts


async def test_submit_and_result(running: Trial) -> None:
    operation = await running.client.submit("/reports", YEAR)
    assert await operation.result() == {"year": 2017, "months": 12}
    answer = await running.http.get(f"/operations/{operation.id}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/operations/{operation.id}/result")
    assert [line.message async for line in operation.logs()] == [f"month {month}" for month in range(1, 13)]


async def test_a_failure_is_raised(running: Trial) -> None:
    operation = await running.client.submit("/failures")
    with pytest.raises(OperationFailed, match="No such table"):
        await operation.result()


async def test_what_is_kept_for_a_day_is_gone_after_it(running: Trial) -> None:
    """Contract, section 10: 410 for 30 days, then 404; in milliseconds."""
    operation = await running.client.submit("/reports", YEAR)
    await operation.result()
    await running.advance("23h")
    assert (await operation.status()).status == "COMPLETED"
    await running.advance("2h")
    with pytest.raises(OperationExpired):
        await operation.status()
    await running.advance("31d")
    assert (await running.http.get(f"/operations/{operation.id}")).status_code == 404


async def test_backoffs_of_hours_are_over_at_once(running: Trial) -> None:
    began = time.monotonic()
    operation = await running.client.submit("/flaky")
    await running.advance("2h")
    assert (await operation.status()).status in {"PENDING", "COMPLETED"}
    await running.advance("4h")
    assert await operation.result() == 4
    assert time.monotonic() - began < 5


async def test_webhooks_are_caught_and_verified(running: Trial) -> None:
    operation = await running.client.submit("/reports", YEAR, webhook=HOOK)
    await operation.result()
    await running.settle()
    (received,) = running.inbox.of(operation.id)
    assert (received.event, received.url) == ("COMPLETED", HOOK["url"])
    assert received.document["result"]["months"] == 12
    assert received.verify(SECRET).status == "COMPLETED"
    with pytest.raises(InvalidSignature):
        received.verify("another secret of 16 bytes")


async def test_a_receiver_that_is_down_for_days(running: Trial) -> None:
    """The whole schedule of contract, section 7, with its cool-downs, while a test waits."""
    running.inbox.answer(500, None, 503, 429, 500, 500, 500)
    operation = await running.client.submit("/reports", YEAR, webhook=HOOK)
    await operation.result()
    await running.advance(DAYS)
    received = running.inbox.of(operation.id)
    assert codes(received) == [500, None, 503, 429, 500, 500, 500, 204]
    assert len({one.headers["webhook-id"] for one in received}) == 1
    times = [int(one.headers["webhook-timestamp"]) for one in received]
    assert times == sorted(times)
    assert times[-1] - times[0] > 86400


async def test_a_receiver_that_never_comes_back(running: Trial) -> None:
    running.inbox.answer(otherwise=500)
    operation = await running.client.submit("/reports", YEAR, webhook=HOOK)
    await operation.result()
    await running.advance("7d")
    assert len(running.inbox.of(operation.id)) == 10
    assert (await running.http.get(f"/operations/{operation.id}")).status_code == 410  # nothing keeps it any longer


async def test_a_lost_worker_is_another_attempt(running: Trial) -> None:
    operation = await running.client.submit("/waits")
    while (await operation.status()).attempt != 1:
        await running.settle()
    await running.lose_worker()
    while (await operation.status()).attempt != 2:
        await running.settle()
    assert (await operation.cancel("enough")).status == "CANCELLED"


async def test_time_that_passes_is_no_crash(running: Trial) -> None:
    """A day is much longer than a lease, and still the function runs on."""
    operation = await running.client.submit("/waits")
    await running.advance("1d")
    state = await operation.status()
    assert (state.status, state.attempt) == ("PROCESSING", 1)
    await operation.cancel()


async def test_each_trial_begins_with_nothing_and_leaves_the_app_as_it_was() -> None:
    app, _ = menu()
    settings = app.settings
    for _ in range(2):
        async with trial(app) as running:
            assert (await running.http.get("/jobs")).json()["pagination"]["totalElements"] == 0
            await (await running.client.submit("/reports", YEAR)).result()
    assert app.settings == settings


async def test_settings_are_the_apps_own() -> None:
    app, _ = menu()
    async with trial(app, body_limit="100") as running:
        assert (await running.http.post("/reports", json="x" * 200)).status_code == 413


async def test_an_app_that_runs_is_not_tried_elsewhere() -> None:
    app, _ = menu()
    async with trial(app):
        with pytest.raises(RuntimeError, match="runs already"):
            async with trial(app):
                pass


async def test_a_lifespan_that_fails_says_so() -> None:
    async def broken(scope: object, receive: object, send: object) -> None:
        await send({"type": "lifespan.startup.failed", "message": "no pool"})  # type: ignore[operator]

    with pytest.raises(RuntimeError, match="no pool"):
        async with trial(Accepted(), broken):
            pass
