"""Contract, section 8: many operations on one event stream, `GET /operations/stream?ids=`."""

import asyncio
import random

import pytest

from accepted.http.streams import OPERATIONS_LIMIT
from tests.contract.given import op_id
from tests.engine.author import Author
from tests.http.api import Api, problem
from tests.http.streaming import Reader, names, nothing_followed, writing
from tests.sse import Event


def streams(*ids: str, query: str = "") -> str:
    return f"/operations/stream?ids={','.join(ids)}{query}"


async def three(idle: Api) -> list[Author]:
    return [await writing(idle) for _ in range(3)]


def of(writer: Author, events: list[Event]) -> list[str]:
    """What was told of one operation, by the names of the events."""
    return [event.name for event in events if event.document["operationId"] == writer.id]


async def test_first_the_present_state_of_each_then_all_that_comes(idle: Api) -> None:
    writers = await three(idle)
    reader = Reader(idle.app, streams(*(writer.id for writer in writers)))
    assert [event.document["operationId"] for event in await reader.until(3)] == [w.id for w in writers]
    for writer in writers:
        await writer.advance(2)
    assert len(await reader.until(9)) == 9
    for writer in writers:
        assert not reader.task.done(), "it goes on while any of them does"
        await writer.complete()
    events = await reader.ended()
    assert all(of(writer, events) == ["status-update"] * 3 + ["completed"] for writer in writers)
    assert reader.complete
    assert nothing_followed(idle)


async def test_its_id_is_one_position_over_all_and_resumes_all(idle: Api) -> None:
    """From every event on, exactly the rest."""
    writers = await three(idle)
    path = streams(*(writer.id for writer in writers))
    reader = Reader(idle.app, path)
    await reader.until(3)
    for writer in (writers[2], writers[0], writers[2], writers[1]):
        seen = len(reader.events)
        await writer.advance()
        await reader.until(seen + 1)
    for writer in writers:
        await writer.complete()
    events = await reader.ended()
    for place in range(2, len(events)):
        for by in ("header", "query"):
            position = events[place].id
            again = (
                Reader(idle.app, path, last_id=position)
                if by == "header"
                else Reader(idle.app, f"{path}&after={position}")
            )
            assert sorted(await again.ended()) == sorted(await again.ended())
            for writer in writers:
                rest = [event.data for event in events[place + 1 :] if event.document["operationId"] == writer.id]
                told = [event.data for event in again.events if event.document["operationId"] == writer.id]
                assert told == rest
    done = await idle.get(path, headers={"Last-Event-ID": events[-1].id})
    assert (done.status_code, done.content) == (204, b"")


async def test_what_was_not_told_yet_begins_with_its_present_state(idle: Api) -> None:
    writers = await three(idle)
    path = streams(*(writer.id for writer in writers))
    first, *_ = await Reader(idle.app, path).until(3)
    reader = Reader(idle.app, path, last_id=first.id)
    events = await reader.until(2)
    assert [event.document["operationId"] for event in events] == [writers[1].id, writers[2].id]
    await reader.leave()


async def test_cut_at_random_nothing_is_missing_and_nothing_comes_twice(idle: Api) -> None:
    dice = random.Random(8)
    writers = await three(idle)
    path = streams(*(writer.id for writer in writers), query="&logs=true")
    seen: list[Event] = []
    last_id = ""
    for _ in range(30):
        reader = Reader(idle.app, path, last_id=last_id or None)
        for _ in range(dice.randrange(4)):
            await dice.choice(writers).advance(lines=["line"] * dice.randrange(3))
        for _ in range(dice.randrange(20)):
            await asyncio.sleep(0)
        await reader.leave()
        seen += reader.events
        last_id = reader.parser.last_id
    for writer in writers:
        await writer.complete(lines=["last"])
    seen += await Reader(idle.app, path, last_id=last_id or None).ended()
    for writer in writers:
        mine = [event for event in seen if event.document["operationId"] == writer.id]
        lines = [event.document["sequence"] for event in mine if event.name == "log"]
        assert lines == list(range(1, len(lines) + 1))
        steps = [event.document["data"]["current"] for event in mine if "data" in event.document]
        assert len(lines) == (await idle.app.service.get(writer.id, None)).lines
        assert mine[-1].name == "completed"
        assert steps[-1] is not None


async def test_an_id_of_another_stream_gets_a_reset_of_all(idle: Api) -> None:
    writers = await three(idle)
    path = streams(*(writer.id for writer in writers))
    (*_, last) = await Reader(idle.app, streams(writers[1].id, writers[0].id, writers[2].id)).until(3)
    for position in (last.id, "7", "x", f"{last.id}.7", "~", "00000000.1.2.3"):
        reader = Reader(idle.app, path, last_id=position)
        assert names(await reader.until(3)) == ["reset"] * 3
        await reader.leave()
        answer = await idle.get(path, params={"ids": ",".join(w.id for w in writers), "after": position})
        assert problem(answer, 422, "invalid-parameter")["errors"][0]["parameter"] == "after"


async def test_one_operation_alone_still_has_an_opaque_position(idle: Api) -> None:
    writer = await writing(idle)
    reader = Reader(idle.app, streams(writer.id))
    (event,) = await reader.until(1)
    await reader.leave()
    await writer.complete()
    assert names(await Reader(idle.app, streams(writer.id), last_id=event.id).ended()) == ["completed"]


async def test_an_id_named_twice_is_followed_once(idle: Api) -> None:
    writer = await writing(idle)
    reader = Reader(idle.app, streams(writer.id, writer.id, query=f"&ids={writer.id}"))
    await writer.complete()
    assert names(await reader.ended())[-1] == "completed"
    assert names(reader.events).count("completed") == 1


async def test_with_logs_each_has_its_lines_before_its_end(idle: Api) -> None:
    writers = await three(idle)
    reader = Reader(idle.app, streams(*(writer.id for writer in writers), query="&logs=true"))
    await reader.until(3)
    for number, writer in enumerate(writers):
        await writer.complete(lines=["line"] * number)
    await reader.ended()
    for number, writer in enumerate(writers):
        assert of(writer, reader.events) == ["status-update", *["log"] * number, "completed"]


# --- refused


@pytest.mark.parametrize("query", ["", "?ids=", "?ids=,,", "?other=1"])
async def test_it_has_to_name_operations(idle: Api, query: str) -> None:
    answer = await idle.get(f"/operations/stream{query}")
    assert problem(answer, 422, "invalid-parameter")["errors"][0]["parameter"] == "ids"


async def test_one_that_is_not_there_is_404_for_all_before_the_stream(idle: Api) -> None:
    writer = await writing(idle)
    for other in (op_id(7), "op-nonsense"):
        problem(await idle.get(streams(writer.id, other)), 404, "operation-not-found")
    assert nothing_followed(idle)


async def test_a_hundred_at_once_and_no_more(idle: Api) -> None:
    ids = [(await idle.submit("/noops"))["operationId"] for _ in range(OPERATIONS_LIMIT + 1)]
    for path in (streams(*ids[:-1]), "/operations/stream?logs=true&" + "&".join(f"ids={id}" for id in ids[:-1])):
        reader = Reader(idle.app, path)
        await reader.until(OPERATIONS_LIMIT)
        again = Reader(idle.app, path, last_id=reader.parser.last_id)
        await idle.post(f"/operations/{ids[50]}/cancel")
        assert names(await again.until(1))[0] in {"cancelled", "log"}
        await asyncio.gather(reader.leave(), again.leave())
        ids[50] = (await idle.submit("/noops"))["operationId"]
        break
    problem(await idle.get(streams(*ids)), 422, "invalid-parameter")
    each = "/operations/stream?logs=true&after=x&" + "&".join(f"ids={id}" for id in ids)
    problem(await idle.get(each), 422, "invalid-parameter")


async def test_head(idle: Api) -> None:
    writer = await writing(idle)
    head = await idle.head(streams(writer.id))
    assert (head.status_code, head.headers["content-type"], head.content) == (200, "text/event-stream", b"")
