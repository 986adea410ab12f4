"""Contract, section 8: what a client may say on a WebSocket; what is wrong gets an error and hurts nothing else."""

import json
from typing import Any

import pytest

from accepted.settings import Settings
from tests.contract.given import op_id
from tests.http.api import Api
from tests.http.conversation import Conversation
from tests.http.gate import Gates
from tests.http.streaming import nothing_followed, writing

MESSAGE_LIMIT = Settings().message_limit
BURST = Settings().message_rate.quota

STATUS = {"command": "get-status"}


def socket(id: str) -> str:
    return f"/operations/{id}/status"


async def test_get_status_is_answered_with_the_present_state(idle: Api) -> None:
    writer = await writing(idle)
    talk = Conversation(idle.app, socket(writer.id))
    await talk.heard(1)
    found = await talk.answer(STATUS)
    assert found == talk.said[0]
    assert await talk.answer(STATUS | {"operationId": writer.id}) == found
    await talk.leave()


async def test_cancel_ends_it_with_the_reason(idle: Api) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    talk = Conversation(idle.app, socket(id))
    await talk.heard(1)
    talk.say({"command": "cancel", "reason": "changed my mind"})
    _, last = await talk.ended()
    assert (last["event"], last["reason"], last["status"]) == ("CANCELLED", "changed my mind", "CANCELLED")
    assert talk.code == 1000


async def test_cancel_of_running_work(api: Api, gates: Gates) -> None:
    id = (await api.submit("/slows"))["operationId"]
    talk = Conversation(api.app, socket(id))
    await gates.started.passed()
    talk.say({"command": "cancel"})
    *_, last = await talk.ended()
    assert (last["event"], last["workStopped"]) == ("CANCELLED", True)


WRONG: list[tuple[Any, str]] = [
    ("", "invalid-json"),
    ("{", "invalid-json"),
    ('{"command": NaN}', "invalid-json"),
    ('{"command": 1, "command": 2}', "invalid-json"),
    ("[" * 100, "invalid-json"),
    ("\ud800", "invalid-json"),
    ("[]", "invalid-command"),
    ("7", "invalid-command"),
    ("null", "invalid-command"),
    ({}, "invalid-command"),
    ({"command": "drop-tables"}, "invalid-command"),
    ({"command": ["get-status"]}, "invalid-command"),
    ({"command": {}}, "invalid-command"),
    ({"command": "subscribe", "operationId": op_id(1)}, "invalid-command"),
    ({"command": "unsubscribe"}, "invalid-command"),
    ({"command": "get-status", "operationId": 7}, "invalid-command"),
    ({"command": "get-status", "operationId": None}, "invalid-command"),
    ({"command": "get-status", "operationId": op_id(1)}, "operation-not-found"),
    ({"command": "cancel", "operationId": "op-nonsense"}, "operation-not-found"),
    ({"command": "cancel", "reason": 7}, "invalid-request"),
    ({"command": "cancel", "reason": "x" * 2000}, "invalid-request"),
]


async def test_a_wrong_command_gets_an_error_and_hurts_nothing_else(idle: Api) -> None:
    writer = await writing(idle)
    talk = Conversation(idle.app, socket(writer.id))
    await talk.heard(1)
    for command, slug in WRONG:
        text = command if isinstance(command, str) else json.dumps(command)
        error = await talk.answer(text)
        assert (error["event"], error["error"]["type"]) == ("ERROR", f"/problems/{slug}"), command
        assert error["error"]["instance"] == socket(writer.id)
    number = len(talk.said)
    talk.say_bytes(b'{"command": "get-status"}')
    assert (await talk.heard(number + 1))[-1]["error"]["type"] == "/problems/invalid-command"
    await writer.complete()
    assert (await talk.ended())[-1]["event"] == "COMPLETED"


async def test_a_cancel_that_comes_too_late_is_an_error(idle: Api) -> None:
    writer = await writing(idle)
    talk = Conversation(idle.app, "/operations/status")
    await writer.complete()
    error = await talk.answer({"command": "cancel", "operationId": writer.id})
    assert (error["event"], error["operationId"]) == ("ERROR", writer.id)
    assert error["error"]["type"] == "/problems/operation-not-cancellable"
    await talk.leave()


@pytest.mark.parametrize("unit", ["x", "\u20ac"])
async def test_too_large_a_command_is_the_end(idle: Api, unit: str) -> None:
    """Bytes count, not characters."""
    writer = await writing(idle)
    talk = Conversation(idle.app, socket(writer.id))
    await talk.heard(1)
    fits = unit * (MESSAGE_LIMIT // len(unit.encode()))
    assert (await talk.answer(fits))["event"] == "ERROR"
    talk.say(fits + unit)
    await talk.ended()
    assert (talk.code, nothing_followed(idle)) == (1009, True)
    talk = Conversation(idle.app, socket(writer.id))
    talk.say_bytes(b"x" * (MESSAGE_LIMIT + 1))
    await talk.ended()
    assert talk.code == 1009


async def test_too_many_commands_are_the_end(idle: Api) -> None:
    writer = await writing(idle)
    talk = Conversation(idle.app, socket(writer.id))
    talk.say(*[STATUS] * 10 * BURST)
    said = await talk.ended()
    assert (said[-1]["event"], said[-1]["error"]["type"]) == ("ERROR", "/problems/too-many-messages")
    assert talk.code == 1008
    assert BURST < len(said) < 3 * BURST
