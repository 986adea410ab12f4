"""Contract, section 3: `Prefer: wait=N` on a poll holds the answer until something changes."""

import asyncio
import time
from functools import partial

from accepted import Attempt
from tests.http.api import Api, document, eventually
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

WAIT = {"Prefer": "wait=30"}


async def test_it_answers_when_the_operation_starts(make_app: MakeApp, start: Start, gates: Gates) -> None:
    api = await start(make_app(worker=False))
    url = (await api.submit("/slows"))["statusUrl"]
    waiting = asyncio.create_task(api.get(url, headers=WAIT))
    await start(make_app())
    answer = await asyncio.wait_for(waiting, 10)
    assert (answer.status_code, document(answer)["status"]) == (200, "PROCESSING")
    assert answer.headers["preference-applied"] == "wait=30"
    assert answer.headers["vary"] == "Prefer"


async def test_it_answers_when_progress_is_made(make_app: MakeApp, start: Start, gates: Gates) -> None:
    app = make_app()

    @app.operation("/steps")
    async def steps(attempt: Attempt) -> None:
        await gates.at(0)
        attempt.progress(30, 100)
        await gates.at(1)

    api = await start(app)
    url = (await api.submit("/steps"))["statusUrl"]
    await gates.steps[0][0].passed()
    tag = (await api.get(url)).headers["etag"]
    waiting = asyncio.create_task(api.get(url, headers=WAIT | {"If-None-Match": tag}))
    await asyncio.sleep(0)
    gates.steps[0][1].open()
    answer = await asyncio.wait_for(waiting, 10)
    assert (answer.status_code, document(answer)["progress"]["percentage"]) == (200, 30)


async def test_it_answers_when_the_operation_ends_as_any_poll_does(api: Api, gates: Gates) -> None:
    url = (await api.submit("/slows"))["statusUrl"]
    await gates.started.passed()
    waiting = asyncio.create_task(api.get(url, headers=WAIT))
    await asyncio.sleep(0)
    gates.go.open()
    answer = await asyncio.wait_for(waiting, 10)
    assert answer.status_code == 303
    assert answer.content == (await api.get(url)).content


async def test_it_answers_when_the_operation_is_cancelled(idle: Api) -> None:
    url = (await idle.submit("/noops"))["statusUrl"]
    waiting = asyncio.create_task(idle.get(url, headers=WAIT))
    await asyncio.sleep(0)
    await idle.post(f"{url}/cancel")
    assert document(await asyncio.wait_for(waiting, 10))["status"] == "CANCELLED"


async def test_it_answers_on_another_node_too(make_app: MakeApp, start: Start, gates: Gates) -> None:
    here, there = await start(make_app()), await start(make_app(worker=False))
    url = (await here.submit("/slows"))["statusUrl"]
    await gates.started.passed()
    waiting = asyncio.create_task(there.get(url, headers=WAIT))
    await asyncio.sleep(0)
    gates.go.open()
    assert (await asyncio.wait_for(waiting, 10)).status_code == 303


async def test_it_answers_with_what_there_is_when_the_time_is_over(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False, wait_limit="1s"))
    url = (await api.submit("/noops"))["statusUrl"]
    tag = (await api.get(url)).headers["etag"]
    began = time.monotonic()
    held, unchanged = await asyncio.gather(
        api.get(url, headers=WAIT), api.get(url, headers=WAIT | {"If-None-Match": tag})
    )
    assert 0.9 <= time.monotonic() - began <= 5
    assert (held.status_code, document(held)["status"], held.headers["etag"]) == (200, "PENDING", tag)
    assert held.headers["preference-applied"] == "wait=1"
    assert "retry-after" in held.headers
    assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_it_answers_at_once_what_has_already_ended(api: Api) -> None:
    for path, status in {"/noops": 303, "/finals": 200}.items():
        id = (await api.run(path))["operationId"]
        assert (await asyncio.wait_for(api.get(f"/operations/{id}", headers=WAIT), 5)).status_code == status


async def test_it_answers_at_once_when_the_client_has_an_older_version(api: Api, gates: Gates) -> None:
    url = (await api.submit("/slows"))["statusUrl"]
    await gates.started.passed()
    answer = await asyncio.wait_for(api.get(url, headers=WAIT | {"If-None-Match": 'W/"1"'}), 5)
    assert (answer.status_code, document(answer)["status"]) == (200, "PROCESSING")


async def test_a_hundred_wait_for_one(api: Api, gates: Gates) -> None:
    url = (await api.submit("/slows"))["statusUrl"]
    await gates.started.passed()
    waiting = [asyncio.create_task(api.get(url, headers=WAIT)) for _ in range(100)]
    await asyncio.sleep(0)
    gates.go.open()
    answers = await asyncio.gather(*waiting)
    assert {(answer.status_code, answer.content) for answer in answers} == {(303, answers[0].content)}


async def test_it_answers_when_the_server_stops(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False))
    url = (await api.submit("/noops"))["statusUrl"]
    exchange = Exchange("GET", url, headers={"prefer": "wait=60"})
    waiting = asyncio.create_task(exchange.through(api.app))
    await eventually(partial(asyncio.sleep, 0), lambda _: api.app.node.feed.watched)
    await api.app.stop()
    await waiting
    assert exchange.status == 200
    assert b"PENDING" in exchange.body


async def test_a_client_that_hangs_up_is_not_waited_for(idle: Api) -> None:
    url = (await idle.submit("/noops"))["statusUrl"]
    exchange = Exchange("GET", url, headers={"prefer": "wait=60"})
    waiting = asyncio.create_task(exchange.through(idle.app))
    await asyncio.sleep(0)
    exchange.hang_up()
    await waiting


async def test_while_one_waits_others_are_answered(idle: Api) -> None:
    url = (await idle.submit("/noops"))["statusUrl"]
    waiting = asyncio.create_task(idle.get(url, headers=WAIT))
    assert (await asyncio.wait_for(idle.get(url), 1)).status_code == 200
    assert not waiting.done()
    await idle.post(f"{url}/cancel")
    await waiting
