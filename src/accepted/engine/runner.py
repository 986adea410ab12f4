"""One attempt, as a pipeline: prepare, perform, conclude, commit. Each way in which user code can end is one clause
of `conclude`.

Reports that the function makes are collected at most ten times a second (guarantee P3) and the last of them rides
with the transition that ends the attempt. A commit that the store cannot take now is tried again for as long as the
lease lasts; what is refused as stale is dropped, because somebody else holds the operation (guarantee L2).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import Future as ThreadFuture
from enum import Enum
from typing import Any

import msgspec

from ..contract.operation import Operation, Result
from ..contract.problem import (
    OPERATION_PROBLEMS,
    Failure,
    InvalidRequest,
    OutcomeUnknown,
    Overloaded,
    Problem,
    Refusal,
    StaleAttempt,
    StorageFull,
)
from ..contract.transition import NOTHING, Advance, Complete, Fail, Held, Keep, Release, Report, Stop
from ..store.protocol import Work
from .attempt import Attempt, Cancelled, Done, clean
from .committer import Committer
from .execution import CoroutineExecution, Execution, Job, ThreadExecution, UserLoop
from .isolation import ChildFailed, ProcessDied, ProcessExecution
from .mailbox import Mailbox
from .registry import Kind, Registered
from .result import InvalidResult, Limits, ResultTooLarge

log = logging.getLogger("accepted.engine")

FLUSH_INTERVAL = 0.1
RETRY_PAUSE = 0.2
NOT_NOW = (Overloaded, StorageFull, OutcomeUnknown)  # what may well work when it is tried again


class Reason(Enum):
    """Why an attempt was asked to stop."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    HANDED_BACK = "handed back"
    LOST = "lost"


_OVERRULED = {(Reason.CANCELLED, Reason.TIMED_OUT), (Reason.CANCELLED, Reason.HANDED_BACK)}


class Abandoned(Exception):
    """The function did not stop when it had to, and is no longer waited for."""


class Shop:
    """What every run of this worker shares."""

    def __init__(
        self,
        *,
        worker: str,
        committer: Committer,
        user_loop: UserLoop,
        limits: Limits,
        log_limit: int,
        room_made: Callable[[], None],
    ) -> None:
        self.worker = worker
        self.room_made = room_made
        self.committer = committer
        self.user_loop = user_loop
        self.limits = limits
        self.log_limit = log_limit
        self.loop = asyncio.get_running_loop()
        self.mailbox = Mailbox(self.loop)


class Run:
    """One attempt on this worker, from its claim to its end."""

    def __init__(self, work: Work, registered: Registered, shop: Shop) -> None:
        self.operation = work.operation
        self.registered = registered
        self.reason: Reason | None = None
        self.concluded = False
        self.started_at = shop.loop.time()
        self._shop = shop
        self._ended: asyncio.Future[Result | BaseException] = shop.loop.create_future()
        raises = registered.kind is not Kind.COROUTINE
        limits = {"log_limit": shop.log_limit, "value_limit": shop.limits.value}
        self.attempt = Attempt(work.operation, work.checkpoint, self, **limits, raises=raises)
        self._job = Job(registered, work.operation, work.input, self.attempt, shop.limits, self._keep)
        self._checkpoint_before = work.checkpoint
        self._execution: Execution | None = None
        self._flush: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Future[Operation] | None = None
        self._flushed_at = -FLUSH_INTERVAL

    async def run(self) -> None:
        """The whole pipeline. Raises nothing that user code has raised."""
        if self.reason is None:
            self._execution = self._start()
        else:
            self._end(asyncio.CancelledError())  # it was asked to stop before it had begun
        timer = self._limit()
        try:
            done = await self._ended
        finally:
            for handle in (timer, self._flush):
                if handle is not None:
                    handle.cancel()
        if self._flushing is not None:
            await asyncio.wait({self._flushing})  # should it fail, the last transition takes its report along
        self.concluded = True
        self._shop.room_made()  # before the commit, so that the next claim rides in it
        transition = self._concluded(done)
        try:
            if transition is not None:
                await self._commit(transition)
        finally:
            if self._execution is not None:
                await self._execution.end()

    # --- asked from outside

    def stop(self, reason: Reason) -> None:
        """Ask the function to stop.

        A later reason counts only if it is a cancel, whose end the caller settles, or that the lease is lost: then
        nothing may be written.
        """
        if self.concluded or self._ended.done():
            return
        if self.reason is None or reason is Reason.LOST or (reason, self.reason) in _OVERRULED:
            self.reason = reason
        self.attempt.cancel()
        if self._execution is not None:
            self._execution.cancel()
        if reason is Reason.LOST:
            self.abandon()
        elif reason is Reason.TIMED_OUT:
            self._shop.loop.call_later(self.registered.cancel_grace, self.abandon)

    def abandon(self) -> None:
        """Wait for the function no longer."""
        if not self._ended.done():
            self._ended.set_result(Abandoned())

    # --- the steps

    def _start(self) -> Execution:
        match self.registered.kind:
            case Kind.COROUTINE:
                return CoroutineExecution(self._job, self._shop.user_loop, self._post_end)
            case Kind.THREAD:
                return ThreadExecution(self._job, self._post_end)
            case Kind.PROCESS:
                return ProcessExecution(self._job, self._checkpoint_before, self._end)

    def _limit(self) -> asyncio.TimerHandle | None:
        if self.registered.timeout is None:
            return None
        return self._shop.loop.call_later(self.registered.timeout, self.stop, Reason.TIMED_OUT)

    def _post_end(self, done: Result | BaseException) -> None:
        self._shop.mailbox.post(self._end, done)

    def _end(self, done: Result | BaseException) -> None:
        if not self._ended.done():
            self._ended.set_result(done)

    def _concluded(self, done: Result | BaseException) -> Held | None:
        try:
            return self.conclude(done)
        except Exception as error:  # an exception or a report that is no proper one must not be run for ever
            log.error("%s has ended in a way that makes no sense", self.operation.id, exc_info=error)
            return self._fail(_problem("operation-failed", describe(error)))

    def conclude(self, done: Result | BaseException) -> Held | None:  # noqa: C901  (one clause for each way to end)
        """What the end of the function means for the operation."""
        match self.reason, done:
            case Reason.LOST, _:
                return None
            case _, Result() as result:
                return Complete(**self._held(), result=result)
            case Reason.CANCELLED, Abandoned():
                return None  # the grace is over: whoever asked settles it
            case Reason.CANCELLED, _:
                return Stop(**self._held())
            case Reason.TIMED_OUT, _:
                return self._fail(_timed_out(self.registered.timeout or 0))
            case Reason.HANDED_BACK, _:
                return Release(**self._held())
            case _, Failure() as failure:
                return self._fail(failure.problem)
            case _, InvalidRequest() as refusal:
                members = {"errors": refusal.members.get("errors", [])}
                return self._fail(_problem("invalid-input", refusal.detail, members=members))
            case _, InvalidResult() as error:
                return self._fail(_problem("invalid-result", str(error)))
            case _, ResultTooLarge() as error:
                return self._fail(_problem("result-too-large", str(error)))
            case _, (ProcessDied() | ChildFailed()) as error:
                return self._fail(_problem("operation-failed", str(error), retryable=self.registered.attempts > 1))
            case _, error:
                log.warning("%s failed", self.operation.id, exc_info=error)  # the traceback stays on this side
                detail = describe(error)
                return self._fail(_problem("operation-failed", detail, retryable=self.registered.attempts > 1))

    def _fail(self, problem: Problem) -> Fail:
        failures = self.operation.failures + 1
        delay = self.registered.backoff.delay(failures, random.random(), problem.retry_after)
        delay_ms = round(delay * 1000)
        return Fail(**self._held(), problem=_cleaned(problem), attempts=self.registered.attempts, delay=delay_ms)

    def _held(self, report: Report | None = None) -> dict[str, Any]:
        return {
            "operation_id": self.operation.id,
            "worker": self._shop.worker,
            "attempt": self.operation.attempt,
            "report": self.attempt.take() if report is None else report,
        }

    async def _commit(self, transition: Held) -> None:
        bare: Held | None = None
        while True:
            try:
                await self._shop.committer.commit(transition)
                return
            except StaleAttempt:
                log.warning(
                    "%s attempt %s came too late: %s", self.operation.id, self.operation.attempt, self.registered.name
                )
                return
            except Refusal:  # the store cannot take it now; the work is done and must not be lost for that
                if self.reason is Reason.LOST:
                    return
                await asyncio.sleep(RETRY_PAUSE)
            except Exception:
                if transition is bare:
                    raise
                problem = _problem("invalid-result", "What it returned or reported could not be stored.")
                transition = bare = Fail(**self._held(NOTHING), problem=problem)

    # --- Sink: what the attempt reports

    def wake(self) -> None:
        self._shop.mailbox.post(self._flush_soon)

    def _flush_soon(self) -> None:
        if self._flush is None and not self.concluded:
            wait = self._flushed_at + FLUSH_INTERVAL - self._shop.loop.time()
            self._flush = self._shop.loop.call_later(max(wait, 0), self._flush_now)

    def _flush_now(self) -> None:
        self._flush = None
        if self.concluded or self._ended.done():
            return
        self._flushed_at = self._shop.loop.time()
        report = self.attempt.take()
        if report != NOTHING:
            self._flushing = self._shop.committer.commit(Advance(**self._held(report)))
            self._flushing.add_done_callback(lambda future: self._flushed(future, report))

    def _flushed(self, future: asyncio.Future[Operation], report: Report) -> None:
        self._flushing = None
        error = None if future.cancelled() else future.exception()
        if isinstance(error, StaleAttempt):
            self.stop(Reason.LOST)
        elif isinstance(error, NOT_NOW):
            self.attempt.restore(report)

    def checkpoint(self, value: bytes) -> Awaitable[None]:
        return self._durably(Advance(**self._held(Report(checkpoint=value))))

    def _keep(self, number: int, data: bytes) -> Awaitable[None]:
        return self._durably(Keep(**self._held(NOTHING), number=number, data=data))

    def _durably(self, transition: Held) -> Awaitable[None]:
        """Commit from the function's side: awaited on a loop, already done on return in a thread."""
        committed: ThreadFuture[None] = ThreadFuture()
        self._shop.mailbox.post(self._commit_for, transition, committed)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            committed.result()
            return Done()
        return asyncio.wrap_future(committed, loop=loop)

    def _commit_for(self, transition: Held, committed: ThreadFuture[None]) -> None:
        def pass_on(future: asyncio.Future[Operation]) -> None:
            error = future.exception()
            if isinstance(error, NOT_NOW) and self.reason is not Reason.LOST and not committed.cancelled():
                self._shop.loop.call_later(RETRY_PAUSE, self._commit_for, transition, committed)
                return
            if not committed.set_running_or_notify_cancel():
                return  # who asked was cancelled meanwhile
            if isinstance(error, StaleAttempt):
                self.stop(Reason.LOST)
                error = Cancelled(f"operation {self.operation.id} is no longer held by this attempt")
            if error is None:
                committed.set_result(None)
            else:
                committed.set_exception(error)

        self._shop.committer.commit(transition).add_done_callback(pass_on)


def describe(error: BaseException) -> str:
    """An exception for the operation's owner: its class and message, no traceback, at most 500 characters."""
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be shown)"
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return "".join(c if c.isprintable() else " " for c in clean(text))[:500]


def _problem(slug: str, detail: str, *, retryable: bool = False, members: dict[str, Any] | None = None) -> Problem:
    title = OPERATION_PROBLEMS[slug][0]
    return Problem(slug=slug, title=title, status=500, detail=detail, retryable=retryable, members=members or {})


def _timed_out(limit: float) -> Problem:
    return _problem("operation-timed-out", f"The attempt ran longer than {limit:g} s.", retryable=True)


def _cleaned(problem: Problem) -> Problem:
    """Text of users may hold what JSON cannot; members that cannot be written are left out."""
    for members in (problem.members, {}):
        with contextlib.suppress(Exception):
            texts = {"slug": clean(problem.slug), "title": clean(problem.title), "detail": clean(problem.detail)}
            written = msgspec.json.encode(msgspec.structs.replace(problem, **texts, members=members))
            return msgspec.json.decode(written, type=Problem)
    return _problem("operation-failed", "What the function said of its failure cannot be shown.")
