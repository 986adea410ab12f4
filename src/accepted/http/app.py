"""The HTTP face: one ASGI callable over the service.

The two hot endpoints, submit and status, are found by a look into a dict and a prefix; everything else goes through
Starlette's router. Whatever an endpoint raises becomes problem details here, and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from urllib.parse import quote, unquote

from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route
from starlette.types import Message, Receive, Scope, Send

from ..contract.operation import is_operation_id
from ..contract.problem import (
    InternalError,
    MethodNotAllowed,
    NotFound,
    OperationNotFound,
    Overloaded,
    RangeNotSatisfiable,
    Refusal,
    UpgradeRequired,
)
from ..engine.node import Node
from ..engine.registry import Registered, Registry
from ..service import Service
from ..settings import Settings
from ..store.protocol import StoreUnavailable
from . import cors
from .access import Access
from .around import Around
from .call import OF_PATHS, Call, Header
from .jobs import Jobs, operation_of
from .openapi import OpenApi
from .operations import Operations
from .pulse import Pulse
from .results import Results
from .sockets import Sockets
from .streams import Streams
from .webhooks import Webhooks

log = logging.getLogger("accepted.http")

Endpoint = Callable[[Call], Awaitable[None]]
Table = dict[str, dict[str, Endpoint]]

_STATUS = "/operations/"
_STATUS_LENGTH = len(_STATUS) + 29


class Face:
    """The contract over HTTP for one node."""

    def __init__(self, node: Node, service: Service, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings
        self._access = Access(settings)
        self.webhooks = Webhooks(service, settings)
        self.operations = Operations(service, settings, self.webhooks)
        self.results = Results(service)
        pulse = Pulse(node.clock, node.metrics)
        self.jobs = Jobs(service, pulse)
        self.streams = Streams(service, pulse)
        self.sockets = Sockets(service, pulse)
        self.around = Around(node)
        self.openapi = OpenApi(registry)
        self.table = self._table()
        self._routes = [(Route(path, _unused), methods) for path, methods in self.table.items()]
        self._sockets = [(Route(path, _unused), find(self)) for path, find in _SOCKETS.items()]

    def _table(self) -> Table:
        """Every path but the registered ones, with its methods; the order is that of the router."""
        table: Table = {path: {method: find(self)} for path, (method, find) in _FIXED.items()}
        for registered in self._registry:
            if registered.result is not None:
                table.setdefault(registered.result, {})["GET"] = self._resource(registered)
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
            call.owner = self._access.check(scope["method"], call.headers)
            if b"origin" in call.headers and self._access.is_friend(call.headers[b"origin"]):
                call.send = cors.shared(send, call.headers[b"origin"])
                if cors.is_preflight(scope["method"], call.headers):
                    await call.empty(204, *cors.preflight())
                    return
            await self._answer(call, scope["method"], call.path)
        except ClientDisconnect:
            pass
        except Exception as error:
            await self._explain(call, error)

    async def connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI, for websocket scopes. What is refused is answered in HTTP, before the upgrade."""
        call = self._call(scope, receive, send)
        try:
            call.owner = self._access.check("CONNECT", call.headers)  # what a page may open, it may also command
            for route, endpoint in self._sockets:
                match, child = route.matches({"type": "http", "path": call.path, "method": "GET"})
                if match is not Match.NONE:
                    call.parameters = child["path_params"]
                    await endpoint(call)
                    return
            raise NotFound("There is no WebSocket at this path.")
        except OSError:
            pass  # the client has gone
        except Exception as error:
            if not call.started:
                call.send = _before_upgrade(scope, send)
            await self._explain(call, error)

    def _call(self, scope: Scope, receive: Receive, send: Send) -> Call:
        root, path = _mounted(scope)
        if root != scope.get("root_path", ""):
            scope = {**scope, "root_path": root}
        # ASGI has the mount point decoded; in a header and in a link, a name of a tenant must not end a line.
        return Call(scope, receive, send, path, self._settings.public_url or quote(root, safe=OF_PATHS), "")

    def _answer(self, call: Call, method: str, path: str) -> Awaitable[None]:
        if method == "POST" and (registered := self._registry.at(path)) is not None:
            return self.operations.submit(call, registered)
        if method in _GET and len(path) == _STATUS_LENGTH and path.startswith(_STATUS) and "/" not in path[12:]:
            return self.operations.status(call, _known_form(path[12:]))
        return self._route(call, method, path)

    async def _route(self, call: Call, method: str, path: str) -> None:
        allowed: set[str] = {"POST"} if self._registry.at(path) is not None else set()
        for route, methods in self._routes:
            match, child = route.matches({"type": "http", "path": path, "method": "GET"})
            if match is Match.NONE:
                continue
            endpoint = methods.get("GET" if method == "HEAD" else method)
            if endpoint is not None:
                call.parameters = child["path_params"]
                await endpoint(call)
                return
            allowed.update(methods)
        if allowed:
            raise _NotAllowed(allowed | ({"HEAD"} if "GET" in allowed else set()))
        raise NotFound("There is nothing at this path.")

    async def _explain(self, call: Call, error: Exception) -> None:
        """The answer to what an endpoint raised; after the first byte nothing but a cut is honest."""
        refusal, headers = _refusal(error)
        if refusal.status >= 500 and not isinstance(refusal, Overloaded):
            log.error("%s %s failed", call.scope.get("method", "WebSocket"), call.path, exc_info=error)
        if call.started:
            raise error
        await call.refuse(refusal, *headers)


async def _upgrade(call: Call) -> None:
    await call.refuse(UpgradeRequired("This path speaks WebSocket."), (b"upgrade", b"websocket"))


_FIXED: dict[str, tuple[str, Callable[[Face], Endpoint]]] = {
    "/operations/stream": ("GET", lambda face: face.streams.operations),
    "/operations/status": ("GET", lambda face: _upgrade),
    "/operations/{id}": ("GET", lambda face: _op(face.operations.status)),
    "/operations/{id}/cancel": ("POST", lambda face: _op(face.operations.cancel)),
    "/operations/{id}/retry": ("POST", lambda face: _op(face.operations.retry)),
    "/operations/{id}/result": ("GET", lambda face: _op(face.results.by_operation)),
    "/operations/{id}/stream": ("GET", lambda face: _op(face.streams.operation)),
    "/operations/{id}/status": ("GET", lambda face: _upgrade),
    "/operations/{id}/deliveries": ("GET", lambda face: _op(face.webhooks.deliveries)),
    "/operations/{id}/deliveries/{deliveryId}/redeliver": ("POST", lambda face: _op(face.webhooks.redeliver)),
    "/jobs": ("GET", lambda face: face.jobs.history),
    "/jobs/{id}": ("GET", lambda face: _job(face.jobs.get)),
    "/jobs/{id}/logs": ("GET", lambda face: _job(face.jobs.logs)),
    "/jobs/{id}/cancel": ("POST", lambda face: _job(face.operations.cancel)),
    "/health": ("GET", lambda face: face.around.health),
    "/health/live": ("GET", lambda face: face.around.live),
    "/health/ready": ("GET", lambda face: face.around.ready),
    "/metrics": ("GET", lambda face: face.around.metrics),
    "/problems": ("GET", lambda face: face.around.problems),
    "/problems/{slug}": ("GET", lambda face: face.around.problem),
    "/openapi.json": ("GET", lambda face: face.openapi.get),
}


_SOCKETS: dict[str, Callable[[Face], Endpoint]] = {
    "/operations/status": lambda face: face.sockets.operations,
    "/operations/{id}/status": lambda face: _op(face.sockets.operation),
}

SOCKETS = tuple(_SOCKETS)
"""Paths that speak WebSocket."""


def routes(registered: Iterable[Registered]) -> Iterator[tuple[str, str]]:
    """(path, method) of all that an app with these operations serves; known before it has started."""
    for path, (method, _) in _FIXED.items():
        yield path, method
    for operation in registered:
        yield from routes_of(operation)


def routes_of(registered: Registered) -> Iterator[tuple[str, str]]:
    """(path, method) of what one operation adds."""
    yield registered.path, "POST"
    if registered.result is not None:
        yield registered.result, "GET"


_GET = frozenset({"GET", "HEAD"})


class _NotAllowed(Exception):
    """The path is known, with these methods."""

    def __init__(self, methods: set[str]) -> None:
        self.methods = methods


def _refusal(error: Exception) -> tuple[Refusal, tuple[Header, ...]]:
    match error:
        case RangeNotSatisfiable():
            return error, ((b"content-range", b"bytes */%d" % error.members["size"]),)
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


def _op(endpoint: Callable[[Call, str], Awaitable[None]]) -> Endpoint:
    """An endpoint about one operation, by the id in its path."""

    async def get(call: Call) -> None:
        await endpoint(call, _known_form(call.parameters["id"]))

    return get


def _job(endpoint: Callable[[Call, str], Awaitable[None]]) -> Endpoint:
    """The same about the record that a job's id names."""

    async def get(call: Call) -> None:
        await endpoint(call, _known_form(operation_of(call.parameters["id"])))

    return get


def _known_form(id: str) -> str:
    if not is_operation_id(id):
        raise OperationNotFound
    return id


async def _unused() -> None:
    """Starlette's routes want an endpoint; ours are found by their method."""
