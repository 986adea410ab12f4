"""Into other people's apps: routes, OpenAPI and lifespan for FastAPI and Starlette.

Each of our paths becomes a route of the parent, so its middleware, its dependencies and its list of routes treat it as
one of its own. What stands before our part of a request's path is where we are mounted, whatever prefixes the parent
has put there; so links hold, also under prefixes with parameters. Operations that are registered later join by
themselves.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from .door import Door, Guest, Lifespan, living
from .install_fastapi import into_fastapi, standing_alone
from .routes import SOCKETS, routes, routes_of


def install(guest: Guest, app: Any, prefix: str) -> None:
    """Put all routes of `guest` into a FastAPI or Starlette app, under `prefix`; it lives as long as the app does.

    Dependencies of the whole FastAPI app guard them. Raises TypeError for any other app: that may mount `guest`.
    """
    fastapi = sys.modules.get("fastapi")
    if fastapi is not None and isinstance(app, fastapi.FastAPI):
        into_fastapi(guest, app, _cleaned(prefix))
    elif isinstance(app, Starlette):
        _into_starlette(guest, app, _cleaned(prefix))
    else:
        raise TypeError(
            f"install() knows FastAPI and Starlette apps, not {type(app).__name__}; any ASGI app can mount an Accepted"
        )


def router(guest: Guest, prefix: str, **options: Any) -> Any:
    """A FastAPI `APIRouter` with all routes, for `include_router`; `options` are its own, such as `dependencies`.

    Its OpenAPI stands for itself, without components, because an including app is not known here.
    """
    return standing_alone(guest, _cleaned(prefix), options)


def _cleaned(prefix: str) -> str:
    path = prefix.strip("/")
    return f"/{path}" if path else ""


# --- Starlette


class _Path(Route):
    """A path of ours; where a method fits no route of anybody's, the problem is ours to explain."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def _into_starlette(guest: Guest, app: Starlette, prefix: str) -> None:
    ours: list[_Path] = []

    def add(pairs: Iterable[tuple[str, str]]) -> None:
        for path, method in pairs:
            route = _Path(prefix + path, Door(guest, path), methods=[method])
            # A later operation stands with the first ones, before whatever the app has added since, such as a mount
            # at "/" that takes everything.
            place = app.routes.index(ours[-1]) + 1 if ours else len(app.routes)
            app.routes.insert(place, route)
            ours.append(route)

    add(routes(()))
    app.routes.extend(WebSocketRoute(prefix + path, Door(guest, path)) for path in SOCKETS)
    guest.registry.follow(lambda registered: add(routes_of(registered)))
    app.router.lifespan_context = _nested(app.router.lifespan_context, living(guest))


def _nested(outer: Lifespan, inner: Lifespan) -> Lifespan:
    """Ours begins when the parent's own things stand, and ends before they go."""

    @contextlib.asynccontextmanager
    async def life(app: Any) -> AsyncIterator[Any]:
        async with outer(app) as state, inner(app):
            yield state

    return life
