"""Contract, section 8: pages of other origins that are listed by name may read streams; all others may not."""

import httpx2
import pytest

from tests.clock import MovableClock
from tests.contract.given import op_id
from tests.http.api import Api, problem
from tests.http.conftest import MakeApp, Start
from tests.http.streaming import Reader, writing

FRIEND = "https://friend.example"
STRANGERS = ["https://evil.example", "null", "https://friend.example.evil", "http://friend.example"]


@pytest.fixture
async def shared(make_app: MakeApp, start: Start) -> Api:
    """An app that lists one origin."""
    return await start(make_app(worker=False, allowed_origins=FRIEND))


async def preflight(api: Api, path: str, origin: str, method: str = "GET") -> httpx2.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return await api.options(path, headers=headers | {"Access-Control-Request-Headers": "last-event-id"})


async def test_a_stream_may_be_read_by_a_page_that_is_listed(shared: Api) -> None:
    writer = await writing(shared)
    reader = Reader(shared.app, f"/operations/{writer.id}/stream", headers={"origin": FRIEND})
    await reader.until(1)
    assert reader.headers["access-control-allow-origin"] == FRIEND
    assert reader.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in reader.headers
    await writer.complete()
    assert [event.name for event in await reader.ended()] == ["status-update", "completed"]


@pytest.mark.parametrize("origin", STRANGERS)
async def test_no_other_page_may_read_anything(shared: Api, origin: str) -> None:
    writer = await writing(shared)
    for path in (f"/operations/{writer.id}", f"/operations/{writer.id}/stream", f"/operations/{op_id(7)}"):
        answer = await shared.head(path, headers={"Origin": origin})
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_by_default_nobody_is_listed(idle: Api) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    answer = await idle.head(f"/operations/{id}/stream", headers={"Origin": FRIEND})
    assert "access-control-allow-origin" not in answer.headers
    assert (await preflight(idle, f"/operations/{id}/stream", FRIEND)).status_code == 405


async def test_without_an_origin_there_is_nothing_to_say(shared: Api) -> None:
    id = (await shared.submit("/noops"))["operationId"]
    assert "vary" not in (await shared.head(f"/operations/{id}/stream")).headers


@pytest.mark.parametrize("path", ["/operations/stream", f"/operations/{op_id(1)}/stream", "/noops", "/jobs"])
async def test_a_preflight_says_what_a_page_may_send(shared: Api, path: str) -> None:
    answer = await preflight(shared, path, FRIEND)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST"
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {"last-event-id", "authorization", "content-type", "idempotency-key", "prefer", "if-none-match"} <= allowed
    assert int(answer.headers["access-control-max-age"]) > 0


@pytest.mark.parametrize("origin", STRANGERS)
async def test_a_preflight_of_another_is_refused(shared: Api, origin: str) -> None:
    answer = await preflight(shared, "/noops", origin, "POST")
    problem(answer, 405, "method-not-allowed")
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_options_without_a_preflight_is_no_preflight(shared: Api) -> None:
    answer = await shared.options("/noops", headers={"Origin": FRIEND})
    problem(answer, 405, "method-not-allowed")


async def test_refusals_too_may_be_read(shared: Api, clock: MovableClock) -> None:
    answer = await shared.get(f"/operations/{op_id(7)}/stream", headers={"Origin": FRIEND})
    problem(answer, 404, "operation-not-found")
    assert answer.headers["access-control-allow-origin"] == FRIEND


async def test_204_too_may_be_read(shared: Api) -> None:
    writer = await writing(shared)
    await writer.complete()
    headers = {"Origin": FRIEND, "Last-Event-ID": "3"}
    answer = await shared.get(f"/operations/{writer.id}/stream", headers=headers)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, FRIEND)


async def test_what_a_page_needs_of_an_answer_is_exposed(shared: Api) -> None:
    answer = await shared.post("/noops", headers={"Origin": FRIEND})
    assert answer.status_code == 202
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"Location", "Retry-After", "ETag"} <= exposed
