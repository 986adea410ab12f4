"""Random things that callers, workers and sweepers may ask, given what there is; much of it sensible, some of it not.

The world is small (two owners, types, workers, keys and paths), so that histories collide. One seed is one history.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from accepted.contract.delivery import Answer, Delivery
from accepted.contract.operation import NO_JSON, Artifact, Group, Operation, Result, Status
from accepted.contract.progress import Progress, announced
from accepted.contract.transition import (
    Accept,
    Advance,
    Cancel,
    Claim,
    ClaimDeliveries,
    Complete,
    Expire,
    Fail,
    Forget,
    Held,
    Keep,
    Key,
    LogEntry,
    PostponeDelivery,
    Redeliver,
    Release,
    Renew,
    Report,
    Rescue,
    Resign,
    Retry,
    Settle,
    SettleDelivery,
    Stop,
    Transition,
)
from accepted.contract.webhook import EVENTS
from tests.contract.given import BROKEN, BUSY, DAY, HOUR, NOW, SECOND, WARNED, op_id, webhook
from tests.contract.memory import Memory

OWNERS = ("ann", "bob")
TYPES = ("report", "import")
WORKERS = ("w1", "w2")
PATHS = ("/reports/rpt-1", "/reports/rpt-2")
HOSTS = ("a.example", "b.example", "c.example:8443")
JSON = (b"null", b'{"rows":3}', b"[1.0,  2]")
LINE = LogEntry(NOW.wall, "INFO", "line")
SOON = (0, 1, SECOND, 2 * SECOND)
LATE = (30 * SECOND, HOUR, DAY, 31 * DAY)


class Asker:
    """Makes up transitions; `memory` says what there is."""

    def __init__(self, memory: Memory, random: Random) -> None:
        self._memory = memory
        self._random = random
        self._any = random.choice
        self._made = 0

    def batch(self) -> list[Transition]:
        """One to eight transitions."""
        return [self._any(_KINDS)(self) for _ in range(self._random.randint(1, 8))]

    def span(self) -> int:
        """How many milliseconds pass before the next batch: mostly few."""
        return self._any(SOON if self._mostly() else LATE)

    def jump(self) -> int:
        """By how much the wall clock jumps: mostly not at all."""
        return 0 if self._mostly() else self._any((-DAY, -HOUR, HOUR, DAY))

    # --- callers

    def accept(self) -> Transition:
        return Accept(
            id=self._new_id(),
            type=self._any(TYPES),
            owner=self._any(OWNERS),
            input=self._any(JSON),
            retention=self._any((0, HOUR, 2 * DAY)),
            cancel_grace=2 * SECOND,
            progress=self._any((None, announced(["LOAD", "SAVE"]))),
            key=Key("/reports", self._any(("k1", "k2")), self._any(("one", "two")))
            if self._any((True, False))
            else None,
            webhook=self._any((None, webhook(self._any(HOSTS)), webhook(self._any(HOSTS), EVENTS))),
            priority=self._any((0, 0, 9)),
            group=self._any((None, None, Group("x", 1), Group("y", 2))),
        )

    def cancel(self) -> Transition:
        return Cancel(self._some(), self._any((None, "changed my mind")))

    def settle(self) -> Transition:
        """Only of what has a cancel or has ended so: whoever settles has cancelled before."""
        cancelled = [o.id for o in self._memory.operations.values() if o.cancellation or o.status is Status.CANCELLED]
        return Settle(self._any([*cancelled, op_id(0)]))

    def retry(self) -> Transition:
        return Retry(self._some(), self._new_id())

    # --- workers

    def renew(self) -> Transition:
        return Renew(self._any(WORKERS), self._any((30 * SECOND, DAY)), self._mostly())

    def resign(self) -> Transition:
        return Resign(self._any(WORKERS))

    def claim(self) -> Transition:
        limits = self._any(({}, {}, {"report": 1}, {"report": 2, "import": 1}))
        types, room = self._any((TYPES, TYPES, ("import",))), self._random.randint(1, 3)
        return Claim(self._any(WORKERS), types, room, limits, after=self._any(("", *OWNERS)))

    def advance(self) -> Transition:
        return self._held(Advance)

    def keep(self) -> Transition:
        return self._held(Keep, number=self._random.randint(0, 2), data=self._any((b"", b"chunk")))

    def complete(self) -> Transition:
        value = Result(msgspec.Raw(self._any(JSON)), None, self._any((None, *PATHS)))
        artifact = Result(artifact=Artifact("text/csv", 5, "0" * 64, self._random.randint(1, 2)))
        return self._held(Complete, result=self._any((value, artifact)))

    def fail(self) -> Transition:
        problem, delay = self._any((BUSY, BUSY, BROKEN)), self._any((*SOON, 30 * SECOND))
        return self._held(Fail, problem=problem, attempts=self._random.randint(1, 3), delay=delay)

    def release(self) -> Transition:
        return self._held(Release)

    def stop(self) -> Transition:
        return self._held(Stop)

    # --- senders

    def claim_deliveries(self) -> Transition:
        rooms = self._any(({}, {}, {HOSTS[0]: 0}, {HOSTS[1]: 2}))
        after, hosts = self._any(("", "", *HOSTS)), self._any((100, 100, 1, 2))
        return ClaimDeliveries(self._random.randint(1, 4), self._random.randint(1, 2), rooms, after, hosts)

    def settle_delivery(self) -> Transition:
        delivery = self._delivery()
        answers = (204, 204, 500, 429, 410, None)
        answer = Answer(NOW.wall, self._any(answers), retry_after=self._any((None, 120)))
        return SettleDelivery(*self._place(delivery), answer, self._any((0.0, 0.5)))

    def postpone_delivery(self) -> Transition:
        return PostponeDelivery(*self._place(self._delivery()), self._any(SOON))

    def redeliver(self) -> Transition:
        delivery = self._delivery()
        return Redeliver(self._some() if delivery is None else delivery.operation_id, self._place(delivery)[1])

    # --- sweepers

    def rescue(self) -> Transition:
        return Rescue(self._any((1, 3)))

    def expire(self) -> Transition:
        return Expire()

    def forget(self) -> Transition:
        return Forget()

    # --- out of what there is

    def _mostly(self) -> bool:
        return self._random.random() < 0.85

    def _new_id(self) -> str:
        self._made += 1
        return op_id(self._made)

    def _some(self) -> str:
        return self._any([*self._memory.operations, op_id(0)])

    def _delivery(self) -> Delivery | None:
        """Mostly one that is claimed."""
        all = list(self._memory.deliveries.values())
        claimed = [delivery for delivery in all if delivery.claimed]
        return self._any(claimed if claimed and self._mostly() else [*all, None])

    def _place(self, delivery: Delivery | None) -> tuple[str, str, int]:
        if delivery is None:
            return self._some(), f"dlv-{0:026d}-2", 1
        return delivery.operation_id, delivery.id, delivery.number - (0 if self._mostly() else 1)

    def _held(self, kind: type[Held], **members: Any) -> Held:
        all = list(self._memory.operations.values())
        held = [operation for operation in all if operation.worker is not None]
        if not (self._mostly() and held):
            return kind(
                operation_id=self._some(), worker=self._any(WORKERS), attempt=self._random.randint(0, 2), **members
            )
        operation: Operation = self._any(held)
        fence = {"worker": operation.worker, "attempt": operation.attempt, "report": self._report()}
        return kind(**{"operation_id": operation.id, **fence, **members})

    def _report(self) -> Report:
        return Report(
            progress=self._any(
                (None, Progress(current=self._random.randint(0, 9), percentage=self._random.randint(0, 99)))
            ),
            warnings=self._any(((), (), WARNED.warnings)),
            lines=(LINE,) * self._random.randint(0, 2),
            checkpoint=self._any((None, *JSON)),
            partial=self._any((NO_JSON, msgspec.Raw(b"[1]"))),
        )


_KINDS: tuple[Callable[[Asker], Transition], ...] = (
    *[Asker.accept] * 4,
    *[Asker.claim] * 4,
    *[Asker.renew] * 3,
    *[Asker.advance] * 2,
    *[Asker.keep] * 2,
    *[Asker.complete] * 2,
    *[Asker.fail] * 2,
    *[Asker.cancel] * 2,
    *[Asker.retry] * 2,
    *[Asker.claim_deliveries] * 2,
    *[Asker.settle_delivery] * 3,
    Asker.postpone_delivery,
    Asker.redeliver,
    Asker.release,
    Asker.stop,
    Asker.settle,
    Asker.resign,
    Asker.rescue,
    Asker.expire,
    Asker.forget,
)
