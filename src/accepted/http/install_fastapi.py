"""Routes and OpenAPI for FastAPI. This room is entered only when a FastAPI app is there.

Our routes are FastAPI's own kind of route, so that dependencies guard them and its document lists them, with what the
dependencies add. Only what is behind them is ours: an endpoint returns a response that lets our app answer.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from ..engine.registry import Registered, Registry
from . import openapi_parts as part
from .door import Door, Guest, living
from .openapi import described
from .openapi_schemas import Schema
from .routes import SOCKETS, routes, routes_of

_HIDDEN = "/openapi.json"  # served, but no part of the parent's own document
_OURS = ("parameters", "requestBody", "callbacks", "security")
_NUMBERS = itertools.count(1)

Pairs = Iterable[tuple[str, str]]
Described = tuple[dict[str, Schema], dict[str, Schema]]


def into_fastapi(guest: Guest, app: Any, prefix: str) -> None:
    """Routes, lifespan, and components in the app's own document."""
    publication = _Publication(app, guest)
    descriptions = _Descriptions(guest.registry, publication.marked)
    publication.begin()
    # Again when it starts: a custom `app.openapi`, set after us, takes the place of ours.
    app.include_router(_router(guest, descriptions, prefix=prefix, lifespan=living(guest, publication.begin)))


def standing_alone(guest: Guest, prefix: str, options: dict[str, Any]) -> Any:
    """An `APIRouter` for an app that we do not know."""
    descriptions = _Descriptions(guest.registry, _alone)
    return _router(guest, descriptions, **{"prefix": prefix, "lifespan": living(guest), **options})


def _alone(schema: Schema, components: dict[str, Schema]) -> Schema:
    """The same without components: schemas stand where they are meant, and what credentials are is said nowhere."""
    found: Schema = part.inlined({name: value for name, value in schema.items() if name != "security"}, components)
    return found


def _router(guest: Guest, descriptions: _Descriptions, **options: Any) -> Any:
    from fastapi import APIRouter

    found = APIRouter(**options)
    add = _adder(guest, found, descriptions)
    add(routes(()), ())
    for path in SOCKETS:
        found.add_api_websocket_route(path, _socket(Door(guest, path)))
    guest.registry.follow(lambda registered: add(routes_of(registered), (registered,)))
    return found


def _adder(guest: Guest, found: Any, descriptions: _Descriptions) -> Callable[[Pairs, Iterable[Registered]], None]:
    from fastapi.routing import APIRoute

    class Path(APIRoute):
        """Where a method fits no route of anybody's, the problem is ours to explain."""

        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["method"] in (self.methods or ()):
                await super().handle(scope, receive, send)
            else:
                await Door(guest, self.path.removeprefix(found.prefix))(scope, receive, send)

    def add(pairs: Pairs, added: Iterable[Registered]) -> None:
        for path, method in pairs:
            endpoint = _endpoint(Door(guest, path))
            about = descriptions.of(path, method, added)
            common = {"response_model": None, "response_class": Response, "route_class_override": Path}
            found.add_api_route(path, endpoint, methods=[method], **common, **about)
            if method == "GET":
                found.add_api_route(path, endpoint, methods=["HEAD"], **common, **about | {"include_in_schema": False})

    return add


# --- one request


def _endpoint(door: Door) -> Callable[[Request], Any]:
    async def accepted(request: Request) -> Response:
        return _Answer(door, request)

    # FastAPI would look the names of annotations up in this module; so they are given as what they are.
    accepted.__annotations__ = {"request": Request, "return": Response}
    return accepted


def _socket(door: Door) -> Callable[[WebSocket], Any]:
    async def accepted(websocket: WebSocket) -> None:
        await door(websocket.scope, websocket.receive, websocket.send)

    accepted.__annotations__ = {"websocket": WebSocket, "return": None}
    return accepted


class _Answer(Response):
    """A response that is given by the guest itself."""

    def __init__(self, door: Door, request: Request) -> None:
        super().__init__()
        self._door = door
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._door(scope, _receiving(self._request), send)


def _receiving(request: Request) -> Receive:
    """The body's parts as they come, or as they came where a dependency has read the body before us."""
    parts = request.stream()
    read = False

    async def receive() -> Message:
        nonlocal read
        if read:
            return await request.receive()
        try:
            body = await anext(parts, b"")
        except ClientDisconnect:
            return {"type": "http.disconnect"}
        read = not body
        return {"type": "http.request", "body": body, "more_body": not read}

    return receive


# --- OpenAPI


class _Told(dict[str, Any]):
    """An `openapi_extra` that is written when FastAPI reads it: a later operation adds to what other paths answer."""

    def __init__(self, write: Callable[[], Schema]) -> None:
        super().__init__()
        self._write = write

    def __bool__(self) -> bool:
        return True

    def items(self) -> Any:
        self.update(self._write())
        return super().items()


class _Descriptions:
    """What FastAPI is told about each route. `write` makes a schema fit to stand in its document."""

    def __init__(self, registry: Registry, write: Callable[[Schema, dict[str, Schema]], Schema]) -> None:
        self._registry = registry
        self._write = write
        self._known: tuple[int, Described] = (-1, ({}, {}))

    def of(self, path: str, method: str, added: Iterable[Registered]) -> dict[str, Any]:
        """Keywords of `add_api_route` for a route that every app has, or that one of the `added` has brought."""
        operation = described(added)[0][path][method.lower()]
        return {
            "name": _name(operation["operationId"]),
            "summary": operation["summary"],
            "description": operation.get("description"),
            "tags": list(operation["tags"]),
            "status_code": 202 if "202" in operation["responses"] else 200,
            "include_in_schema": path != _HIDDEN,
            "openapi_extra": _Told(lambda: self._extra(path, method.lower())),
        }

    def _extra(self, path: str, method: str) -> Schema:
        paths, components = self._all()
        return self._write(_plain(paths[path][method]), components)

    def _all(self) -> Described:
        count = len(self._registry.names())
        if self._known[0] != count:
            self._known = (count, described(self._registry))
        return self._known[1]


def _plain(operation: Schema) -> Schema:
    """Without what FastAPI writes itself, and without links to operations, whose ids are FastAPI's affair."""
    answers = {
        status: {name: value for name, value in answer.items() if name != "links"}
        for status, answer in operation["responses"].items()
    }
    found: Schema = {name: operation[name] for name in _OURS if name in operation}
    return found | {"responses": answers}


def _name(operation_id: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z0-9]+", "_", operation_id).lower()


class _Publication:
    """Our components in the document of a FastAPI app, next to its own.

    Routes refer to them by marked names. The names they get are known only when the app's document is there: a name
    that means something else in it is left to the app.
    """

    def __init__(self, app: Any, guest: Guest) -> None:
        self._app = app
        self._guest = guest
        self._mark = f"accepted-{next(_NUMBERS)}."
        self._last: tuple[Schema, bool, Schema] | None = None

    def marked(self, schema: Schema, components: dict[str, Schema]) -> Schema:
        """The same with marked names, also of the credentials that it may ask for."""
        found: Schema = part.renamed(schema, {name: self._mark + name for name in components})
        asked: list[Schema] = [{self._mark + name: [] for name in one} for one in found.pop("security", part.BEARER)]
        return found | ({"security": asked} if asked else {})

    def begin(self) -> None:
        """From now on `app.openapi()` has our components."""
        if self._mark not in getattr(self._app.openapi, "publications", ()):
            self._app.openapi = self._joining(self._app.openapi)

    def _joining(self, document: Callable[[], Schema]) -> Callable[[], Schema]:
        def openapi() -> Schema:
            source = document()
            now = source, self._guest.guarded
            if self._last is None or self._last[0] is not source or self._last[1] != now[1]:
                self._last = (*now, self._joined(*now))
            return self._last[2]

        openapi.publications = {self._mark, *getattr(document, "publications", ())}  # type: ignore[attr-defined]  # a function's own
        return openapi

    def _joined(self, source: Schema, guarded: bool) -> Schema:
        _, group = described(self._guest.registry)
        components = dict(source.get("components", {}))
        schemas = dict(components.get("schemas", {}))
        names = part.moved_in(group, schemas, "Accepted")
        paths = part.renamed(source["paths"], {self._mark + name: names.get(name, name) for name in group})
        schemes = dict(components.get("securitySchemes", {}))
        ways = part.moved_in(part.SECURITY, schemes, "accepted_") if guarded else {}
        known = {self._mark + name: ways.get(name, name) for name in part.SECURITY if guarded}
        components |= {"schemas": dict(sorted(schemas.items()))} | ({"securitySchemes": schemes} if schemes else {})
        return {**source, "paths": _secured(paths, self._mark, known), "components": components}


def _secured(paths: dict[str, Any], mark: str, known: dict[str, str]) -> dict[str, Any]:
    """The same with credentials of `mark` by the names that are `known`, and without those that are not asked for."""

    def secured(operation: Schema) -> Schema:
        ours = [one for one in operation.get("security", ()) if any(name.startswith(mark) for name in one)]
        if not ours:
            return operation
        others = [one for one in operation["security"] if one not in ours]
        asked = others + [{known[name]: [] for name in one} for one in ours if known]
        rest = {name: value for name, value in operation.items() if name != "security"}
        return rest | ({"security": asked} if asked else {})

    return {
        path: {method: secured(found) if isinstance(found, dict) else found for method, found in methods.items()}
        for path, methods in paths.items()
    }
