"""The faults that `sabotages.py` puts into servers: of answers, cancels, documents, streams, sockets and webhooks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tests.verify.saboteur import (
    Parcel,
    Said,
    answers,
    is_cancel,
    is_stream,
    is_submit,
    messages,
)
from tests.verify.serving import App

TERMINAL = {"COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED", "CANCELLED"}
LAST = (b"event: completed", b"event: failed", b"event: cancelled")
COUNTER = itertools.count(1)


def status(old: int, new: int) -> Callable[[Said], None]:
    """Another status code."""

    def change(said: Said) -> None:
        if said.status == old:
            said.status = new

    return change


def bare(*names: str) -> Callable[[Said], None]:
    """Without these headers."""

    def change(said: Said) -> None:
        for name in names:
            said.headers.pop(name, None)

    return change


def told(**members: Any) -> Callable[[Said], None]:
    """Members more or others, in whatever is no refusal."""

    def change(said: Said) -> None:
        if said.status < 400 and said.document:
            said.add(**members)

    return change


def within(name: str, **members: Any) -> Callable[[Said], None]:
    """The same inside of a member that is an object."""

    def change(said: Said) -> None:
        found = said.document.get(name)
        if isinstance(found, dict):
            said.add(**{name: {**found, **members}})

    return change


def if_status(*statuses: str, then: Callable[[Said], None]) -> Callable[[Said], None]:
    """Only for operations with these statuses."""

    def change(said: Said) -> None:
        if said.document.get("status") in statuses:
            then(said)

    return change


def percentage(compute: Callable[[int], int]) -> Callable[[Said], None]:
    """Another percentage while it runs."""

    def change(said: Said) -> None:
        progress = said.document.get("progress")
        if isinstance(progress, dict) and "percentage" in progress:
            said.add(progress={**progress, "percentage": compute(progress["percentage"])})

    return if_status("PROCESSING", then=change)


def still(said: Said) -> None:
    """Progress that stands still."""
    progress = said.document.get("progress")
    if isinstance(progress, dict):
        said.add(progress={"percentage": 5, "phases": progress.get("phases", [])})


def changing(said: Said) -> None:
    """A document that changes with every look at it."""
    said.add(seen=next(COUNTER))


def retyped(scope: dict[str, Any]) -> None:
    """Whatever came is called JSON."""
    others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    scope["headers"] = [*others, (b"content-type", b"application/json")]


def other_id(said: Said) -> None:
    """A replay under another id."""
    if said.headers.get("idempotency-replayed") == "true":
        new = f"op-{next(COUNTER):026d}"
        said.body = said.body.replace(str(said.document["operationId"]).encode(), new.encode())


def traced(said: Said) -> None:
    """A stack trace in the error."""
    error = said.document["error"]
    said.add(error={**error, "detail": "Traceback (most recent call last):\n  File ..."})


def not_cancelled(app: App) -> App:
    """Says CANCELLED, and lets it run on."""

    async def broken(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http" and is_cancel(scope):
            look = {**scope, "method": "GET", "path": scope["path"].removesuffix("/cancel")}
            seen: list[str] = []
            await answers(lambda scope: True, lambda said: seen.append(said.document.get("status", "")))(app)(
                look, receive, nobody
            )
            if seen[0] in {"PENDING", "PROCESSING"}:
                await answers(lambda scope: True, pretend)(app)(look, receive, send)
                return
        await app(scope, receive, send)

    return broken


async def nobody(message: dict[str, Any]) -> None:
    """Hears nothing."""


def pretend(said: Said) -> None:
    said.add(status="CANCELLED", cancelledAt="2026-01-01T00:00:00Z", reason="", workStopped=True)


def once(app: App) -> App:
    """The second cancel of an operation is refused."""
    seen: set[str] = set()

    def change(said: Said) -> None:
        if said.scope["path"] in seen and said.status == 200:
            said.status, said.headers["content-type"] = 409, "application/problem+json"
            said.tell({"type": "/problems/no", "title": "No", "status": 409})
        seen.add(said.scope["path"])

    return answers(is_cancel, change)(app)


def reversed_data(said: Said) -> None:
    said.add(data=said.document.get("data", [])[::-1])


def without_warnings(said: Said) -> None:
    result = dict(said.document["result"])
    result.pop("warnings", None)
    said.add(result=result)


def html(said: Said) -> None:
    """An error page for people."""
    if said.status == 404:
        said.headers["content-type"], said.body = "text/html", b"<h1>Not Found</h1>"


def offering(said: Said) -> None:
    """A document that promises coffee."""
    found = said.document
    found["paths"]["/coffee"] = {"get": {"responses": {"200": {"description": "Hot."}}}}
    said.tell(found)


def silent_202(said: Said) -> None:
    found = said.document
    found["paths"]["/greetings"]["post"]["responses"].pop("202")
    said.tell(found)


def spied(app: App) -> App:
    """The 202 shows the secret of a webhook."""

    async def broken(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not is_submit(scope):
            await app(scope, receive, send)
            return
        heard: list[bytes] = []

        async def listen() -> Any:
            message = await receive()
            heard.append(message.get("body", b""))
            return message

        def change(said: Said) -> None:
            asked = msgspec.json.decode(b"".join(heard) or b"{}") if said.status == 202 else {}
            if isinstance(asked, dict) and "secret" in asked.get("webhook", {}):
                said.add(webhook={**said.document["webhook"], "secret": asked["webhook"]["secret"]})

        await answers(is_submit, change)(app)(scope, listen, send)

    return broken


# --- streams and sockets


def doubled(blocks: list[bytes]) -> Iterable[bytes]:
    """The last event twice."""
    for block in blocks:
        yield block
        if any(name in block for name in LAST):
            yield block


def gap(blocks: list[bytes]) -> Iterable[bytes]:
    """Never the third event."""
    return [block for block in blocks if not block.startswith(b"id: 3\n")]


def dumb(blocks: list[bytes]) -> Iterable[bytes]:
    """The last event without a result."""
    return [re.sub(rb',"result":\{.*\}(?=\}$)', b"", block) for block in blocks]


def misnamed(blocks: list[bytes]) -> Iterable[bytes]:
    """Events of a name that nobody listens to."""
    return [block.replace(b"event: status-update", b"event: update") for block in blocks]


def earlier(scope: dict[str, Any]) -> None:
    """One event too many after a cut."""

    def less(value: bytes) -> bytes:
        return str(max(0, int(value) - 1)).encode() if value.isdigit() else value

    scope["headers"] = [(n, less(v) if n == b"last-event-id" else v) for n, v in scope["headers"]]


def plain_stream(app: App) -> App:
    """A stream that says it is text."""

    async def broken(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def pass_on(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and is_stream(scope) and message["status"] == 200:
                headers = [(n, v) for n, v in message["headers"] if n != b"content-type"]
                message = {**message, "headers": [*headers, (b"content-type", b"text/plain")]}
            await send(message)

        await app(scope, receive, pass_on if scope["type"] == "http" else send)

    return broken


def code(number: int) -> Callable[[dict[str, Any]], Iterable[dict[str, Any]]]:
    """Another close code."""
    return lambda message: [{**message, "code": number} if message["type"] == "websocket.close" else message]


def lossy(message: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Never the second message."""
    return [] if '"sequence":2,' in message.get("text", "") else [message]


def touchy(message: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Hangs up on a wrong command."""
    if '"event":"ERROR"' in message.get("text", ""):
        return [message, {"type": "websocket.close", "code": 1008}]
    return [message]


def polite(app: App) -> App:
    """Opens the socket before it refuses."""

    def change(message: dict[str, Any]) -> Iterable[dict[str, Any]]:
        if message["type"] == "websocket.http.response.start":
            return [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1008}]
        return [] if message["type"] == "websocket.http.response.body" else [message]

    return messages(change)(app)


# --- webhooks


def forged(parcel: Parcel) -> None:
    parcel.headers["x-webhook-signature"] = "sha256=" + "0" * 64


def stale(parcel: Parcel) -> None:
    parcel.headers["webhook-signature"] = "v1,AAAA"


def renamed(parcel: Parcel) -> None:
    parcel.headers["webhook-id"] += f"-{next(COUNTER)}"
    parcel.sign()


def twice(parcel: Parcel) -> None:
    parcel.times = 2


def careless(parcel: Parcel) -> None:
    parcel.answer = 204


def relative(parcel: Parcel) -> None:
    parcel.body = re.sub(rb'"url":"http://[^/]+', b'"url":"', parcel.body)
    parcel.sign()


def mute(parcel: Parcel) -> None:
    parcel.headers.pop("x-webhook-event", None)
