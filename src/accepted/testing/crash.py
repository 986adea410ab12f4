"""Whether a function may run more than once: it is run under every crash that can part its attempts.

An attempt that "dies" is parked for good where it stands: nothing of it is cancelled and no `finally` runs, as when a
process is killed. Another attempt then starts from the last stored checkpoint and runs to the end. In the stale trials
the first attempt wakes up after that and goes on, as a frozen worker does, until the store refuses it.

What is compared with an undisturbed run is how the operation ended, its result, and what `observe` sees of the world
outside: rows, files, mails sent. `prepare` puts that world back before each trial.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..app import Accepted
from ..contract.operation import Operation
from ..engine.attempt import Attempt, Done
from ..engine.execution import Lifespan
from ..engine.registry import Registered
from .rehearsal import Trial, trial

PATIENCE = 30.0  # seconds for one attempt
START, END = "before its first line", "after its last line, before its end was stored"

Look = Callable[[], Any]


class Outcome(msgspec.Struct, frozen=True):
    """How one trial ended, and what was different from the undisturbed run (empty: nothing)."""

    name: str
    status: str
    result: Any
    observed: Any
    difference: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """All trials; `safe` if none of them left anything different. Its text is a line for each."""

    outcomes: tuple[Outcome, ...]
    observing: bool

    @property
    def safe(self) -> bool:
        """Whether at-least-once looks like once."""
        return not any(outcome.difference for outcome in self.outcomes)

    def __str__(self) -> str:
        lines = [
            f"{'UNSAFE' if o.difference else 'safe  '}  {o.name}{o.difference and ': '}{o.difference}"
            for o in self.outcomes
        ]
        if not self.observing:
            lines.append("Only results were compared: `observe` was not given, so nothing was seen of what is outside.")
        return "\n".join(lines)


async def at_least_once(
    function: Callable[..., Any],
    input: Any = None,
    *,
    observe: Look | None = None,
    prepare: Look | None = None,
    lifespan: Lifespan | None = None,
) -> Verdict:
    """Run `function` undisturbed, then under each crash, and compare.

    `observe` and `prepare` may be coroutine functions. `lifespan` is the app's own, for functions that need it. Raises
    AssertionError where the undisturbed run itself does not succeed, because nothing can be compared with it then.
    """
    run = functools.partial(_run, function, input, observe=observe, prepare=prepare, lifespan=lifespan)
    undisturbed, points = await run("undisturbed", None, stale=False)
    assert undisturbed.status.startswith("COMPLETED"), (
        f"the undisturbed run ended {undisturbed.status}: {undisturbed.result}"
    )
    outcomes = [undisturbed]
    for point in points:
        for stale in (False, True):
            if (point, stale) in {(START, False), (END, True)}:
                continue  # nothing had been done, or nothing is left to do
            outcome, _ = await run(f"{'frozen' if stale else 'died'} {point}", point, stale=stale)
            outcomes.append(msgspec.structs.replace(outcome, difference=_difference(undisturbed, outcome)))
    return Verdict(tuple(outcomes), observe is not None)


async def _run(
    function: Callable[..., Any],
    input: Any,
    name: str,
    point: str | None,
    *,
    stale: bool,
    observe: Look | None,
    prepare: Look | None,
    lifespan: Lifespan | None,
) -> tuple[Outcome, list[str]]:
    """One trial; also gives the points that its first attempt came by."""
    await _awaited(prepare)
    park = _Park(point)
    app = Accepted(lifespan=lifespan)
    app.operation("/trial", name="trial")(_parking(function, park))
    async with trial(app) as running:
        submitted = await app.submit("trial", input)
        if point is not None and await park.reached():
            await running.lose_worker()
        operation = await _ended(running, submitted.id)
        if stale:
            park.wake()
            await park.first_ended(PATIENCE)
            operation = await _ended(running, submitted.id)
        observed = await _awaited(observe)
        result = _result(operation)
        park.end()
    return Outcome(name, operation.status.value, result, observed), park.points


async def _ended(running: Trial, id: str) -> Operation:
    operation = await running.service.get(id, None)
    operation = await running.service.wait(operation, None, PATIENCE, "end")
    assert operation.terminal, f"it has not ended after {PATIENCE:g} s"
    return operation


def _result(operation: Operation) -> Any:
    """What clients are given at the end: the value, what is in the artifact, or the problem."""
    if operation.error is not None:
        return {"problem": operation.error.slug, "detail": operation.error.detail}
    if operation.result is None:
        return None
    if (artifact := operation.result.artifact) is not None:
        return {"mediaType": artifact.media_type, "size": artifact.size, "sha256": artifact.digest}
    return msgspec.json.decode(operation.result.value)


def _difference(undisturbed: Outcome, outcome: Outcome) -> str:
    for what in ("status", "result", "observed"):
        before, after = getattr(undisturbed, what), getattr(outcome, what)
        if before != after:
            return f"{what} is {_short(after)}, undisturbed it is {_short(before)}"
    return ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


async def _awaited(look: Look | None) -> Any:
    found = look() if look is not None else None
    return await found if isinstance(found, Awaitable) else found


class _Dead(BaseException):
    """Ends the code of an attempt that is over; no `except Exception` of the function catches it."""


class _Park:
    """Where the first attempt stops for good, or until it is woken as a stale one."""

    def __init__(self, point: str | None) -> None:
        self.points: list[str] = []
        self._point = point
        self._first = threading.Lock()  # taken by the first attempt and never given back
        self._here = threading.Event()
        self._go = threading.Event()
        self._over = threading.Event()
        self._dead = False

    def enter(self) -> bool:
        """Whether this is the first attempt."""
        return self._first.acquire(blocking=False)

    def passes(self, point: str) -> bool:
        """Note a point; False for where to stop."""
        self.points.append(point)
        if point != self._point or self._here.is_set():
            return True
        self._here.set()
        return False

    def stand(self) -> None:
        """Stay here, in a thread. Raises `_Dead` when the trial is over."""
        self._go.wait()
        if self._dead:
            raise _Dead

    async def reached(self) -> bool:
        """Once the first attempt stands, or has come to its end without passing here (False)."""
        while not self._here.is_set() and not self._over.is_set():  # noqa: ASYNC110  (set in another thread)
            await asyncio.sleep(0.001)
        return self._here.is_set()

    def wake(self) -> None:
        self._go.set()

    def first_over(self) -> None:
        """The code of the first attempt has come to its end."""
        self._over.set()

    async def first_ended(self, patience: float) -> None:
        """Once the code of the first attempt has come to its end."""
        async with asyncio.timeout(patience):
            while not self._over.is_set():  # noqa: ASYNC110  (set in another thread)
                await asyncio.sleep(0.001)

    def end(self) -> None:
        """Nothing of it is observed any more: let go of what stands."""
        self._dead = True
        self._go.set()


def _parking(function: Callable[..., Any], park: _Park) -> Callable[..., Any]:
    """The same function, whose first attempt may be parked; its parameters are the same, so its input is too."""
    attempt_name = Registered("/trial", function).attempt_name

    @functools.wraps(function)
    async def coroutine(*arguments: Any, **named: Any) -> Any:
        if not park.enter():
            return await function(*arguments, **named)
        work = asyncio.ensure_future(_first(function, arguments, named, park, attempt_name))
        work.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody may be left to hear of it
        return await asyncio.shield(work)  # what asks this attempt to stop does not reach one that is dead

    @functools.wraps(function)
    def thread(*arguments: Any, **named: Any) -> Any:
        if not park.enter():
            return function(*arguments, **named)
        try:
            _watch(named.get(attempt_name or ""), park, in_thread=True)
            _stop(park, START)
            returned = function(*arguments, **named)
            _stop(park, END)
            return returned
        finally:
            park.first_over()

    return coroutine if inspect.iscoroutinefunction(function) else thread


async def _first(
    function: Callable[..., Any], arguments: Any, named: dict[str, Any], park: _Park, attempt_name: str | None
) -> Any:
    try:
        _watch(named.get(attempt_name or ""), park, in_thread=False)
        await _stop_async(park, START)
        returned = await function(*arguments, **named)
        await _stop_async(park, END)
        return returned
    finally:
        park.first_over()


def _watch(attempt: Attempt | None, park: _Park, *, in_thread: bool) -> None:
    """Put points around each checkpoint of this attempt."""
    if attempt is None:
        return
    store, number = attempt.checkpoint, 0

    async def awaited(value: Any, before: str, after: str) -> None:
        await _stop_async(park, before)
        await store(value)
        await _stop_async(park, after)

    def checkpoint(value: Any) -> Awaitable[None]:
        nonlocal number
        number += 1
        before, after = f"before checkpoint {number} was stored", f"after checkpoint {number}"
        if not in_thread:
            return awaited(value, before, after)
        _stop(park, before)
        store(value)
        _stop(park, after)
        return Done()

    attempt.checkpoint = checkpoint  # type: ignore[method-assign]  # the user's function holds this very attempt
    attempt.cancel = lambda: None  # type: ignore[method-assign]  # who is frozen does not hear that it was given up


def _stop(park: _Park, point: str) -> None:
    if not park.passes(point):
        park.stand()


async def _stop_async(park: _Park, point: str) -> None:
    if not park.passes(point):
        await asyncio.to_thread(park.stand)
