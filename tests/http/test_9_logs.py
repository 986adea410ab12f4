"""Contract, section 9: a job's log as JSON, as text, and followed."""

import asyncio
import json
import logging
from typing import Any

import pytest

from accepted import Attempt
from tests.clock import MovableClock
from tests.http.api import Api, document, problem
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

STREAM = {"accept": "text/event-stream"}
log = logging.getLogger("tests.customers")


@pytest.fixture
async def talking(make_app: MakeApp, start: Start, gates: Gates) -> Api:
    """Operations that write a log."""
    app = make_app(log_limit=20)

    @app.operation("/talks", attempts=2, backoff="0s..0s")
    async def talk(attempt: Attempt) -> None:
        attempt.log("read 3 rows", rows=3)
        log.warning("row %d has no email", 2)
        if attempt.number == 1:
            raise ConnectionError
        attempt.log("done", level="debug")

    @app.operation("/threads/talks")
    def thread_talk(attempt: Attempt) -> None:
        attempt.log("one")
        log.error("two")

    @app.operation("/lines")
    async def lines(number: int, attempt: Attempt) -> None:
        for line in range(1, number + 1):
            attempt.log(f"line {line}")

    @app.operation("/hostile-lines")
    async def hostile(attempt: Attempt) -> None:
        attempt.log("two\nlines\r\nid: 99\n\nevent: log\ndata: {}")
        attempt.log("surrogate \ud800, NUL \0, bell \a", field=object(), other=float("nan"))

    @app.operation("/steps")
    async def steps(attempt: Attempt) -> None:
        for number in range(3):
            attempt.log(f"step {number}")
            await gates.at(number)

    return await start(app)


async def lines(api: Api, id: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"/jobs/job-{id[3:]}/logs", params=query)
    assert answer.status_code == 200, answer.text
    return document(answer)


async def test_the_log_as_json(talking: Api) -> None:
    done = await talking.run("/talks")
    found = (await lines(talking, done["operationId"]))["data"]
    assert [line["sequence"] for line in found] == [1, 2, 3, 4, 5]
    assert [line["attempt"] for line in found] == [1, 1, 2, 2, 2]
    assert [line["level"] for line in found] == ["INFO", "WARNING", "INFO", "WARNING", "DEBUG"]
    assert [line["message"] for line in found[:2]] == ["read 3 rows", "row 2 has no email"]
    assert found[0]["fields"] == {"rows": 3}
    assert done["createdAt"] <= found[0]["timestamp"] <= found[-1]["timestamp"]


async def test_records_of_logging_made_in_a_thread_arrive_too(talking: Api) -> None:
    id = (await talking.run("/threads/talks"))["operationId"]
    found = (await lines(talking, id))["data"]
    assert [(line["level"], line["message"]) for line in found] == [("INFO", "one"), ("ERROR", "two")]


async def test_the_log_has_pages(talking: Api) -> None:
    id = (await talking.run("/lines", 15))["operationId"]
    first = await lines(talking, id, limit=10)
    assert [line["sequence"] for line in first["data"]] == list(range(1, 11))
    assert first["pagination"]["totalElements"] == 15
    rest = await lines(talking, id, limit=10, cursor=first["pagination"]["next"])
    assert [line["sequence"] for line in rest["data"]] == list(range(11, 16))
    assert "next" not in rest["pagination"]


async def test_an_empty_log(talking: Api) -> None:
    assert (await lines(talking, (await talking.run("/noops"))["operationId"]))["data"] == []


async def test_a_log_over_its_limit_says_so_and_keeps_no_more(talking: Api) -> None:
    id = (await talking.run("/lines", 50))["operationId"]
    found = (await lines(talking, id))["data"]
    assert len(found) == 20
    assert (found[-1]["level"], "full" in found[-1]["message"]) == ("WARNING", True)


async def test_the_log_as_text(talking: Api) -> None:
    id = (await talking.run("/lines", 3))["operationId"]
    answer = await talking.get(f"/jobs/job-{id[3:]}/logs", headers={"Accept": "text/plain"})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    written = answer.text.splitlines()
    assert len(written) == 3
    assert all(line.endswith(f"line {number}") for number, line in enumerate(written, 1))
    assert "INFO" in written[0]


async def test_no_message_can_forge_a_line_of_text(talking: Api) -> None:
    id = (await talking.run("/hostile-lines"))["operationId"]
    text = (await talking.get(f"/jobs/job-{id[3:]}/logs", headers={"Accept": "text/plain"})).text
    assert len([line for line in text.splitlines() if line and not line.startswith(" ")]) == 2


def events(body: bytes) -> list[dict[str, Any]]:
    """The server-sent events of a body, comments left out."""
    found = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if set(fields) - {"retry"}:
            assert fields["event"] == "log"
            data = json.loads(fields["data"])
            assert fields["id"] == str(data["sequence"])
            found.append(data)
    return found


async def test_the_log_of_what_has_ended_as_a_stream_that_ends(talking: Api) -> None:
    id = (await talking.run("/hostile-lines"))["operationId"]
    answer = await talking.get(f"/jobs/job-{id[3:]}/logs", headers=STREAM)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert events(answer.content) == (await lines(talking, id))["data"]
    assert events(answer.content)[0]["message"].startswith("two\nlines")


async def test_the_log_is_followed_line_by_line_until_the_operation_ends(talking: Api, gates: Gates) -> None:
    id = (await talking.submit("/steps"))["operationId"]
    stream = Exchange("GET", f"/jobs/job-{id[3:]}/logs", headers=STREAM)
    following = asyncio.create_task(stream.through(talking.app))
    for number in range(3):
        await stream.has_sent(f"step {number}")
        assert f"step {number + 1}".encode() not in stream.body
        gates.steps[number][1].open()
    await following
    assert [line["message"] for line in events(stream.body)] == ["step 0", "step 1", "step 2"]


async def test_a_followed_log_resumes_behind_the_last_event_id(talking: Api) -> None:
    id = (await talking.run("/lines", 5))["operationId"]
    answer = await talking.get(f"/jobs/job-{id[3:]}/logs", headers={**STREAM, "Last-Event-ID": "3"})
    assert [line["sequence"] for line in events(answer.content)] == [4, 5]


async def test_who_knows_the_whole_log_of_what_has_ended_gets_204(talking: Api) -> None:
    """Guarantee E6: an EventSource would come back for ever."""
    id = (await talking.run("/lines", 5))["operationId"]
    answer = await talking.get(f"/jobs/job-{id[3:]}/logs", headers={**STREAM, "Last-Event-ID": "5"})
    assert answer.status_code == 204


async def test_a_line_that_never_was_gets_a_reset_and_the_log_from_its_start(talking: Api) -> None:
    """E5."""
    id = (await talking.run("/lines", 2))["operationId"]
    answer = await talking.get(f"/jobs/job-{id[3:]}/logs", headers={**STREAM, "Last-Event-ID": "7"})
    blocks = [block for block in answer.text.split("\n\n") if "event: " in block]
    assert [block.split("\n")[:2] for block in blocks] == [
        ["id: 0", "event: reset"],
        ["id: 1", "event: log"],
        ["id: 2", "event: log"],
    ]


async def test_a_followed_log_says_when_to_come_back(talking: Api, gates: Gates) -> None:
    """D6: and it is a stream like others, with the same heartbeat, patience and gauge."""
    id = (await talking.submit("/steps"))["operationId"]
    stream = Exchange("GET", f"/jobs/job-{id[3:]}/logs", headers=STREAM)
    following = asyncio.create_task(stream.through(talking.app))
    await stream.has_sent("step 0")
    assert 'accepted_streams_open{kind="sse"} 1.0' in (await talking.get("/metrics")).text
    talking.app.drain()
    await following
    assert stream.body.startswith(b"retry: ")
    assert b": the server is about to stop\nretry: " in stream.body


async def test_a_followed_log_ends_when_the_server_stops(talking: Api, gates: Gates) -> None:
    id = (await talking.submit("/steps"))["operationId"]
    stream = Exchange("GET", f"/jobs/job-{id[3:]}/logs", headers=STREAM)
    following = asyncio.create_task(stream.through(talking.app))
    await stream.has_sent("step 0")
    await talking.app.stop()
    await following


async def test_a_client_that_hangs_up_is_not_followed_for_ever(talking: Api, gates: Gates) -> None:
    id = (await talking.submit("/steps"))["operationId"]
    stream = Exchange("GET", f"/jobs/job-{id[3:]}/logs", headers=STREAM)
    following = asyncio.create_task(stream.through(talking.app))
    await stream.has_sent("step 0")
    stream.hang_up()
    await following


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json, text/plain", "application/json"),
        ("text/*", "text/plain; charset=utf-8"),
        ("text/plain;q=0.5, application/json;q=0.1", "text/plain; charset=utf-8"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=0, */*", "text/plain; charset=utf-8"),
        ("TEXT/PLAIN", "text/plain; charset=utf-8"),
    ],
)
async def test_accept_chooses(talking: Api, accept: str, media: str) -> None:
    id = (await talking.run("/noops"))["operationId"]
    answer = await talking.get(f"/jobs/job-{id[3:]}/logs", headers={"Accept": accept})
    assert answer.headers["content-type"] == media


async def test_what_cannot_be_given_is_406(talking: Api) -> None:
    id = (await talking.run("/noops"))["operationId"]
    problem(await talking.get(f"/jobs/job-{id[3:]}/logs", headers={"Accept": "image/png"}), 406, "not-acceptable")


@pytest.mark.parametrize("accept", ["application/json", "text/plain", "text/event-stream"])
async def test_head_of_a_log_has_no_body_and_does_not_wait(talking: Api, gates: Gates, accept: str) -> None:
    id = (await talking.submit("/steps"))["operationId"]
    await gates.steps[0][0].passed()
    head = await Exchange("HEAD", f"/jobs/job-{id[3:]}/logs", headers={"accept": accept}).through(talking.app)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"].startswith(accept)


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "1001"), ("limit", "x"), ("cursor", "x")])
async def test_a_bad_parameter_is_422_and_named(talking: Api, name: str, value: str) -> None:
    id = (await talking.run("/noops"))["operationId"]
    answer = await talking.get(f"/jobs/job-{id[3:]}/logs", params={name: value})
    assert problem(answer, 422, "invalid-parameter")["errors"][0]["parameter"] == name


async def test_the_log_expires_with_its_operation(talking: Api, clock: MovableClock) -> None:
    id = (await talking.run("/lines", 3))["operationId"]
    clock.advance(hours=24.1)
    problem(await talking.get(f"/jobs/job-{id[3:]}/logs", headers=STREAM), 410, "operation-expired")
