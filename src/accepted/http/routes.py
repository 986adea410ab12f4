"""The table of routes: which method a path knows, what it asks of its caller, and who answers.

A rule stands beside each route, so none can be forgotten: `Route` has no default for it. Paths of registered
operations are ruled here too: a submit asks for `submit`, a result's own resource for `read`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import NamedTuple

from ..contract.caller import Rule
from ..contract.operation import is_operation_id
from ..contract.problem import OperationNotFound, UpgradeRequired
from ..engine.registry import Registered
from .around import Around
from .call import Call
from .dashboard import Dashboard
from .jobs import Jobs, operation_of
from .openapi import OpenApi
from .operations import Operations
from .results import Results
from .sockets import Sockets
from .statistics import Statistics
from .streams import Streams
from .tickets import Tickets
from .webhooks import Webhooks

Endpoint = Callable[[Call], Awaitable[None]]


class Desks(NamedTuple):
    """Who answers."""

    operations: Operations
    results: Results
    jobs: Jobs
    streams: Streams
    sockets: Sockets
    webhooks: Webhooks
    tickets: Tickets
    statistics: Statistics
    dashboard: Dashboard
    around: Around
    openapi: OpenApi


class Route(NamedTuple):
    """One method of one path; where it is `ticketed`, a ticket lets in as well."""

    method: str
    rule: Rule
    find: Callable[[Desks], Endpoint]
    ticketed: bool = False


SUBMIT, RESULT = Rule.SUBMIT, Rule.READ
"""The rules of what registered operations add: their own path, and the resource of their results."""


def routes(registered: Iterable[Registered]) -> Iterator[tuple[str, str]]:
    """(path, method) of all that an app with these operations serves; known before it has started."""
    for path, route in FIXED.items():
        yield path, route.method
    for operation in registered:
        yield from routes_of(operation)


def routes_of(registered: Registered) -> Iterator[tuple[str, str]]:
    """(path, method) of what one operation adds."""
    yield registered.path, "POST"
    if registered.result is not None:
        yield registered.result, "GET"


def rule_of(path: str, method: str) -> Rule:
    """What a route of `routes` asks of its caller."""
    if path in FIXED:
        return FIXED[path].rule
    return SUBMIT if method == "POST" else RESULT


def _op(endpoint: Callable[[Call, str], Awaitable[None]]) -> Endpoint:
    """An endpoint about one operation, by the id in its path."""

    async def get(call: Call) -> None:
        await endpoint(call, known_form(call.parameters["id"]))

    return get


def _job(endpoint: Callable[[Call, str], Awaitable[None]]) -> Endpoint:
    """The same about the record that a job's id names."""

    async def get(call: Call) -> None:
        await endpoint(call, known_form(operation_of(call.parameters["id"])))

    return get


def known_form(id: str) -> str:
    """The id. Raises `OperationNotFound` for what cannot be one."""
    if not is_operation_id(id):
        raise OperationNotFound
    return id


async def _upgrade(call: Call) -> None:
    await call.refuse(UpgradeRequired("This path speaks WebSocket."), (b"upgrade", b"websocket"))


# The order is that of the router.
FIXED: dict[str, Route] = {
    "/operations/stream": Route("GET", Rule.READ, lambda desks: desks.streams.operations, ticketed=True),
    "/operations/status": Route("GET", Rule.READ, lambda desks: _upgrade),
    "/operations/ticket": Route("POST", Rule.READ, lambda desks: desks.tickets.operations),
    "/operations/{id}": Route("GET", Rule.READ, lambda desks: _op(desks.operations.status)),
    "/operations/{id}/cancel": Route("POST", Rule.CANCEL, lambda desks: _op(desks.operations.cancel)),
    "/operations/{id}/retry": Route("POST", Rule.SUBMIT, lambda desks: _op(desks.operations.retry)),
    "/operations/{id}/result": Route("GET", Rule.READ, lambda desks: _op(desks.results.by_operation)),
    "/operations/{id}/input": Route("GET", Rule.READ, lambda desks: _op(desks.operations.input)),
    "/operations/{id}/stream": Route("GET", Rule.READ, lambda desks: _op(desks.streams.operation), ticketed=True),
    "/operations/{id}/status": Route("GET", Rule.READ, lambda desks: _upgrade),
    "/operations/{id}/ticket": Route("POST", Rule.READ, lambda desks: _op(desks.tickets.operation)),
    "/operations/{id}/deliveries": Route("GET", Rule.READ, lambda desks: _op(desks.webhooks.deliveries)),
    "/operations/{id}/deliveries/{deliveryId}/redeliver": Route(
        "POST", Rule.SUBMIT, lambda desks: _op(desks.webhooks.redeliver)
    ),
    "/jobs": Route("GET", Rule.READ, lambda desks: desks.jobs.history),
    "/jobs/{id}": Route("GET", Rule.READ, lambda desks: _job(desks.jobs.get)),
    "/jobs/{id}/logs": Route("GET", Rule.READ, lambda desks: _job(desks.jobs.logs), ticketed=True),
    "/jobs/{id}/cancel": Route("POST", Rule.CANCEL, lambda desks: _job(desks.operations.cancel)),
    "/statistics": Route("GET", Rule.READ, lambda desks: desks.statistics.get),
    "/statistics/stream": Route("GET", Rule.READ, lambda desks: desks.statistics.stream, ticketed=True),
    "/dashboard": Route("GET", Rule.PUBLIC, lambda desks: desks.dashboard.page),
    "/dashboard/{version}/{file}": Route("GET", Rule.PUBLIC, lambda desks: desks.dashboard.file),
    "/health": Route("GET", Rule.ADMIN, lambda desks: desks.around.health),
    "/health/live": Route("GET", Rule.PUBLIC, lambda desks: desks.around.live),
    "/health/ready": Route("GET", Rule.PUBLIC, lambda desks: desks.around.ready),
    "/metrics": Route("GET", Rule.ADMIN, lambda desks: desks.around.metrics),
    "/problems": Route("GET", Rule.PUBLIC, lambda desks: desks.around.problems),
    "/problems/{slug}": Route("GET", Rule.PUBLIC, lambda desks: desks.around.problem),
    "/openapi.json": Route("GET", Rule.KNOWN, lambda desks: desks.openapi.get),
}

SOCKETS: dict[str, Route] = {
    "/operations/status": Route("CONNECT", Rule.READ, lambda desks: desks.sockets.operations, ticketed=True),
    "/operations/{id}/status": Route("CONNECT", Rule.READ, lambda desks: _op(desks.sockets.operation), ticketed=True),
}
"""Paths that speak WebSocket."""
