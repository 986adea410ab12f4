"""Random things that callers, workers and sweepers may ask, given what there is; much of it sensible, some of it not.

The world is small (two owners, types, workers, keys and paths), so that histories collide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from accepted.contract.operation import Artifact, Operation, Result, Status
from accepted.contract.progress import Progress, announced
from accepted.contract.transition import (
    Accept,
    Advance,
    Cancel,
    Claim,
    Complete,
    Expire,
    Fail,
    Forget,
    Held,
    Keep,
    Key,
    LogEntry,
    Release,
    Renew,
    Report,
    Rescue,
    Resign,
    Retry,
    Settle,
    Stop,
    Transition,
)
from tests.contract.given import BROKEN, BUSY, DAY, HOUR, NOW, SECOND, WARNED, op_id
from tests.contract.memory import Memory

OWNERS = st.sampled_from(["ann", "bob"])
TYPES = ("report", "import")
WORKERS = st.sampled_from(["w1", "w2"])
PATHS = st.sampled_from([None, "/reports/rpt-1", "/reports/rpt-2"])
JSON = st.sampled_from([b"null", b'{"rows":3}', b"[1.0,  2]"])
SPANS = (0, 1, SECOND, 2 * SECOND, 30 * SECOND, HOUR, DAY, 31 * DAY)

keys = st.builds(Key, st.just("/reports"), st.sampled_from(["k1", "k2"]), st.sampled_from(["one", "two"]))
reports = st.builds(
    Report,
    progress=st.none() | st.builds(Progress, current=st.integers(0, 9), percentage=st.integers(0, 99)),
    warnings=st.sampled_from([(), (), WARNED.warnings]),
    lines=st.lists(st.builds(LogEntry, st.just(NOW.wall), st.just("INFO"), st.just("line")), max_size=2).map(tuple),
    checkpoint=st.none() | JSON,
    partial=st.sampled_from([msgspec.Raw(), msgspec.Raw(b"[1]")]).map(lambda raw: raw or Report().partial),
)

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Asker:
    """Draws transitions; `memory` says what there is."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._made = 0

    def batch(self, draw: Draw) -> list[Transition]:
        kinds = draw(st.lists(st.sampled_from(_KINDS), min_size=1, max_size=8))
        return [kind(self, draw) for kind in kinds]

    def _new_id(self) -> str:
        self._made += 1
        return op_id(self._made)

    def accept(self, draw: Draw) -> Transition:
        return Accept(
            id=self._new_id(),
            type=draw(st.sampled_from(TYPES)),
            owner=draw(OWNERS),
            input=draw(JSON),
            retention=draw(st.sampled_from([0, HOUR, 2 * DAY])),
            cancel_grace=2 * SECOND,
            progress=draw(st.sampled_from([None, announced(["LOAD", "SAVE"])])),
            key=draw(st.none() | keys),
        )

    def claim(self, draw: Draw) -> Transition:
        types = draw(st.sampled_from([TYPES, TYPES, ("import",)]))
        limits = draw(st.sampled_from([{}, {}, {"report": 1}, {"report": 2, "import": 1}]))
        return Claim(draw(WORKERS), types, draw(st.integers(1, 3)), limits)

    def renew(self, draw: Draw) -> Transition:
        return Renew(draw(WORKERS), 30 * SECOND, draw(st.sampled_from([True, True, False])))

    def resign(self, draw: Draw) -> Transition:
        return Resign(draw(WORKERS))

    def advance(self, draw: Draw) -> Transition:
        return self._held(draw, Advance)

    def keep(self, draw: Draw) -> Transition:
        return self._held(draw, Keep, number=draw(st.integers(0, 2)), data=draw(st.sampled_from([b"", b"chunk"])))

    def complete(self, draw: Draw) -> Transition:
        value = Result(msgspec.Raw(draw(JSON)), None, draw(PATHS))
        artifact = Artifact("text/csv", 5, "0" * 64, draw(st.integers(1, 2)))
        return self._held(draw, Complete, result=draw(st.sampled_from([value, Result(artifact=artifact)])))

    def fail(self, draw: Draw) -> Transition:
        delay = draw(st.sampled_from(SPANS[:5]))
        problem = draw(st.sampled_from([BUSY, BUSY, BROKEN]))
        return self._held(draw, Fail, problem=problem, attempts=draw(st.integers(1, 3)), delay=delay)

    def release(self, draw: Draw) -> Transition:
        return self._held(draw, Release)

    def stop(self, draw: Draw) -> Transition:
        return self._held(draw, Stop)

    def cancel(self, draw: Draw) -> Transition:
        return Cancel(self._some(draw), draw(st.sampled_from([None, "changed my mind"])))

    def settle(self, draw: Draw) -> Transition:
        """Only of what has a cancel or has ended so: whoever settles has cancelled before."""
        cancelled = [o.id for o in self._memory.operations.values() if o.cancellation or o.status is Status.CANCELLED]
        return Settle(draw(st.sampled_from([*cancelled, op_id(0)])))

    def retry(self, draw: Draw) -> Transition:
        return Retry(self._some(draw), self._new_id())

    def rescue(self, draw: Draw) -> Transition:
        return Rescue(draw(st.sampled_from([1, 3])))

    def expire(self, draw: Draw) -> Transition:
        return Expire()

    def forget(self, draw: Draw) -> Transition:
        return Forget()

    def _some(self, draw: Draw) -> str:
        return str(draw(st.sampled_from([*self._memory.operations, op_id(0)])))

    def _held(self, draw: Draw, kind: type[Held], **members: Any) -> Held:
        holding = [o for o in self._memory.operations.values() if o.worker is not None]
        operations = holding or list(self._memory.operations.values())
        if not operations:
            return kind(operation_id=op_id(0), worker="w1", attempt=1, **members)
        held: Operation = draw(st.sampled_from(operations))
        worker, attempt = held.worker or "w1", held.attempt
        if draw(st.integers(0, 9)) == 0:
            worker, attempt = draw(WORKERS), attempt + draw(st.integers(-1, 1))
        return kind(operation_id=held.id, worker=worker, attempt=attempt, report=draw(reports), **members)


_KINDS = [
    *[Asker.accept] * 4,
    *[Asker.claim] * 4,
    *[Asker.renew] * 3,
    *[Asker.advance] * 2,
    *[Asker.complete] * 2,
    *[Asker.fail] * 2,
    *[Asker.cancel] * 2,
    *[Asker.retry] * 2,
    Asker.keep,
    Asker.release,
    Asker.stop,
    Asker.settle,
    Asker.resign,
    Asker.rescue,
    Asker.expire,
    Asker.forget,
]
