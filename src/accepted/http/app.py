"""The HTTP face: one ASGI callable over the service.

The two hot endpoints, submit and status, are found by a look into a dict and a prefix; everything else goes through
Starlette's router. Whatever an endpoint raises becomes problem details here, and nowhere else.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import NamedTuple
from urllib.parse import quote, unquote

from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route
from starlette.types import Message, Receive, Scope, Send

from ..contract.caller import Rule
from ..contract.problem import (
    InternalError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    RangeNotSatisfiable,
    Refusal,
    Unauthenticated,
)
from ..engine.node import Node
from ..engine.registry import Registered, Registry
from ..service import Service
from ..settings import Settings
from ..store.protocol import StoreUnavailable
from . import cors
from .access import Access
from .around import Around
from .call import OF_PATHS, TICKET, Call, Header, hide_ticket
from .dashboard import Dashboard
from .guard import Authenticate, Guard, Verifier
from .jobs import Jobs
from .openapi import OpenApi
from .operations import Operations
from .pace import Pace
from .proxy import unproxied
from .pulse import Pulse
from .results import Results
from .routes import FIXED, RESULT, SOCKETS, SUBMIT, Desks, Endpoint, known_form
from .routes import Route as Ruling
from .sockets import Sockets
from .statistics import Statistics
from .streams import Streams
from .tickets import Tickets
from .webhooks import Webhooks

log = logging.getLogger("accepted.http")

Table = dict[str, dict[str, "Ruled"]]

_STATUS = "/operations/"
_STATUS_LENGTH = len(_STATUS) + 29


class Ruled(NamedTuple):
    """Who answers, and what they ask of the caller."""

    rule: Rule
    endpoint: Endpoint
    ticketed: bool = False


class Face:
    """The contract over HTTP for one node."""

    def __init__(
        self,
        node: Node,
        service: Service,
        registry: Registry,
        settings: Settings,
        *,
        verifier: Verifier | None = None,
        authenticate: Authenticate | None = None,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._access = Access(settings)
        self._guard = Guard(
            node.keyring, verifier, authenticate, always=settings.require_auth, clock=node.clock.monotonic
        )
        self._pace = Pace(settings, node.clock.monotonic)
        self.webhooks = Webhooks(service, settings)
        self.operations = Operations(service, settings, self.webhooks, self._guard, self._pace)
        self.results = Results(service)
        pulse = Pulse(node.clock, node.metrics, settings, self._guard.holds)
        self.jobs = Jobs(service, pulse)
        self.streams = Streams(service, pulse)
        self.sockets = Sockets(service, pulse, self._guard, settings)
        self.statistics = Statistics(service, pulse)
        self.around = Around(node)
        self.dashboard = Dashboard()
        self.openapi = OpenApi(registry, lambda: self.guarded)
        desks = Desks(
            self.operations,
            self.results,
            self.jobs,
            self.streams,
            self.sockets,
            self.webhooks,
            Tickets(service, settings),
            self.statistics,
            self.dashboard,
            self.around,
            self.openapi,
        )
        self.table = self._table(desks)
        self._routes = [(Route(path, _unused), methods) for path, methods in self.table.items()]
        self._sockets = [(Route(path, _unused), _ruled(route, desks)) for path, route in SOCKETS.items()]

    @property
    def guarded(self) -> bool:
        """Whether callers have to say who they are."""
        return self._guard.required

    def _table(self, desks: Desks) -> Table:
        """Every path but the registered ones, with its methods; the order is that of the router."""
        table: Table = {path: {route.method: _ruled(route, desks)} for path, route in FIXED.items()}
        for registered in self._registry:
            if registered.result is not None:
                table.setdefault(registered.result, {})["GET"] = Ruled(RESULT, self._resource(registered))
        return table

    def _resource(self, registered: Registered) -> Endpoint:
        member, prefix = registered.result_member(), f"{registered.result_id}-"

        async def get(call: Call) -> None:
            identity = call.parameters[member]
            minted = "op-" + identity.removeprefix(prefix) if identity.startswith(prefix) else ""
            await self.results.by_path(call, registered.name, minted)

        return get

    # --- one request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI, for http scopes."""
        call = self._call(scope, receive, send)
        try:
            call.check_single()
            self._access.check(scope["method"], call.headers)
            if b"origin" in call.headers and self._access.is_friend(call.headers[b"origin"]):
                call.send = cors.shared(send, call.headers[b"origin"])
                if cors.is_preflight(scope["method"], call.headers):
                    await call.empty(204, *cors.preflight())
                    return
            found = self._find(call, scope["method"], call.path)
            if not self._guard.admit(call, found.rule):
                await self._guard.ask(call, found.rule, scope.get(TICKET) if found.ticketed else None)
            self._pace.charge(call, found.rule)
            await found.endpoint(call)
        except ClientDisconnect:
            pass
        except Exception as error:
            await self._explain(call, error)

    async def connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI, for websocket scopes. What is refused is answered in HTTP, before the upgrade."""
        call = self._call(scope, receive, send)
        try:
            call.check_single()
            self._access.check("CONNECT", call.headers)  # what a page may open, it may also command
            found = self._find_socket(call)
            if not self._guard.admit(call, found.rule):
                await self._guard.ask(call, found.rule, scope.get(TICKET) if found.ticketed else None)
            self._pace.charge(call, found.rule)
            await found.endpoint(call)
        except OSError:
            pass  # the client has gone
        except Exception as error:
            if not call.started:
                call.send = _before_upgrade(scope, send)
            await self._explain(call, error)

    def _call(self, scope: Scope, receive: Receive, send: Send) -> Call:
        hide_ticket(scope)
        if self._settings.trusted_proxies:
            scope = unproxied(scope, self._settings.trusted_proxies)
        root, path = _mounted(scope)
        if root != scope.get("root_path", ""):
            scope = {**scope, "root_path": root}
        # ASGI has the mount point decoded; in a header and in a link, a name of a tenant must not end a line.
        return Call(scope, receive, send, path, self._settings.public_url or quote(root, safe=OF_PATHS))

    def _find(self, call: Call, method: str, path: str) -> Ruled:
        """Who answers; not before the guard agrees."""
        if method == "POST" and (registered := self._registry.at(path)) is not None:
            return Ruled(SUBMIT, partial(self.operations.submit, registered=registered))
        if method in _GET and len(path) == _STATUS_LENGTH and path.startswith(_STATUS) and "/" not in path[12:]:
            return Ruled(RESULT, partial(self._status, id=path[12:]))
        return self._look_up(call, method, path)

    async def _status(self, call: Call, id: str) -> None:
        await self.operations.status(call, known_form(id))

    def _look_up(self, call: Call, method: str, path: str) -> Ruled:
        allowed: set[str] = {"POST"} if self._registry.at(path) is not None else set()
        for route, methods in self._routes:
            match, child = route.matches({"type": "http", "path": path, "method": "GET"})
            if match is Match.NONE:
                continue
            found = methods.get("GET" if method == "HEAD" else method)
            if found is not None:
                call.parameters = child["path_params"]
                return found
            allowed.update(methods)
        if allowed:
            return Ruled(Rule.KNOWN, _raising(_NotAllowed(allowed | ({"HEAD"} if "GET" in allowed else set()))))
        return Ruled(Rule.KNOWN, _raising(NotFound("There is nothing at this path.")))

    def _find_socket(self, call: Call) -> Ruled:
        for route, found in self._sockets:
            match, child = route.matches({"type": "http", "path": call.path, "method": "GET"})
            if match is not Match.NONE:
                call.parameters = child["path_params"]
                return found
        return Ruled(Rule.KNOWN, _raising(NotFound("There is no WebSocket at this path.")))

    async def _explain(self, call: Call, error: Exception) -> None:
        """The answer to what an endpoint raised; after the first byte nothing but a cut is honest."""
        refusal, headers = _refusal(error)
        if refusal.status >= 500 and not isinstance(refusal, Overloaded):
            log.error("%s %s failed", call.scope.get("method", "WebSocket"), call.path, exc_info=error)
        if call.started:
            raise error
        await call.refuse(refusal, *headers)


_GET = frozenset({"GET", "HEAD"})


def _ruled(route: Ruling, desks: Desks) -> Ruled:
    return Ruled(route.rule, route.find(desks), route.ticketed)


def _raising(error: Exception) -> Endpoint:
    """What is not there is told only to whom the guard lets in: strangers learn of no path."""

    async def endpoint(call: Call) -> None:
        raise error

    return endpoint


class _NotAllowed(Exception):
    """The path is known, with these methods."""

    def __init__(self, methods: set[str]) -> None:
        self.methods = methods


def _refusal(error: Exception) -> tuple[Refusal, tuple[Header, ...]]:
    match error:
        case RangeNotSatisfiable():
            return error, ((b"content-range", b"bytes */%d" % error.members["size"]),)
        case Unauthenticated():
            return error, ((b"www-authenticate", b"Bearer"),)
        case Refusal():
            return error, ()
        case _NotAllowed(methods=methods):
            allow = ", ".join(sorted(methods))
            return MethodNotAllowed(f"This path knows {allow}."), ((b"allow", allow.encode()),)
        case StoreUnavailable():
            return Overloaded("The database cannot be read.", retry_after=2), ()
        case _:
            return InternalError("Something went wrong; the server's log has the details."), ()


def _before_upgrade(scope: Scope, send: Send) -> Send:
    """Answers to a WebSocket handshake: in HTTP where the server can (ASGI's Denial Response), else by closing."""
    deniable = "websocket.http.response" in (scope.get("extensions") or {})

    async def deny(message: Message) -> None:
        if deniable:
            await send({**message, "type": f"websocket.{message['type']}"})
        elif message["type"] == "http.response.start":
            await send({"type": "websocket.close", "code": 1008})

    return deny


def _mounted(scope: Scope) -> tuple[str, str]:
    """The mount point and the path below it.

    Who has mounted us may have left the whole path where it is (Starlette), or only what a proxy has left of it, or
    may have cut the mount point off and forgotten it, so that only `raw_path` has it (Litestar).
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    raw = scope.get("raw_path") or b""
    if not root and len(raw) <= len(path):
        return root, path  # nobody has mounted us
    for start in [index for index, character in enumerate(root) if character == "/"]:
        if path.startswith(root[start:] + "/"):
            return root, path[len(root) - start :]
    if len(raw) > len(path) and (whole := unquote(raw.partition(b"?")[0].decode("latin-1"))).endswith(path):
        mount = whole[: -len(path)]
        return (mount if mount.startswith(root) else root + mount), path
    return root, path


async def _unused() -> None:
    """Starlette's routes want an endpoint; ours are found by their method."""
