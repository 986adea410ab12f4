"""One HTTP request on its way, and how it is answered.

Endpoints get a `Call` and send their own answer: no response objects, no middleware on the hot paths. A refusal is
raised and becomes problem details in one place (`app.py`).
"""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.types import Receive, Scope, Send

from ..contract import wire
from ..contract.caller import ANYBODY
from ..contract.problem import InvalidParameter, Problem, Refusal
from ..contract.traffic import BadRequest
from .headers import NO_PREFERENCES, Preferences, preferences

Header = tuple[bytes, bytes]

JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", b"application/problem+json")
NO_STORE = (b"cache-control", b"no-store")
NOSNIFF = (b"x-content-type-options", b"nosniff")
REFERRER = (b"referrer-policy", b"no-referrer")  # ids, and what a mount point may say, stay here
SAFE: tuple[Header, ...] = (NOSNIFF, REFERRER)
"""What stands on every answer."""
VARY_PREFER = (b"vary", b"Prefer")
_SINGLE = frozenset({b"host", b"origin", b"authorization", b"content-type", b"content-length", b"sec-websocket-key"})
TICKET = "accepted.ticket"
_PARAMETERS = 200  # a stream of a hundred operations may name each in one of its own
OF_PATHS = "/:@!$&'()*+,;="  # RFC 3986, section 3.3: what a path may hold as it is


def hide_ticket(scope: Scope) -> None:
    """Take a ticket out of the query, in place: servers log that after us. From here on it is `scope[TICKET]`."""
    query = scope["query_string"]
    if b"ticket=" in query:
        parts = query.split(b"&")
        scope["query_string"] = b"&".join(part for part in parts if not part.startswith(b"ticket="))
        for part in parts:
            if part.startswith(b"ticket="):
                scope[TICKET] = part[7:].decode("latin-1")


class Call:
    """A request.

    `path` is relative to the mount point, `base` what links start with, `caller` who asks.
    """

    __slots__ = ("base", "caller", "headers", "pace", "parameters", "path", "receive", "scope", "send", "started")

    def __init__(self, scope: Scope, receive: Receive, send: Send, path: str, base: str) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.path = path
        self.base = base
        self.caller = ANYBODY
        self.pace: tuple[Header, ...] = ()
        """What the answer says of the caller's rate."""
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.parameters: dict[str, str] = {}
        self.started = False

    @property
    def sees(self) -> str | None:
        """Whose operations the caller sees; None for everybody's."""
        return self.caller.sees

    def check_single(self) -> None:
        """Raises `BadRequest` where two readers of the request could come to different ends: two lines of a header
        that says who, for whom, or what.
        """
        if len(self.headers) == len(self.scope["headers"]):
            return
        names = [name for name, _ in self.scope["headers"]]
        if twice := sorted(name for name in _SINGLE if names.count(name) > 1):
            raise BadRequest(f"There is more than one {twice[0].decode()} header.")

    def header(self, name: bytes) -> str:
        """A header's text, all of its lines as one (RFC 9110, section 5.2); empty where it is missing."""
        if name not in self.headers:
            return ""
        return ", ".join(value.decode("latin-1") for given, value in self.scope["headers"] if given == name)

    def preferences(self, limit: float) -> Preferences:
        """`Prefer`, all of its lines."""
        if b"prefer" not in self.headers:
            return NO_PREFERENCES
        return preferences(self.header(b"prefer"), limit)

    def query(self) -> list[tuple[str, str]]:
        """The query's parameters in order. Raises `InvalidParameter` where there are too many."""
        text = self.scope["query_string"].decode("latin-1")
        try:
            return parse_qsl(text, keep_blank_values=True, max_num_fields=_PARAMETERS)
        except ValueError:
            raise InvalidParameter(f"There are more than {_PARAMETERS} parameters.", errors=[]) from None

    def flag(self, name: str, default: bool) -> bool:
        """A parameter that is true or false. Raises `InvalidParameter`."""
        if not self.scope["query_string"]:
            return default
        value = dict(self.query()).get(name)
        if value is None:
            return default
        if value not in {"true", "false"}:
            raise InvalidParameter(
                f"{name} is true or false.", errors=[{"parameter": name, "detail": "not true or false"}]
            )
        return value == "true"

    async def disconnected(self) -> None:
        """Return once the client has gone away; the body has to be read before."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def json(self, status: int, document: Any, *headers: Header) -> Awaitable[None]:
        """Answer with a document."""
        return self.answer(status, wire.encode(document), JSON, NO_STORE, *headers)

    async def answer(self, status: int, body: bytes, *headers: Header) -> None:
        """Answer with bytes; a HEAD gets the same without them."""
        self.started = True
        told = [*headers, *SAFE, *self.pace, (b"content-length", b"%d" % len(body))]
        await self.send({"type": "http.response.start", "status": status, "headers": told})
        body = b"" if self.scope.get("method") == "HEAD" else body
        await self.send({"type": "http.response.body", "body": body})

    async def empty(self, status: int, *headers: Header) -> None:
        """Answer without a body."""
        self.started = True
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *SAFE, *self.pace]})
        await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, refusal: Refusal, *headers: Header) -> None:
        """Answer with problem details (contract, section 11)."""
        await self.problem(refusal.problem, refusal.retry_after, *headers)

    async def problem(self, problem: Problem, retry_after: float | None, *headers: Header) -> None:
        """The same for a problem that is not a refusal."""
        if retry_after is not None:
            # Rounded up: who comes back then has waited long enough.
            headers = (*headers, (b"retry-after", b"%d" % max(math.ceil(retry_after), 1)))
        instance = quote(self.scope.get("root_path", "") + self.path, safe=OF_PATHS)
        document = wire.problem_document(problem, self.base, instance)
        await self.answer(problem.status, wire.encode(document), PROBLEM, NO_STORE, *headers)
