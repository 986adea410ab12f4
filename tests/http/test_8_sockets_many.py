"""Contract, section 8: many operations on one WebSocket, `/operations/status`, by subscribing."""

from typing import Any

import pytest

from accepted.http.sockets import FOLLOWED_LIMIT
from tests.contract.given import op_id
from tests.http.api import Api
from tests.http.conversation import Conversation, Document, kinds, sequences
from tests.http.streaming import nothing_followed, writing

PATH = "/operations/status"


def subscribe(id: Any, **members: Any) -> Document:
    return {"command": "subscribe", "operationId": id, **members}


def unsubscribe(id: str) -> Document:
    return {"command": "unsubscribe", "operationId": id}


async def test_what_is_subscribed_to_is_told_from_its_present_state_on(idle: Api) -> None:
    one, two = await writing(idle), await writing(idle)
    talk = Conversation(idle.app, PATH)
    assert (await talk.answer(subscribe(one.id)))["operationId"] == one.id
    assert (await talk.answer(subscribe(two.id)))["operationId"] == two.id
    await one.advance()
    await talk.heard(3)
    await two.complete()
    said = await talk.heard(4)
    assert [(message["operationId"], message["sequence"]) for message in said] == [
        (one.id, 2),
        (two.id, 2),
        (one.id, 3),
        (two.id, 3),
    ]
    assert kinds(said)[-1] == "COMPLETED"
    await one.complete()
    await talk.heard(5)
    assert not talk.task.done(), "it stays open for more"
    three = await writing(idle)
    assert (await talk.answer(subscribe(three.id)))["operationId"] == three.id
    await talk.leave()
    assert nothing_followed(idle)


async def test_after_resumes_from_every_position(idle: Api) -> None:
    writer = await writing(idle)
    await writer.advance(3)
    await writer.complete()
    for k in range(6):
        talk = Conversation(idle.app, PATH)
        talk.say(subscribe(writer.id, after=k))
        assert sequences(await talk.heard(6 - k)) == list(range(k + 1, 7))
        await talk.leave()


async def test_after_the_end_nothing_is_told(idle: Api) -> None:
    writer = await writing(idle)
    await writer.complete()
    talk = Conversation(idle.app, PATH)
    talk.say(subscribe(writer.id, after=3))
    assert sequences([await talk.answer({"command": "get-status", "operationId": writer.id})]) == [3]
    await talk.leave()


async def test_a_position_beyond_the_end_gets_a_reset(idle: Api) -> None:
    writer = await writing(idle)
    talk = Conversation(idle.app, PATH)
    assert (await talk.answer(subscribe(writer.id, after=99)))["event"] == "RESET"
    await talk.leave()


async def test_what_is_unsubscribed_from_is_told_no_more(idle: Api) -> None:
    one, two = await writing(idle), await writing(idle)
    talk = Conversation(idle.app, PATH)
    await talk.answer(subscribe(one.id))
    await talk.answer(subscribe(two.id))
    talk.say(unsubscribe(one.id), unsubscribe(one.id), unsubscribe(op_id(7)))
    await talk.answer({"command": "get-status", "operationId": two.id})
    await one.advance(3)
    await two.advance()
    assert [message["operationId"] for message in await talk.heard(4)] == [one.id, two.id, two.id, two.id]
    await talk.leave()


async def test_subscribing_again_goes_on_from_where_it_says(idle: Api) -> None:
    writer = await writing(idle)
    await writer.advance(2)
    talk = Conversation(idle.app, PATH)
    assert sequences([await talk.answer(subscribe(writer.id))]) == [4]
    talk.say(subscribe(writer.id, after=1))
    await talk.heard(4)
    talk.say(subscribe(writer.id, after=3))
    assert sequences(await talk.heard(5)) == [4, 2, 3, 4, 4]
    await writer.complete()
    assert sequences(await talk.heard(6))[-1] == 5
    await talk.leave()


async def test_cancel_is_told_once_whether_followed_or_not(idle: Api) -> None:
    followed, other = [(await idle.submit("/noops"))["operationId"] for _ in range(2)]
    talk = Conversation(idle.app, PATH)
    await talk.answer(subscribe(followed))
    for id in (followed, other):
        message = await talk.answer({"command": "cancel", "operationId": id, "reason": "enough"})
        assert (message["event"], message["operationId"], message["reason"]) == ("CANCELLED", id, "enough")
    assert (await talk.answer({"command": "get-status", "operationId": other}))["event"] == "STATUS_UPDATE"
    assert len(talk.said) == 4
    await talk.leave()


@pytest.mark.parametrize(
    ("command", "slug"),
    [
        (subscribe(op_id(7)), "operation-not-found"),
        (subscribe("op-nonsense"), "operation-not-found"),
        (subscribe(7), "invalid-command"),
        ({"command": "subscribe"}, "invalid-command"),
        ({"command": "unsubscribe"}, "invalid-command"),
        ({"command": "get-status"}, "invalid-command"),
        ({"command": "cancel"}, "invalid-command"),
        (subscribe(None), "invalid-command"),
        (subscribe("HERE", after=-1), "invalid-command"),
        (subscribe("HERE", after="3"), "invalid-command"),
        (subscribe("HERE", after=1.5), "invalid-command"),
        (subscribe("HERE", after=True), "invalid-command"),
        (subscribe("HERE", after=[]), "invalid-command"),
    ],
    ids=str,
)
async def test_a_wrong_command_gets_an_error_and_hurts_nothing_else(idle: Api, command: Document, slug: str) -> None:
    writer = await writing(idle)
    talk = Conversation(idle.app, PATH)
    await talk.answer(subscribe(writer.id))
    if command.get("operationId") == "HERE":
        command = command | {"operationId": writer.id}
    error = await talk.answer(command)
    assert (error["event"], error["error"]["type"]) == ("ERROR", f"/problems/{slug}")
    assert error.get("operationId") == (command["operationId"] if isinstance(command.get("operationId"), str) else None)
    await writer.advance()
    assert sequences([(await talk.heard(3))[2]]) == [3], "it is still followed"
    await talk.leave()


async def test_nobody_may_ask_so_fast_that_a_hundred_are_followed_at_once(idle: Api) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    talk = Conversation(idle.app, PATH)
    talk.say(*[subscribe(id)] * 2 * FOLLOWED_LIMIT)
    await talk.ended()
    assert (talk.code, nothing_followed(idle)) == (1008, True)
