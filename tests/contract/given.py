"""What the tests of the contract start from: one moment, one submit, and an operation in each state.

States are reached by steps, never written down by hand, so that no test starts from something that cannot be.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from accepted.contract.delivery import Answer, Delivery
from accepted.contract.lifecycle import accepted, step
from accepted.contract.operation import Now, Operation, Result, Warning
from accepted.contract.problem import Problem
from accepted.contract.transition import (
    Accept,
    Cancel,
    Claim,
    ClaimDeliveries,
    Complete,
    Fail,
    Held,
    Key,
    Release,
    Report,
    Rescue,
    Retry,
    Settle,
    SettleDelivery,
)
from accepted.contract.webhook import DEFAULT_EVENTS, Registration

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
NOW = Now(wall=1_767_225_600_000, tick=10_000_000)  # 2026-01-01T00:00:00Z

BUSY = Problem("service-busy", "Service Busy", 503, "The service is busy.", retryable=True)
BROKEN = Problem("data-broken", "Data Broken", 500, "The data is broken.", retryable=False)
WARNED = Report(warnings=(Warning("MISSING_DATA", "2 rows have no email.", 2),))

H = TypeVar("H", bound=Held)


def after(span: int, now: Now = NOW) -> Now:
    """The moment `span` milliseconds later."""
    return Now(now.wall + span, now.tick + span)


def op_id(number: int = 1) -> str:
    return f"op-{number:026d}"


def accept(number: int = 1, **changes: Any) -> Accept:
    made = Accept(
        id=op_id(number), type="report", owner="ann", input=b'{"n":1}', retention=DAY, cancel_grace=2 * SECOND
    )
    return replace(made, **changes)


def key(value: str = "k1", body: str = "body", *, route: str = "/reports", **changes: Any) -> Key:
    return Key(route, value, body, **changes)


def webhook(host: str = "a.example", events: tuple[str, ...] = DEFAULT_EVENTS, **changes: Any) -> Registration:
    made = Registration(f"https://{host}/hooks", events, ("a secret of a client",), "https://api.example", host)
    return replace(made, **changes)


def claim_deliveries(room: int = 10, share: int = 4, **changes: Any) -> ClaimDeliveries:
    return ClaimDeliveries(room, share, **changes)


def settle_delivery(delivery: Delivery, code: int | None = 204, chance: float = 0.0, **answer: Any) -> SettleDelivery:
    """What its receiver answered to a claimed delivery."""
    told = Answer(NOW.wall, code, **answer)
    return SettleDelivery(delivery.operation_id, delivery.id, delivery.number, told, chance)


def claim(worker: str = "w1", types: tuple[str, ...] = ("report",), room: int = 1, **changes: Any) -> Claim:
    return Claim(worker, types, room, **changes)


def held(kind: type[H], operation: Operation, **members: Any) -> H:
    """A write of the attempt that holds `operation` now."""
    fence = {"worker": operation.worker or "w1", "attempt": operation.attempt}
    return kind(**{"operation_id": operation.id, **fence, **members})


def complete(operation: Operation, value: bytes = b'{"rows":3}', **members: Any) -> Complete:
    return held(Complete, operation, **{"result": Result(msgspec.Raw(value))} | members)


def fail(operation: Operation, problem: Problem = BUSY, **members: Any) -> Fail:
    return held(Fail, operation, problem=problem, **members)


# --- one operation in each state


def pending(**changes: Any) -> Operation:
    return accepted(accept(**changes), NOW)


def processing(**changes: Any) -> Operation:
    return step(pending(**changes), claim(), after(SECOND))


def cancelling(**changes: Any) -> Operation:
    """PROCESSING, with a cancel noted two seconds after the submit, and a grace of two more."""
    before = processing(**changes)
    return step(before, Cancel(before.id, "changed my mind"), after(2 * SECOND))


def completed(**changes: Any) -> Operation:
    before = processing(**changes)
    return step(before, complete(before), after(3 * SECOND))


def completed_with_errors(**changes: Any) -> Operation:
    before = processing(**changes)
    return step(before, complete(before, report=WARNED), after(3 * SECOND))


def failed(problem: Problem = BUSY, **changes: Any) -> Operation:
    before = processing(**changes)
    return step(before, fail(before, problem), after(3 * SECOND))


def cancelled(**changes: Any) -> Operation:
    before = pending(**changes)
    return step(before, Cancel(before.id, "changed my mind"), after(2 * SECOND))


def again(operation: Operation, now: Now = NOW) -> Operation:
    """A PENDING operation in its next attempt."""
    return step(operation, claim(), now)


# --- what callers and sweepers ask of it


def cancel(operation: Operation, reason: str | None = None) -> Cancel:
    return Cancel(operation.id, reason)


def settle(operation: Operation) -> Settle:
    return Settle(operation.id)


def retry(operation: Operation, number: int = 2) -> Retry:
    return Retry(operation.id, op_id(number))


def rescue(max_crashes: int = 3) -> Rescue:
    return Rescue(max_crashes)


def release(operation: Operation) -> Release:
    return held(Release, operation)
