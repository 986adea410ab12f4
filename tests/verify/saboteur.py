"""What breaks a server in one place: ASGI middleware for answers, requests, streams, sockets and webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, quote

import httpx2
import msgspec

from tests.verify.serving import App

Scope = dict[str, Any]
When = Callable[[Scope], bool]

EVENTS = (b"content-type", b"text/event-stream")
OPERATION = re.compile(r"/operations/op-[^/]+")


class Said:
    """A whole answer, to be changed."""

    def __init__(self, scope: Scope, status: int, headers: dict[str, str], body: bytes) -> None:
        self.scope = scope
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def document(self) -> dict[str, Any]:
        """Its JSON object; empty where it is none."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

    def tell(self, document: Any) -> None:
        """Another body."""
        self.body = msgspec.json.encode(document)

    def add(self, **members: Any) -> None:
        """Members more, or others."""
        self.tell({**self.document, **members})

    def drop(self, *names: str) -> None:
        """Members less."""
        self.tell({name: value for name, value in self.document.items() if name not in names})


def is_submit(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"].count("/") == 1)


def is_poll(scope: Scope) -> bool:
    return scope["method"] in {"GET", "HEAD"} and OPERATION.fullmatch(scope["path"]) is not None


def is_cancel(scope: Scope) -> bool:
    path = str(scope["path"])
    return scope["method"] == "POST" and path.startswith("/operations") and path.endswith("/cancel")


def at(path: str, method: str = "GET") -> When:
    """This path, or those that begin with it where it ends with a star."""
    if path.endswith("*"):
        return lambda scope: scope["method"] == method and scope["path"].startswith(path[:-1])
    return lambda scope: scope["method"] == method and scope["path"] == path


def is_stream(scope: Scope) -> bool:
    path = str(scope["path"])
    return scope["method"] == "GET" and path.startswith("/operations/") and path.endswith("/stream")


def answers(when: When, change: Callable[[Said], None]) -> Callable[[App], App]:
    """Change whole answers. A stream of events is none, and passes as it is."""

    def wrap(app: App) -> App:
        async def broken(scope: Scope, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or not when(scope):
                await app(scope, receive, send)
                return
            start: dict[str, Any] = {}
            body: list[bytes] = []

            async def collect(message: dict[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    start.update(message)
                if EVENTS in start["headers"]:
                    await send(message)
                    return
                if message["type"] == "http.response.start":
                    return
                body.append(message.get("body", b""))
                if not message.get("more_body"):
                    await _say(_changed(scope, start, b"".join(body), change), send)

            await app(scope, receive, collect)

        return broken

    return wrap


def _changed(scope: Scope, start: dict[str, Any], body: bytes, change: Callable[[Said], None]) -> Said:
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    said = Said(scope, start["status"], headers, body)
    change(said)
    if scope["method"] != "HEAD":
        said.headers["content-length"] = str(len(said.body))
    return said


async def _say(said: Said, send: Any) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in said.headers.items()]
    await send({"type": "http.response.start", "status": said.status, "headers": headers})
    await send({"type": "http.response.body", "body": said.body})


def requests(when: When, change: Callable[[Scope], None]) -> Callable[[App], App]:
    """Change what is asked before the server hears it."""

    def wrap(app: App) -> App:
        async def broken(scope: Scope, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and when(scope):
                scope = {**scope, "headers": list(scope["headers"])}
                change(scope)
            await app(scope, receive, send)

        return broken

    return wrap


def without(*names: str) -> Callable[[Scope], None]:
    """The request without these headers."""

    def change(scope: Scope) -> None:
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name.decode() not in names]

    return change


def without_parameter(name: str) -> Callable[[Scope], None]:
    """The request without this parameter of its query."""

    def change(scope: Scope) -> None:
        pairs = [pair for pair in scope["query_string"].split(b"&") if not pair.startswith(name.encode() + b"=")]
        scope["query_string"] = b"&".join(pairs)

    return change


def events(change: Callable[[list[bytes]], Iterable[bytes]], *, hold: bool = False) -> Callable[[App], App]:
    """Change the events of each stream, a list of blocks at a time; `hold` keeps all back until the end."""

    def wrap(app: App) -> App:
        async def broken(scope: Scope, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or not is_stream(scope):
                await app(scope, receive, send)
                return
            held: list[Any] = []
            told = False

            async def pass_on(message: dict[str, Any]) -> None:
                nonlocal told
                if message["type"] == "http.response.start":
                    told = EVENTS in message["headers"]
                if hold and (message["type"] == "http.response.start" or message.get("more_body")):
                    held.append(message)
                    return
                for each in (*held, message):
                    await send(_rewritten(each, change) if told else each)

            await app(scope, receive, pass_on)

        return broken

    return wrap


def _rewritten(message: dict[str, Any], change: Callable[[list[bytes]], Iterable[bytes]]) -> dict[str, Any]:
    body = message.get("body")
    if not body:
        return message
    return {**message, "body": b"".join(block + b"\n\n" for block in change(body.split(b"\n\n")[:-1]))}


def messages(change: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]) -> Callable[[App], App]:
    """Change what is sent on sockets: for each ASGI message, those to send."""

    def wrap(app: App) -> App:
        async def broken(scope: Scope, receive: Any, send: Any) -> None:
            if scope["type"] != "websocket":
                await app(scope, receive, send)
                return

            async def pass_on(message: dict[str, Any]) -> None:
                for each in change(message):
                    await send(each)

            await app(scope, receive, pass_on)

        return broken

    return wrap


# --- webhooks: the server sends them to a path of its own, where they are changed and sent on


class Parcel:
    """One delivery on its way. `answer` is what the server is told, if not what the receiver says."""

    def __init__(self, headers: dict[str, str], body: bytes, secret: str) -> None:
        self.headers = headers
        self.body = body
        self.secret = secret
        self.times = 1
        self.answer: int | None = None

    def sign(self) -> None:
        """Sign anew what was changed, so that only the change is wrong."""
        key = base64.b64decode(self.secret[6:]) if self.secret.startswith("whsec_") else self.secret.encode()
        said = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        self.headers["webhook-signature"] = "v1," + base64.b64encode(hmac.digest(key, said, "sha256")).decode()
        plain = hmac.new(self.secret.encode(), self.body, hashlib.sha256).hexdigest()
        self.headers["x-webhook-signature"] = f"sha256={plain}"


def webhooks(change: Callable[[Parcel], None]) -> Callable[[App], App]:
    """Change what is delivered."""

    def wrap(app: App) -> App:
        secrets: dict[str, str] = {}

        async def broken(scope: Scope, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or scope["method"] != "POST":
                await app(scope, receive, send)
                return
            body = await _whole(receive)
            if scope["path"] == "/-forward":
                await _forward(scope, body, secrets, change, send)
                return
            host = dict(scope["headers"])[b"host"].decode()
            scope, body = _redirected(scope, body, host, secrets)

            def told(said: Said) -> None:  # a secret that the server has made is learnt from its 202
                hook = said.document.get("webhook")
                if isinstance(hook, dict) and "secret" in hook:
                    secrets[_target(body)] = hook["secret"]

            inner = answers(lambda scope: True, told)(app)
            await inner(scope, _again(body, receive), send)

        return broken

    return wrap


async def _whole(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Any) -> Any:
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Any:
        return waiting.pop() if waiting else await receive()

    return give


def _redirected(scope: Scope, body: bytes, host: str, secrets: dict[str, str]) -> tuple[Scope, bytes]:
    try:
        document = msgspec.json.decode(body)
        url = document["webhook"]["url"]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
        return scope, body
    if "169.254" in url:
        return scope, body
    secrets[url] = document["webhook"].get("secret", "")
    document["webhook"]["url"] = f"http://{host}/-forward?to={quote(url, safe='')}"
    body = msgspec.json.encode(document)
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return {**scope, "headers": [*headers, (b"content-length", str(len(body)).encode())]}, body


def _target(body: bytes) -> str:
    url: str = msgspec.json.decode(body)["webhook"]["url"]
    return parse_qs(url.partition("?")[2])["to"][0]


async def _forward(
    scope: Scope, body: bytes, secrets: dict[str, str], change: Callable[[Parcel], None], send: Any
) -> None:
    url = parse_qs(scope["query_string"].decode())["to"][0]
    dull = {b"host", b"content-length", b"connection"}
    headers = {name.decode(): value.decode() for name, value in scope["headers"] if name not in dull}
    parcel = Parcel(headers, body, secrets.get(url, ""))
    change(parcel)
    status = 502
    async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
        for _ in range(parcel.times):
            try:
                response = await client.post(url, content=parcel.body, headers=parcel.headers)
                status = response.status_code
            except httpx2.HTTPError:
                status = 502
    said = Said(scope, parcel.answer or status, {"content-length": "0"}, b"")
    await _say(said, send)
