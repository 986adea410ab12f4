"""Contract, section 1: `Prefer: wait=N` and `respond-async` (RFC 7240) on a submit."""

import asyncio

import pytest

from tests.http.api import Api, document
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates


async def waited(api: Api, path: str, prefer: str = "wait=10") -> tuple[int, dict[str, str]]:
    """Submit and wait: the status code and the headers, whose answer has to be that of a poll."""
    answer = await api.post(path, headers={"Prefer": prefer})
    body = document(answer)
    poll = await api.get(f"/operations/{body['operationId']}")
    assert (answer.status_code, answer.content) == (poll.status_code, poll.content)
    assert answer.headers["etag"] == poll.headers["etag"]
    assert answer.headers.get("location") == poll.headers.get("location")
    return answer.status_code, dict(answer.headers)


async def test_wait_answers_as_soon_as_the_operation_ends_with_what_a_poll_answers(api: Api) -> None:
    for path, status in {"/noops": 303, "/warnings": 200, "/finals": 200, "/retryables": 200}.items():
        code, headers = await waited(api, path)
        assert code == status
        assert headers["preference-applied"] == "wait=10"
        assert headers["vary"] == "Prefer"


async def test_wait_honours_redirect_false_as_a_poll_does(api: Api) -> None:
    answer = await api.post("/noops?redirect=false", headers={"Prefer": "wait=10"})
    assert answer.status_code == 200
    assert document(answer)["status"] == "COMPLETED"


async def test_wait_answers_a_cancel_too(api: Api, gates: Gates) -> None:
    waiting = asyncio.create_task(api.post("/slows", headers={"Prefer": "wait=10"}))
    await gates.started.passed()
    id = gates.runs[0][0]
    await api.post(f"/operations/{id}/cancel")
    answer = await waiting
    assert (answer.status_code, document(answer)["status"]) == (200, "CANCELLED")


async def test_wait_is_capped_by_a_setting_and_answers_202_when_it_is_over(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(wait_limit="1s"))
    answer = await api.post("/slows", headers={"Prefer": "wait=3600"})
    assert answer.status_code == 202
    assert document(answer)["status"] == "PROCESSING"
    assert answer.headers["preference-applied"] == "wait=1"
    assert answer.headers["location"] == document(answer)["statusUrl"]
    assert "retry-after" in answer.headers


async def test_the_greatest_wait_is_60_s_unless_configured(api: Api) -> None:
    answer = await api.post("/noops", headers={"Prefer": "wait=999999999999"})
    assert answer.headers["preference-applied"] == "wait=60"


async def test_respond_async_is_the_default_said_aloud(idle: Api) -> None:
    answer = await idle.post("/noops", headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["vary"] == "Prefer"


async def test_respond_async_and_wait_go_together(api: Api) -> None:
    answer = await api.post("/noops", headers={"Prefer": "respond-async, wait=10"})
    assert answer.status_code == 303
    assert set(answer.headers["preference-applied"].split(", ")) == {"respond-async", "wait=10"}


@pytest.mark.parametrize(
    "prefer",
    [
        "wait=10",
        "WAIT=10",
        "wait = 10",
        'wait="10"',
        "foo, wait=10",
        "wait=10;x=y",
        "wait=10, wait=1",
        "a=b; c, wait=10",
    ],
)
async def test_prefer_may_be_written_in_many_ways(api: Api, prefer: str) -> None:
    answer = await api.post("/noops", headers={"Prefer": prefer})
    assert answer.status_code == 303
    assert answer.headers["preference-applied"] == "wait=10"


async def test_prefer_may_come_in_several_lines(api: Api) -> None:
    answer = await api.post("/noops", headers=[("Prefer", "respond-async"), ("Prefer", "wait=10")])
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "prefer", ["", "wait", "wait=", "wait=-1", "wait=1.5", "wait=soon", "wait=\u00b2", "waits=5", "return=minimal"]
)
async def test_what_is_not_understood_is_ignored(idle: Api, prefer: str) -> None:
    answer = await idle.post("/noops", headers=[(b"Prefer", prefer.encode("latin-1"))])
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


async def test_a_client_that_hangs_up_is_not_waited_for(api: Api, gates: Gates) -> None:
    exchange = Exchange("POST", "/slows", headers={"prefer": "wait=60"})
    waiting = asyncio.create_task(exchange.through(api.app))
    await gates.started.passed()
    exchange.hang_up()
    await waiting
    assert (await api.status(gates.runs[0][0]))["status"] == "PROCESSING"
