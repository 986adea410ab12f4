"""Tickets: how a browser's EventSource and WebSocket, which send no headers of ours, show who asks.

A ticket opens one stream, once, within 30 seconds, on any node. It is the only secret that ever stands in a URL, and it
is taken out of there before anybody can log it (`call.hide_ticket`).
"""

from __future__ import annotations

from ..contract import wire
from ..engine import audit
from ..service import Service
from ..settings import Settings
from . import body
from .call import Call


class Tickets:
    """The endpoints that end in `/ticket`."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self._service = service
        self._settings = settings

    async def operation(self, call: Call, id: str) -> None:
        """`POST /operations/{id}/ticket`: for a stream or a socket of this operation, or for its followed log."""
        await self._give(call, id)

    async def operations(self, call: Call) -> None:
        """`POST /operations/ticket`: for any one stream or socket of theirs."""
        await self._give(call, None)

    async def _give(self, call: Call, id: str | None) -> None:
        await body.read(call.receive, call.headers, self._settings.body_limit)
        ticket, until = await self._service.ticket(call.caller, id)
        audit.note("ticket", call.caller, id)
        await call.json(201, {"ticket": ticket, "expiresAt": wire.timestamp(until)})
