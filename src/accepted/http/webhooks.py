"""Webhooks over HTTP: what a submit registers, and the log of deliveries (contract, section 7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ..contract import wire
from ..contract.delivery import is_delivery_id
from ..contract.problem import DeliveryNotFound
from ..contract.webhook import Webhook
from ..engine import audit
from ..service import Service
from ..settings import Settings
from . import body
from .call import Call

RESERVED = "webhook"

_HOST = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]+)?|\[[0-9a-fA-F:.]+\](?::[0-9]+)?")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Webhooks:
    """The member of a submit, and the endpoints under `/operations/{id}/deliveries`."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self._service = service
        self._settings = settings

    async def registered(self, call: Call, value: Mapping[str, Any]) -> Webhook | None:
        """The webhook that a submit brings along, if any. Raises `InvalidRequest` or `WebhookUrlForbidden`."""
        if value[RESERVED] is None:
            return None
        return await self._service.webhook(value[RESERVED], _absolute(call))

    async def deliveries(self, call: Call, id: str) -> None:
        """`GET /operations/{id}/deliveries`."""
        deliveries = await self._service.deliveries(id, call.sees)
        await call.json(200, {"data": [wire.delivery_document(delivery) for delivery in deliveries]})

    async def redeliver(self, call: Call, id: str) -> None:
        """`POST /operations/{id}/deliveries/{deliveryId}/redeliver`."""
        await body.read(call.receive, call.headers, self._settings.body_limit)
        delivery_id = call.parameters["deliveryId"]
        if not is_delivery_id(delivery_id):
            await self._service.get(id, call.sees)
            raise DeliveryNotFound("The operation has no delivery with this id.")
        delivery = await self._service.redeliver(id, call.sees, delivery_id)
        audit.note("redeliver", call.caller, id, delivery_id)
        await call.json(202, wire.delivery_document(delivery))


def without_webhook(raw: bytes) -> bytes:
    """A submit's body as the function's input: the other members stay as they were written."""
    members = _members(raw)
    members.pop(RESERVED, None)
    return msgspec.json.encode(members)


def _absolute(call: Call) -> str:
    """What all URLs of a delivery begin with; empty where the request does not say."""
    if call.base.startswith(("https://", "http://")):
        return call.base
    host = call.header(b"host")
    return f"{call.scope['scheme']}://{host}{call.base}" if _HOST.fullmatch(host) else ""
