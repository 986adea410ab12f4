"""What the tests of deliveries do with a node: submit with a webhook, let time pass, and wait until all is quiet."""

from __future__ import annotations

import asyncio
from typing import Any

from accepted.contract.delivery import Delivery
from accepted.contract.webhook import DEFAULT_EVENTS, Registration
from accepted.engine.lane import COOL_DOWN
from accepted.engine.node import Node
from accepted.service import Service
from tests.clock import MovableClock
from tests.engine.gate import PATIENCE
from tests.engine.stage import OWNER

DEVELOPMENT: dict[str, Any] = {"webhook_allow_http": True, "webhook_allow_networks": ["127.0.0.0/8"]}
SECRET = "a secret of a client"
STEP = COOL_DOWN + 1


def registration(url: str, **changes: Any) -> Registration:
    """Where to deliver to."""
    members = {"events": DEFAULT_EVENTS, "secrets": (SECRET,), "base": "https://api.example", **changes}
    return Registration(url=url, authority=url.split("/")[2], **members)


async def told(node: Node, name: str, url: str, **changes: Any) -> str:
    """The id of an operation that was submitted with a webhook to `url`."""
    registered = node.registry.named(name)
    assert registered is not None
    accepted = await Service(node).submit(registered, b"null", owner=OWNER, webhook=registration(url, **changes))
    return accepted.operation.id


async def quiet(node: Node, number: int = 0) -> None:
    """Once at least `number` tries are written down, nothing is due and nothing under way."""
    async with asyncio.timeout(PATIENCE):
        while not await _is_quiet(node, number):  # noqa: ASYNC110  (what others do is seen by looking)
            await asyncio.sleep(0.005)


async def _is_quiet(node: Node, number: int) -> bool:
    deliverer, clock = node.deliverer, node.deliverer._clock
    lanes = deliverer._lanes.values()
    busy = deliverer._tasks or deliverer._claiming.locked() or any(lane.ready for lane in lanes)
    due_at = await node.store.next_delivery()
    due = due_at is not None and due_at <= (await node.store.now()).wall
    left_in_peace = any(lane.is_open(clock.monotonic()) for lane in lanes)
    return not busy and (not due or left_in_peace) and settled(node) >= number


def settled(node: Node) -> int:
    """How many tries this node has written down."""
    found = node.metrics.registry.get_sample_value
    return int(sum(found("accepted_webhook_deliveries_total", {"outcome": word}) or 0 for word in OUTCOMES))


OUTCOMES = ("delivered", "retried", "failed")


async def pass_time(node: Node, clock: MovableClock, seconds: float) -> None:
    """Let time pass in steps that no next try and no cool-down is shorter than, and wait for what comes of each."""
    while seconds > 0:
        step = min(seconds, STEP)
        seconds -= step
        clock.advance(step)
        await quiet(node)


async def pass_time_at_once(node: Node, clock: MovableClock, until: int) -> None:
    """Let time pass up to a moment (ms), and wait for the one try that is then made."""
    before = settled(node)
    clock.advance((until - (await node.store.now()).wall) / 1000 + 0.001)
    await quiet(node, before + 1)


async def delivery_of(node: Node, id: str) -> Delivery:
    """The one delivery of an operation, once it is made."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await node.store.deliveries(id)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    (delivery,) = found
    return delivery
