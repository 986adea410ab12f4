"""Section 8: WebSocket, the same events and a few commands."""

from __future__ import annotations

import time
from typing import Any

from ..check import FULL, LIVE, check
from ..exchange import Broken, expect
from ..listening import LAST as LAST_OF_STREAM
from ..listening import listen
from ..manifest import Feature
from ..talking import LAST, Refused, talk
from ..trial import STATUSES, Operation, Trial, check_problem, moment, with_query
from .streams import check_pace, stream_of

SOCKETS = [Feature.SOCKETS]


def socket_of(operation: Operation) -> str:
    """Where its socket is."""
    return operation.link("websocket", "/status")


async def all_of(trial: Trial, link: str) -> tuple[list[dict[str, Any]], int | None]:
    """Every message until the server closes, and its code."""
    try:
        async with talk(trial, link) as socket:
            return await socket.hear_all(), socket.code
    except Refused as refused:
        raise Broken(str(refused)) from None


async def whole(trial: Trial, role: str = "slow") -> tuple[Operation, list[dict[str, Any]], int | None]:
    """All messages of an operation, told again from the first one after its end."""
    operation, _ = await trial.ran(role)
    messages, code = await all_of(trial, with_query(socket_of(operation), "after=0"))
    expect(messages, "the socket told nothing")
    return operation, messages, code


def numbers(messages: list[dict[str, Any]]) -> list[Any]:
    """Their sequences."""
    return [message.get("sequence") for message in messages]


@check(
    "socket.messages",
    "Each message has event, operationId, sequence, status and timestamp.",
    level=LIVE,
    uses=["slow"],
    needs=SOCKETS,
)
async def messages(trial: Trial) -> None:
    operation, heard, _ = await whole(trial)
    for message in heard:
        name = message.get("event")
        expect(name in {"STATUS_UPDATE", *LAST}, f"a message's event is {name!r}")
        expect(message.get("operationId") == operation.id, f"a message is about {message.get('operationId')!r}")
        expect(message.get("status") in STATUSES, f"a message's status is {message.get('status')!r}")
        moment(message, "timestamp")


@check("socket.live", "Messages come while it runs, not all at its end.", level=LIVE, uses=["slow"], needs=SOCKETS)
async def live(trial: Trial) -> None:
    operation = await trial.begin("slow")
    heard: list[tuple[float, dict[str, Any]]] = []
    try:
        async with talk(trial, socket_of(operation)) as socket:
            while (message := await socket.hear()) is not None:
                heard.append((time.monotonic(), message))
    except Refused as refused:
        raise Broken(str(refused)) from None
    expect(len(heard) >= 3, f"the socket told {len(heard)} messages in all")
    happened = moment(heard[-1][1], "timestamp") - moment(heard[0][1], "timestamp")
    check_pace(happened.total_seconds(), heard[-1][0] - heard[0][0])


@check("socket.sequence", "Messages are numbered 1, 2, 3 ... without gaps.", level=LIVE, uses=["slow"], needs=SOCKETS)
async def sequence(trial: Trial) -> None:
    _, heard, _ = await whole(trial)
    expect(numbers(heard) == [*range(1, len(heard) + 1)], f"the sequences are {numbers(heard)}")


@check(
    "socket.end",
    "There is one last message, COMPLETED, with the result; then the server closes with 1000.",
    level=LIVE,
    uses=["slow"],
    needs=SOCKETS,
)
async def end(trial: Trial) -> None:
    heard, code = await all_of(trial, socket_of(await trial.begin("slow")))
    lasts = [message.get("event") for message in heard if message.get("event") in LAST]
    expect(lasts == ["COMPLETED"], f"the last messages are {lasts}")
    expect(heard[-1].get("event") == "COMPLETED", f"{heard[-1].get('event')} came after the last message")
    expect(isinstance(heard[-1].get("result"), dict), "COMPLETED has no result")
    expect(code == 1000, f"it was closed with {code}, not 1000")


@check(
    "socket.resume",
    "?after=k gives exactly the messages after k, for every k.",
    level=LIVE,
    uses=["slow"],
    needs=SOCKETS,
)
async def resume(trial: Trial) -> None:
    operation, heard, _ = await whole(trial)
    for place, message in enumerate(heard[:-1], 1):
        again, _ = await all_of(trial, with_query(socket_of(operation), f"after={message.get('sequence')}"))
        expect(
            again == heard[place:],
            f"after {message.get('sequence')} came {numbers(again)}, not {numbers(heard[place:])}",
        )


@check(
    "socket.same",
    "Socket and stream tell the same events with the same numbers.",
    level=LIVE,
    uses=["slow"],
    needs=[Feature.SOCKETS, Feature.STREAMS],
)
async def same(trial: Trial) -> None:
    operation, heard, _ = await whole(trial)
    stream = await listen(trial, with_query(stream_of(operation), "after=0"))
    here = [(str(each.get("sequence")), each.get("status"), each.get("progress")) for each in heard]
    there = [(each.id, each.document.get("status"), each.document.get("progress")) for each in stream.events]
    expect(here == there, f"the socket told {len(here)} events, the stream {len(there)}, and they differ")
    expect(stream.last.name in LAST_OF_STREAM, "the stream has no last event")


@check(
    "socket.get-status",
    "get-status is answered by a STATUS_UPDATE with the present state.",
    level=LIVE,
    uses=["slow"],
    needs=SOCKETS,
)
async def get_status(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    await trial.until(operation, "PROCESSING")
    try:
        async with talk(trial, socket_of(operation), patience=5) as socket:
            await socket.say({"command": "get-status"})
            message = await socket.hear_event("STATUS_UPDATE")
    except Refused as refused:
        raise Broken(str(refused)) from None
    expect(message.get("status") == "PROCESSING", f"it says {message.get('status')}")


@check(
    "socket.cancel",
    "cancel cancels it, and the end comes on the same socket.",
    level=LIVE,
    uses=["slow"],
    needs=SOCKETS,
)
async def cancel(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    await trial.until(operation, "PROCESSING")
    try:
        async with talk(trial, socket_of(operation)) as socket:
            await socket.say({"command": "cancel", "reason": "said on the socket"})
            message = await socket.hear_event(*LAST)
    except Refused as refused:
        raise Broken(str(refused)) from None
    expect(message.get("event") == "CANCELLED", f"the last message is {message.get('event')}")
    expect(message.get("reason") == "said on the socket", f"the reason is {message.get('reason')!r}")


@check(
    "socket.errors",
    "An unknown command or broken JSON gets an ERROR with a problem, and hurts nothing else.",
    level=LIVE,
    uses=["slow"],
    needs=SOCKETS,
)
async def errors(trial: Trial) -> None:
    try:
        async with talk(trial, socket_of(await trial.begin(trial.long))) as socket:
            for wrong in ({"command": "make-tea"}, '{"command": ', "[]"):
                await socket.say(wrong)
                error = (await socket.hear_event("ERROR")).get("error")
                expect(isinstance(error, dict) and error.get("type") and error.get("title"), f"the ERROR has {error}")
            await socket.say({"command": "cancel"})
            await socket.hear_event("CANCELLED")
    except Refused as refused:
        raise Broken(str(refused)) from None


@check("socket.unknown", "An unknown id is a 404 before the upgrade.", level=LIVE, needs=SOCKETS)
async def unknown(trial: Trial) -> None:
    operation = await trial.begin("quick")
    link = socket_of(operation).replace(operation.id, "op-00000000000000000000000000")
    try:
        async with talk(trial, link) as socket:
            await socket.hear()
    except Refused as refused:
        check_problem(refused.answer, 404)
        return
    raise Broken("a socket to an unknown operation was opened")


@check(
    "socket.many",
    "One socket follows many operations: subscribe, unsubscribe.",
    level=FULL,
    uses=["slow"],
    needs=SOCKETS,
)
async def many(trial: Trial) -> None:
    first, second = await trial.begin("slow"), await trial.begin("slow")
    try:
        async with talk(trial, f"{trial.manifest.paths.operations}/status") as socket:
            for each in (first, second):
                await socket.say({"command": "subscribe", "operationId": each.id, "after": 0})
            ends: dict[str, Any] = {}
            seen: dict[str, list[Any]] = {first.id: [], second.id: []}
            while len(ends) < 2:
                message = await socket.hear_event("STATUS_UPDATE", *LAST)
                id = str(message.get("operationId"))
                expect(id in seen, f"a message about {id}, which nobody subscribed to")
                seen[id].append(message.get("sequence"))
                if message.get("event") in LAST:
                    ends[id] = message.get("event")
            await socket.say({"command": "unsubscribe", "operationId": first.id})
            await socket.say({"command": "make-tea"})
            await socket.hear_event("ERROR")
    except Refused as refused:
        raise Broken(str(refused)) from None
    for id, told in seen.items():
        expect(told == [*range(1, len(told) + 1)], f"the sequences of {id} are {told}")
