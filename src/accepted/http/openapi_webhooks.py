"""Webhooks in the OpenAPI document: the member of each submit, what is sent to its URL, and the deliveries."""

from __future__ import annotations

from collections.abc import Iterator

from ..contract import problem as refused
from ..contract.address import LONGEST_URL
from ..contract.delivery import DeliveryStatus
from ..contract.operation import Status
from ..contract.signature import LEAST
from ..contract.webhook import EVENTS
from . import openapi_parts as part
from .openapi_parts import answer, operation, parameter, refusals
from .openapi_schemas import COUNT, OPERATION_ID, TEXT, TIME, Schema, closed, one_of_texts, ref

_EVENT = one_of_texts(*EVENTS)
_DELIVERY_ID: Schema = {"type": "string", "pattern": "^dlv-[0-9abcdefghjkmnpqrstvwxyz]{26}-[1-9][0-9]*$"}
_SECRET: Schema = {"type": "string", "minLength": LEAST, "description": "16 to 64 bytes, or `whsec_` and base64."}


def webhook_schemas() -> dict[str, Schema]:
    """The components that are about webhooks."""
    return {
        "Webhook": _webhook(),
        "WebhookRegistered": closed(
            {"registered": {"type": "boolean", "const": True}, "events": {"type": "array", "items": _EVENT}},
            {"secret": {**TEXT, "description": "Minted by the server; shown in this answer and never again."}},
        ),
        "WebhookEvent": _payload(),
        "Delivery": closed(
            {
                "deliveryId": _DELIVERY_ID,
                "event": _EVENT,
                "status": one_of_texts(*DeliveryStatus),
                "attempts": {"type": "array", "items": closed({"time": TIME}, {"statusCode": COUNT, "error": TEXT})},
            },
            {"nextAttempt": TIME},
        ),
        "DeliveryList": closed({"data": {"type": "array", "items": ref("Delivery")}}),
    }


def with_webhook(schema: Schema, components: dict[str, Schema]) -> Schema:
    """An input's schema with the reserved member; as it is, where the input is no object that could have one."""
    found = components.get(schema.get("$ref", "").rpartition("/")[2], schema)
    if found.get("type", "object") != "object":
        return schema
    member = {"webhook": ref("Webhook")}
    if found.get("additionalProperties", True) is True:
        return {**schema, "properties": {**schema.get("properties", {}), **member}}
    return {**found, "properties": {**found.get("properties", {}), **member}}


def callbacks() -> Schema:
    """What this server sends to the URL of a webhook."""
    headers = [
        _header("X-Webhook-Signature", "`sha256=` and the HMAC of the body in hexadecimal."),
        _header("X-Webhook-Event", "The event."),
        _header("X-Operation-Id", "The operation."),
        _header("webhook-id", "The same at each attempt: by it a receiver knows what came before."),
        _header("webhook-timestamp", "When this attempt was signed, in seconds since the epoch."),
        _header("webhook-signature", "`v1,` and the signature of Standard Webhooks in base64."),
    ]
    return {
        "webhook": {
            "{$request.body#/webhook/url}": {
                "post": {
                    "summary": "An operation has started or ended",
                    "parameters": headers,
                    "requestBody": {
                        "required": True,
                        "content": {part.JSON_MEDIA: {"schema": ref("WebhookEvent")}},
                    },
                    "responses": {
                        "2XX": {"description": "Delivered."},
                        "410": {"description": "Not wanted any more: no further attempt is made."},
                        "default": {"description": "Tried again later; `Retry-After` of 429 and 503 is obeyed."},
                    },
                }
            }
        }
    }


def paths() -> Iterator[tuple[str, str, Schema]]:
    """The deliveries of an operation."""
    target = parameter("path", "id", OPERATION_ID, "The operation.")
    of_operation = (refused.OperationNotFound, refused.OperationExpired)
    yield (
        "/operations/{id}/deliveries",
        "get",
        operation(
            id="listDeliveries",
            tag="webhooks",
            summary="What was delivered to its webhook",
            parameters=[target],
            responses={"200": answer("All deliveries.", ref("DeliveryList")), **refusals(*of_operation)},
        ),
    )
    of_write = (
        refused.OriginNotAllowed,
        refused.StorageFull,
        refused.OutcomeUnknown,
        refused.BodyTooLarge,
        refused.DeliveryNotFound,
    )
    yield (
        "/operations/{id}/deliveries/{deliveryId}/redeliver",
        "post",
        operation(
            id="redeliver",
            tag="webhooks",
            summary="Deliver it again, now",
            parameters=[target, parameter("path", "deliveryId", _DELIVERY_ID, "The delivery.")],
            responses={"202": answer("It is due.", ref("Delivery")), **refusals(*of_operation, *of_write)},
        ),
    )


def _webhook() -> Schema:
    secrets = {"type": "array", "items": _SECRET, "minItems": 1, "maxItems": 2}
    return closed(
        {"url": {"type": "string", "format": "uri", "maxLength": LONGEST_URL, "pattern": "^https?://"}},
        {
            "events": {"type": "array", "items": _EVENT, "minItems": 1},
            "secret": _SECRET,
            "secrets": {**secrets, "description": "While one is replaced: both sign, the newest first."},
        },
        description="Where to say that it has started or ended.",
        **{"not": {"required": ["secret", "secrets"]}},
    )


def _payload() -> Schema:
    required = {"event": _EVENT, "operationId": OPERATION_ID, "status": one_of_texts(*Status), "timestamp": TIME}
    ends = {"result": ref("Result"), "error": ref("Problem"), "reason": TEXT, "workStopped": {"type": "boolean"}}
    return closed({**required, "sequence": COUNT}, ends, description="What is delivered.")


def _header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "required": True, "description": description, "schema": TEXT}
