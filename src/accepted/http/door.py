"""The way from a route of somebody else's app to ours."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from starlette.types import Receive, Scope, Send

from ..engine.registry import Registry
from .call import hide_ticket
from .farewell import told_of_the_end

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


class Guest(Protocol):
    """What is installed: an `Accepted`."""

    registry: Registry

    @property
    def guarded(self) -> bool: ...
    async def start(self) -> None: ...
    def drain(self) -> None: ...
    async def stop(self) -> None: ...
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


def living(guest: Guest, begin: Callable[[], None] = lambda: None) -> Lifespan:
    """A lifespan in which `guest` lives, after `begin` was called."""

    @contextlib.asynccontextmanager
    async def life(_: Any) -> AsyncIterator[None]:
        begin()
        await guest.start()
        try:
            with told_of_the_end(guest.drain):
                yield
        finally:
            await guest.stop()

    return life


class Door:
    """One of our paths as an ASGI endpoint of the parent."""

    def __init__(self, guest: Guest, path: str) -> None:
        self._guest = guest
        self._depth = path.count("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hide_ticket(scope)  # in the parent's own scope, which its server goes by
        await self._guest(self._mounted(scope), receive, send)

    def _mounted(self, scope: Scope) -> Scope:
        """The scope with everything before our own path as the mount point."""
        path, root = scope["path"], scope.get("root_path", "")
        own = "/" + "/".join(path.split("/")[-self._depth :])
        before = path.removesuffix(own)
        mount = before if before.startswith(root) else root + before
        return {**scope, "root_path": mount, "path": mount + own}
