"""Contract, section 8: one operation on a WebSocket."""

import asyncio
import json

import pytest

from accepted.http.pulse import SEND_TIMEOUT
from accepted.store.protocol import StoreUnavailable
from tests.clock import MovableClock
from tests.contract.given import op_id
from tests.engine.author import before
from tests.http.api import Api, eventually, problem
from tests.http.conftest import MakeApp, Start
from tests.http.conversation import Conversation, kinds, sequences
from tests.http.streaming import Reader, ids, nothing_followed, open_streams, second, writing

STATUS = {"command": "get-status"}


def socket(id: str, query: str = "") -> str:
    return f"/operations/{id}/status{query}"


# --- events


async def test_the_same_events_as_messages(idle: Api) -> None:
    """E3: as many, with the same numbers and the same content as on an event stream."""
    writer = await writing(idle)
    talk, reader = (
        Conversation(idle.app, socket(writer.id, "?after=0")),
        Reader(idle.app, f"/operations/{writer.id}/stream?after=0"),
    )
    await talk.heard(2)
    await writer.advance(5)
    await writer.complete()
    said, events = await talk.ended(), await reader.ended()
    assert sequences(said) == [int(event.id) for event in events] == list(range(1, 9))
    assert kinds(said) == ["STATUS_UPDATE"] * 7 + ["COMPLETED"]
    for message, event in zip(said, events, strict=True):
        assert {name: value for name, value in message.items() if name not in {"event", "sequence"}} == event.document
    assert list(said[3]) == ["event", "operationId", "sequence", "status", "timestamp", "attempt", "data"]
    assert (talk.code, open_streams(idle, "websocket"), nothing_followed(idle)) == (1000, 0, True)


async def test_a_fresh_one_begins_with_the_present_state(idle: Api) -> None:
    writer = await writing(idle)
    await writer.advance(3)
    talk = Conversation(idle.app, socket(writer.id))
    assert sequences(await talk.heard(1)) == [5]
    assert open_streams(idle, "websocket") == 1
    await talk.leave()
    assert (talk.code, nothing_followed(idle)) == (None, True)


async def test_after_resumes_from_every_position(idle: Api) -> None:
    writer = await writing(idle)
    await writer.advance(3)
    await writer.complete()
    for k in range(7):
        talk = Conversation(idle.app, socket(writer.id, f"?after={k}"))
        assert sequences(await talk.ended()) == list(range(k + 1, 7))
        assert talk.code == 1000


async def test_a_position_beyond_the_end_gets_a_reset(idle: Api) -> None:
    writer = await writing(idle)
    await writer.complete()
    assert kinds(await Conversation(idle.app, socket(writer.id, "?after=99")).ended()) == ["RESET", "COMPLETED"]


@pytest.mark.parametrize(
    ("path", "body", "end", "member"),
    [("/retryables", None, "FAILED", "error"), ("/echoes", {"a": 1}, "COMPLETED", "result")],
)
async def test_each_end_says_what_it_has(api: Api, path: str, body: object, end: str, member: str) -> None:
    id = str((await api.submit(path, body))["operationId"])
    *_, last = await Conversation(api.app, socket(id)).ended()
    assert last["event"] == end
    assert last[member] == (await api.status(id))[member]


# --- refused before the upgrade


async def test_what_is_not_there_is_404_before_the_upgrade(idle: Api) -> None:
    for id in (op_id(7), "op-nonsense"):
        talk = Conversation(idle.app, socket(id))
        await talk.ended()
        assert (talk.accepted, talk.status) == (False, 404)
        assert talk.headers["content-type"] == "application/problem+json"
        assert json.loads(talk.body)["type"] == "/problems/operation-not-found"


async def test_where_a_server_cannot_say_so_it_closes(idle: Api) -> None:
    talk = Conversation(idle.app, socket(op_id(7)), deniable=False)
    await talk.ended()
    assert (talk.accepted, talk.code) == (False, 1008)


async def test_what_has_expired_is_410(idle: Api, clock: MovableClock) -> None:
    writer = await writing(idle)
    await writer.complete()
    clock.advance(days=2)
    talk = Conversation(idle.app, socket(writer.id))
    await talk.ended()
    assert talk.status == 410


@pytest.mark.parametrize("after", ["x", "-1", "", "%D9%A3"])
async def test_a_wrong_position_is_422(idle: Api, after: str) -> None:
    writer = await writing(idle)
    talk = Conversation(idle.app, socket(writer.id, f"?after={after}"))
    await talk.ended()
    assert (talk.accepted, talk.status) == (False, 422)


@pytest.mark.parametrize("path", ["/", "/operations", "/nothing/status", "/jobs/x/status"])
async def test_other_paths_have_no_socket(idle: Api, path: str) -> None:
    talk = Conversation(idle.app, path)
    await talk.ended()
    assert talk.status == 404


async def test_plain_http_is_told_to_upgrade(idle: Api) -> None:
    writer = await writing(idle)
    for path in (socket(writer.id), "/operations/status"):
        answer = await idle.get(path)
        problem(answer, 426, "upgrade-required")
        assert answer.headers["upgrade"] == "websocket"


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        (None, True),
        ("http://testserver", True),
        ("https://friend.example", True),
        ("https://evil.example", False),
        ("null", False),
        ("http://testserver.evil.example", False),
        ("https://friend.example.evil", False),
    ],
)
async def test_pages_from_elsewhere_may_not_open_one(
    make_app: MakeApp, start: Start, origin: str | None, accepted: bool
) -> None:
    api = await start(make_app(worker=False, allowed_origins="https://friend.example"))
    writer = await writing(api)
    await writer.complete()
    for path in (socket(writer.id), "/operations/status"):
        talk = Conversation(api.app, path, headers={"origin": origin} if origin else {})
        if accepted:
            await talk.sees(lambda talk=talk: talk.accepted)  # type: ignore[misc]
            await talk.leave()
        else:
            await talk.ended()
            assert (talk.accepted, talk.status) == (False, 403)
            assert json.loads(talk.body)["type"] == "/problems/origin-not-allowed"


async def test_another_host_is_refused(idle: Api) -> None:
    writer = await writing(idle)
    talk = Conversation(idle.app, socket(writer.id), headers={"host": "rebound.example"})
    await talk.ended()
    assert (talk.accepted, talk.status) == (False, 421)


# --- how it ends


async def test_the_end_of_the_server_closes_with_restart(idle: Api) -> None:
    writer = await writing(idle)
    talks = [Conversation(idle.app, path) for path in (socket(writer.id), "/operations/status")]
    for talk in talks:
        await talk.sees(lambda talk=talk: talk.accepted)  # type: ignore[misc]
    idle.app.drain()
    for talk in talks:
        await talk.ended()
        assert talk.code == 1012
    late = Conversation(idle.app, socket(writer.id))
    await late.ended()
    assert (late.accepted, late.status) == (False, 503)
    assert nothing_followed(idle)


async def test_a_database_that_cannot_be_read_closes_with_restart(idle: Api) -> None:
    writer = await writing(idle)

    async def failing() -> None:
        raise StoreUnavailable("the disk")

    before(idle.app.node.store, "events", failing)
    talk = Conversation(idle.app, socket(writer.id, "?after=0"))
    await talk.ended()
    assert (talk.code, nothing_followed(idle)) == (1012, True)


async def test_a_client_that_talks_while_it_is_closed_harms_nothing(idle: Api) -> None:
    writer = await writing(idle)
    for _ in range(30):
        talk = Conversation(idle.app, socket(writer.id))
        await talk.heard(1)
        talk.say(*[STATUS] * 5)
        await asyncio.gather(talk.leave(), writer.advance())
    talk = Conversation(idle.app, socket(writer.id))
    talk.say(*[STATUS] * 20)
    await writer.complete()
    said = await talk.ended()
    assert (kinds(said)[-1], talk.code) == ("COMPLETED", 1000)
    assert (open_streams(idle, "websocket"), nothing_followed(idle)) == (0, True)


async def test_a_reader_that_does_not_read_is_cut_and_delays_nobody(idle: Api, clock: MovableClock) -> None:
    """E7, also where it goes on to ask."""
    writer = await writing(idle)
    stuck, healthy = Conversation(idle.app, socket(writer.id)), Conversation(idle.app, socket(writer.id))
    await stuck.heard(1)
    stuck.stop_reading()
    stuck.say(STATUS, STATUS, STATUS)
    await healthy.heard(1)
    await writer.advance()
    assert sequences(await healthy.heard(2)) == [2, 3]

    async def cut() -> bool:
        await second(clock)
        return stuck.task.done()

    for _ in range(int(SEND_TIMEOUT) - 1):
        assert not await cut()
    await eventually(cut, bool)
    assert len(stuck.said) == 1
    await writer.complete()
    assert kinds(await healthy.ended())[-1] == "COMPLETED"
    assert (open_streams(idle, "websocket"), nothing_followed(idle)) == (0, True)


async def test_ids_of_both_kinds_of_streams_are_the_same_numbers(idle: Api) -> None:
    """Who has begun on one goes on with the other."""
    writer = await writing(idle)
    await writer.advance(4)
    reader = Reader(idle.app, f"/operations/{writer.id}/stream?after=0")
    seen = ids(await reader.until(3))
    await reader.leave()
    await writer.complete()
    said = await Conversation(idle.app, socket(writer.id, f"?after={seen[-1]}")).ended()
    assert [*map(int, seen), *sequences(said)] == list(range(1, 8))
