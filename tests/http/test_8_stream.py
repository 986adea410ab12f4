"""Contract, section 8: the events of one operation on `text/event-stream`."""

import pytest

from accepted import Accepted, Attempt
from accepted.contract.policy import EVENTS_KEPT, EVENTS_SLACK
from tests.clock import MovableClock
from tests.contract.given import op_id
from tests.http.api import Api, problem
from tests.http.conftest import Live
from tests.http.streaming import Reader, ids, names, nothing_followed, writing

UPDATE = "status-update"


def stream(id: str, query: str = "") -> str:
    return f"/operations/{id}/stream{query}"


# --- what it is


async def test_the_headers_keep_proxies_from_holding_events_back(idle: Api) -> None:
    writer = await writing(idle)
    reader = Reader(idle.app, stream(writer.id))
    await reader.until(1)
    assert reader.status == 200
    assert reader.headers == {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    await reader.leave()


async def test_the_first_event_is_the_present_state(idle: Api) -> None:
    writer = await writing(idle)
    await writer.advance(5)
    reader = Reader(idle.app, stream(writer.id))
    (event,) = await reader.until(1)
    assert (event.name, event.id, event.document["status"]) == (UPDATE, "7", "PROCESSING")
    assert event.document["operationId"] == writer.id
    assert event.document["data"] == (await idle.status(writer.id))["progress"]
    await reader.leave()


async def test_everything_after_it_comes_once_and_in_order(idle: Api) -> None:
    writer = await writing(idle)
    reader = Reader(idle.app, stream(writer.id))
    await reader.until(1)
    await writer.advance(50)
    await writer.complete()
    events = await reader.ended()
    assert ids(events) == [str(number) for number in range(2, 54)]
    assert names(events) == [UPDATE] * 51 + ["completed"]
    assert reader.complete


async def test_each_end_says_what_it_has(api: Api) -> None:
    async def end(path: str, body: object = None) -> tuple[str, dict[str, object]]:
        id = (await api.submit(path, body))["operationId"]
        *_, last = await Reader(api.app, stream(id)).ended()
        return last.name, last.document

    name, completed = await end("/echoes", {"rows": 3})
    assert (name, completed["status"]) == ("completed", "COMPLETED")
    assert completed["result"] == {"rows": 3, "url": f"/operations/{completed['operationId']}/result"}
    name, warned = await end("/warnings")
    assert (name, warned["status"]) == ("completed", "COMPLETED_WITH_ERRORS")
    name, failed = await end("/failures")
    assert (name, failed["status"]) == ("failed", "FAILED")
    assert failed["error"] == (await api.status(str(failed["operationId"])))["error"]


async def test_a_cancel_ends_it_with_its_reason(idle: Api) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    reader = Reader(idle.app, stream(id))
    await reader.until(1)
    await idle.post(f"/operations/{id}/cancel", json={"reason": "changed my mind"})
    _, last = await reader.ended()
    assert (last.name, last.document["reason"]) == ("cancelled", "changed my mind")


async def test_what_has_ended_tells_its_end_at_once(idle: Api) -> None:
    writer = await writing(idle)
    await writer.complete()
    events = await Reader(idle.app, stream(writer.id)).ended()
    assert (names(events), ids(events)) == (["completed"], ["3"])


# --- coming back


@pytest.mark.parametrize("by", ["header", "query"])
async def test_from_every_position_it_goes_on_with_the_next(idle: Api, by: str) -> None:
    """E2: k+1 to n, and 204 for who has all (E6)."""
    writer = await writing(idle)
    await writer.advance(4)
    await writer.complete()
    for k in range(7):
        if by == "header":
            reader = Reader(idle.app, stream(writer.id), last_id=str(k))
        else:
            reader = Reader(idle.app, stream(writer.id, f"?after={k}"))
        assert ids(await reader.ended()) == [str(number) for number in range(k + 1, 8)]
    done = await idle.get(stream(writer.id), headers={"Last-Event-ID": "7"})
    assert (done.status_code, done.content) == (204, b"")


async def test_the_header_wins_over_the_query(idle: Api) -> None:
    writer = await writing(idle)
    await writer.advance(3)
    await writer.complete()
    assert ids(await Reader(idle.app, stream(writer.id, "?after=1"), last_id="4").ended()) == ["5", "6"]


async def test_a_reader_that_is_cut_again_and_again_gets_everything_once(idle: Api) -> None:
    writer = await writing(idle)
    seen: list[str] = []
    last_id: str | None = "0"
    for number in range(20):
        reader = Reader(idle.app, stream(writer.id), last_id=last_id)
        await writer.advance(1 + number % 3)
        await reader.until(1)
        await reader.leave()
        seen += ids(reader.events)
        last_id = reader.parser.last_id
    await writer.complete()
    seen += ids(await Reader(idle.app, stream(writer.id), last_id=last_id).ended())
    assert seen == [str(number) for number in range(1, len(seen) + 1)]
    assert len(seen) == (await idle.app.service.get(writer.id, None)).sequence


@pytest.mark.parametrize(
    "last_id", ["99", "x", "-1", "1.5", "7-", "~", "", "1" * 16, "\u0663".encode().decode("latin-1")]
)
async def test_an_id_that_is_none_of_ours_gets_a_reset(idle: Api, last_id: str) -> None:
    """Refused, an EventSource would never come back."""
    writer = await writing(idle)
    reader = Reader(idle.app, stream(writer.id), last_id=last_id)
    (event,) = await reader.until(1)
    assert (event.name, event.id, event.document["status"]) == ("reset", "2", "PROCESSING")
    await writer.complete()
    assert names(await reader.ended()) == ["reset", "completed"]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "", "%D9%A3", "~", "1" * 16])
async def test_a_position_written_by_a_person_is_checked(idle: Api, after: str) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    answer = await idle.get(stream(id, f"?after={after}"))
    assert problem(answer, 422, "invalid-parameter")["errors"][0]["parameter"] == "after"


async def test_where_history_was_compacted_there_is_one_reset_and_no_gap(idle: Api) -> None:
    """E5."""
    writer = await writing(idle)
    await writer.advance_at_once(EVENTS_KEPT + EVENTS_SLACK)
    reader = Reader(idle.app, stream(writer.id), last_id="3")
    await reader.until(1)
    await writer.advance(2)
    await writer.complete()
    n = EVENTS_KEPT + EVENTS_SLACK + 2
    events = await reader.ended()
    assert names(events) == ["reset", UPDATE, UPDATE, "completed"]
    assert ids(events) == [str(number) for number in range(n, n + 4)]
    assert events[0].document["data"]["current"] == EVENTS_KEPT + EVENTS_SLACK - 1


# --- refused before it begins


async def test_what_is_not_there_is_404_before_the_stream(idle: Api) -> None:
    for id in (op_id(7), "op-nonsense", "job-" + op_id(7)[3:]):
        problem(await idle.get(stream(id)), 404, "operation-not-found")


async def test_what_has_expired_is_410_before_the_stream(idle: Api, clock: MovableClock) -> None:
    writer = await writing(idle)
    await writer.complete()
    clock.advance(days=2)
    problem(await idle.get(stream(writer.id)), 410, "operation-expired")
    await idle.sweep()
    problem(await idle.get(stream(writer.id), headers={"Last-Event-ID": "3"}), 410, "operation-expired")


@pytest.mark.parametrize("query", ["?logs=maybe", "?" + "&".join(f"x{n}=1" for n in range(300))])
async def test_wrong_parameters_are_422(idle: Api, query: str) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    problem(await idle.get(stream(id, query)), 422, "invalid-parameter")


async def test_other_methods_are_405(idle: Api) -> None:
    answer = await idle.post(stream(op_id(1)))
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD"


async def test_head_gets_the_headers_alone(idle: Api) -> None:
    writer = await writing(idle)
    head = await idle.head(stream(writer.id))
    assert (head.status_code, head.headers["content-type"], head.content) == (200, "text/event-stream", b"")
    await writer.complete()
    assert (await idle.head(stream(writer.id, "?after=3"))).status_code == 204
    assert (await idle.head(stream(op_id(7)))).status_code == 404
    assert nothing_followed(idle)


# --- the log


async def test_with_logs_an_id_resumes_both(idle: Api) -> None:
    writer = await writing(idle)
    reader = Reader(idle.app, stream(writer.id, "?logs=true"))
    await reader.until(1)
    await writer.advance(lines=["one", "two"])
    await reader.until(4)
    await writer.complete(lines=["three"])
    events = await reader.ended()
    assert [(event.name, event.id) for event in events] == [
        (UPDATE, "2-0"),
        ("log", "2-1"),
        ("log", "2-2"),
        (UPDATE, "3-2"),
        ("log", "3-3"),
        ("completed", "4-3"),
    ]
    assert [event.document["message"] for event in events if event.name == "log"] == ["one", "two", "three"]
    for place, event in enumerate(events):
        rest = Reader(idle.app, stream(writer.id, "?logs=true"), last_id=event.id)
        again = [each.data for each in await rest.ended() if each.name == "log"]
        assert again == [each.data for each in events[place + 1 :] if each.name == "log"]


async def test_without_logs_there_are_none(idle: Api) -> None:
    writer = await writing(idle)
    reader = Reader(idle.app, stream(writer.id, "?logs=false"))
    await writer.complete(lines=["one"])
    assert "log" not in names(await reader.ended())


async def test_who_has_seen_the_end_gets_the_log_and_is_let_go(idle: Api) -> None:
    writer = await writing(idle)
    await writer.complete(lines=["one", "two"])
    assert ids(await Reader(idle.app, stream(writer.id, "?logs=true"), last_id="3").ended()) == ["3-1", "3-2"]
    assert (await idle.get(stream(writer.id, "?logs=true"), headers={"Last-Event-ID": "3-2"})).status_code == 204


async def test_nothing_a_function_says_can_forge_an_event(live: Live) -> None:
    forged = "x\n\nid: 99\nevent: completed\ndata: {}\n\n\r\rdata: \0 \u2028 id: 7"

    def register(app: Accepted) -> None:
        @app.operation("/liars")
        async def liar(attempt: Attempt) -> dict[str, str]:
            attempt.progress(1, 2, forged)
            attempt.log(forged, field=forged)
            attempt.warn("CODE", forged)
            return {forged: forged}

    api = await live(register)
    id = (await api.submit("/liars"))["operationId"]
    events = await Reader(api.app, stream(id, "?logs=true&after=0")).ended()
    assert set(names(events)) == {UPDATE, "log", "completed"}
    sequence = [int(event.id.partition("-")[0]) for event in events if event.name != "log"]
    assert sequence == list(range(1, len(sequence) + 1))
    assert events[-1].document["result"][forged] == forged
