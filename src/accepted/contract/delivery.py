"""A delivery: one event on its way to one webhook, from the commit that makes it until it has arrived or is given up.

A claim is a visibility time-out: it raises `number`, the fence, and makes the delivery due again a while later. So a
process that dies between sending and recording costs at most one more sending, and one that comes back too late
changes nothing. What an answer means and when the next try comes are pure functions; jitter is handed in.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from .operation import Now, Operation, renamed
from .problem import StaleAttempt
from .webhook import EVENT_OF

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000

SCHEDULE = (
    5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
)  # fmt: skip
"""Milliseconds between one try and the next (contract, section 7); after the last one it is FAILED."""

JITTER = 0.1  # of a delay, on top: who fails together should not come back together
VISIBILITY = 60 * SECOND
LONGEST_RETRY_AFTER = 24 * HOUR
TRIES_KEPT = 50  # redelivered again and again, a record must not grow for ever
GONE, TOO_MANY, UNAVAILABLE = 410, 429, 503

_ID = re.compile(r"dlv-[0-9a-hjkmnp-tv-z]{26}-[1-9][0-9]{0,17}")


class DeliveryStatus(StrEnum):
    """Where a delivery is in its life."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of one try at `at` (ms): a status code, or a word for why there was none.

    `retry_after` in seconds, as the receiver asked for it.
    """

    at: int
    status_code: int | None = None
    error: str | None = None
    retry_after: int | None = None


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """One delivery. `id` is its `webhook-id`, `sequence` the number of the operation's event that it tells of.

    `due_at` counts while it is PENDING; `failures` are the tries since it was last begun anew, which place it in the
    schedule. `claimed` while somebody sends it.
    """

    id: str
    operation_id: str
    event: str
    host: str
    at: int
    sequence: int
    due_at: int
    status: DeliveryStatus = DeliveryStatus.PENDING
    number: int = 0
    claimed: bool = False
    failures: int = 0
    tries: tuple[Answer, ...] = ()
    type: str = ""
    trace: str | None = None


def delivery_of(operation: Operation, now: Now) -> Delivery | None:
    """The delivery that has to be made of what `operation` has just become, if its webhook asks for it."""
    webhook, event = operation.webhook, EVENT_OF.get(operation.status)
    if webhook is None or event not in webhook.events:
        return None
    return Delivery(
        id=f"{renamed(operation.id, 'dlv')}-{operation.sequence}",
        operation_id=operation.id,
        event=event,
        host=webhook.host,
        at=operation.updated_at,
        sequence=operation.sequence,
        due_at=now.wall,
        type=operation.type,
        trace=operation.trace,
    )


def is_delivery_id(text: str) -> bool:
    """Whether `text` has the form of a delivery's id."""
    return _ID.fullmatch(text) is not None


def claimed(delivery: Delivery, visibility: int, now: Now) -> Delivery:
    """In the hands of a sender for so many milliseconds."""
    return replace(delivery, number=delivery.number + 1, claimed=True, due_at=now.wall + visibility)


def settled(delivery: Delivery, number: int, answer: Answer, chance: float, now: Now) -> Delivery:
    """After a try; `chance` in [0, 1) is the jitter. Raises `StaleAttempt` for a claim that is no longer held."""
    _check_fence(delivery, number)
    after = replace(
        delivery,
        claimed=False,
        failures=delivery.failures + 1,
        tries=(*delivery.tries, replace(answer, retry_after=None))[-TRIES_KEPT:],
    )
    if answer.status_code is not None and 200 <= answer.status_code < 300:
        return replace(after, status=DeliveryStatus.DELIVERED)
    wait = _wait(after.failures, answer, chance)
    if wait is None:
        return replace(after, status=DeliveryStatus.FAILED)
    return replace(after, due_at=now.wall + wait)


def postponed(delivery: Delivery, number: int, wait: int, now: Now) -> Delivery:
    """Handed back without a try, due again after `wait` milliseconds; this charges nothing."""
    _check_fence(delivery, number)
    return replace(delivery, claimed=False, due_at=now.wall + wait)


def redelivered(delivery: Delivery, now: Now) -> Delivery:
    """Due now. One that has ended begins its schedule anew; one that is being sent at this moment stays as it is."""
    if delivery.status is DeliveryStatus.PENDING:
        waiting = not delivery.claimed or delivery.due_at <= now.wall
        return replace(delivery, due_at=min(delivery.due_at, now.wall)) if waiting else delivery
    return replace(delivery, status=DeliveryStatus.PENDING, failures=0, due_at=now.wall)


def _wait(failures: int, answer: Answer, chance: float) -> int | None:
    """Milliseconds until the next try; None where there is none."""
    if answer.status_code == GONE or failures > len(SCHEDULE):
        return None
    wait = SCHEDULE[failures - 1]
    if answer.status_code in {TOO_MANY, UNAVAILABLE} and answer.retry_after is not None:
        wait = max(wait, min(answer.retry_after * SECOND, LONGEST_RETRY_AFTER))
    return round(wait * (1 + JITTER * chance))


def _check_fence(delivery: Delivery, number: int) -> None:
    if delivery.status is not DeliveryStatus.PENDING or not delivery.claimed or delivery.number != number:
        raise StaleAttempt(f"claim {number} no longer holds {delivery.id}")
