"""The streams of the contract, section 8, as far as OpenAPI 3.1 can say them."""

from __future__ import annotations

from collections.abc import Iterator

from ..contract import problem as refused
from ..contract.traffic import QuotaExceeded
from . import openapi_parts as part
from .openapi_parts import answer, operation, parameter, refusals
from .openapi_schemas import OPERATION_ID, TEXT, Schema, ref

_OPERATION = parameter("path", "id", OPERATION_ID, "The operation.")
_LOGS = parameter(
    "query", "logs", {"type": "boolean", "default": False}, "Lines of the log too, as events of the kind `log`."
)
_AFTER = parameter("query", "after", TEXT, "The `id` of the last event seen; `Last-Event-ID` wins.")
_LAST = parameter("header", "Last-Event-ID", TEXT, "The `id` of the last event seen; EventSource sends it.")
_IDS = parameter(
    "query",
    "ids",
    {"type": "array", "items": OPERATION_ID, "minItems": 1, "maxItems": 100},
    "The operations, separated by commas.",
    required=True,
    style="form",
    explode=False,
)
_ABOUT = """Server-sent events, numbered as everywhere: `status-update`, `completed`, `failed`, `cancelled`, with
`?logs=true` also `log`, and `reset` where events that were asked for are no longer kept. A new reader gets the present
state first; one that says where it was gets everything after that, once and in order. After the last event the server
closes the stream."""
_SOCKET = """The same events as on the stream, as texts `{"event", "operationId", "sequence", "timestamp", "status",
"progress", "data"}`. Commands: `{"command": "get-status"}`, `{"command": "cancel", "reason": "..."}`"""


def streams() -> Iterator[tuple[str, str, Schema]]:
    """The paths under which events are followed, and those that give browsers leave to do so."""
    one, many = (_OPERATION,), (_IDS,)
    yield "/operations/{id}/ticket", "post", _ticket("createTicket", "A ticket for a stream of this operation", one)
    yield "/operations/ticket", "post", _ticket("createTicketForAny", "A ticket for a stream of any operation", ())
    yield "/operations/{id}/stream", "get", _stream("streamOperation", "Follow an operation", one)
    yield "/operations/stream", "get", _stream("streamOperations", "Follow many operations on one connection", many)
    about = f"{_SOCKET}. The server closes with 1000 after the last event."
    yield "/operations/{id}/status", "get", _socket("followOperation", "Follow an operation by WebSocket", one, about)
    about = f'{_SOCKET}, `{{"command": "subscribe" | "unsubscribe", "operationId", "after"}}`.'
    yield "/operations/status", "get", _socket("followOperations", "Follow many operations by WebSocket", (), about)


def _ticket(id: str, summary: str, target: tuple[Schema, ...]) -> Schema:
    known = (refused.OperationNotFound, refused.OperationExpired) if target else ()
    return operation(
        id=id,
        tag="streams",
        summary=summary,
        description="For EventSource and WebSocket, which send no headers: it opens one stream, once, within 30 s.",
        parameters=[*target],
        responses={
            "201": answer("The ticket, to be given as `?ticket=`.", ref("Ticket")),
            **refusals(*known, refused.OriginNotAllowed, refused.StorageFull, refused.BodyTooLarge),
        },
    )


def _stream(id: str, summary: str, target: tuple[Schema, ...]) -> Schema:
    return operation(
        id=id,
        tag="streams",
        summary=summary,
        description=_ABOUT,
        parameters=[*target, _LOGS, _AFTER, _LAST],
        security=part.BEARER_OR_TICKET,
        responses={
            "200": answer("Events until the end.", TEXT, media="text/event-stream"),
            "204": answer("The reader has seen the last event; do not come back."),
            **refusals(refused.OperationNotFound, refused.OperationExpired, refused.InvalidParameter, QuotaExceeded),
        },
    )


def _socket(id: str, summary: str, target: tuple[Schema, ...], about: str) -> Schema:
    known = (refused.OperationNotFound, refused.OperationExpired, refused.InvalidParameter) if target else ()
    upgrade = refusals(refused.UpgradeRequired)["426"]
    upgrade["headers"] = {"Upgrade": part.header(TEXT, "`websocket`.")}
    return operation(
        id=id,
        tag="streams",
        summary=summary,
        description=about,
        parameters=[*target, *((_AFTER,) if target else ())],
        security=part.BEARER_OR_TICKET,
        responses={
            "101": answer("The connection speaks WebSocket from here on."),
            **refusals(*known, QuotaExceeded),
            "426": upgrade,
        },
    )
