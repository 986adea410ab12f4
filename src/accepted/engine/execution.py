"""Where users' functions run: on a loop of their own, in a thread, or in a child process (house, section 5).

None of these is the engine's loop. So a coroutine that calls `time.sleep`, or computes for a minute, holds up other
coroutines of users, but neither HTTP nor a lease (guarantee L7). An execution is started, may be asked to stop, and
ends once: with a `Result` or with the exception that came out of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import Future as ThreadFuture
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, Protocol

import msgspec

from ..contract.operation import Operation, Result
from .attempt import Attempt
from .mailbox import Mailbox
from .registry import Registered
from .result import Keep, Limits, store

log = logging.getLogger("accepted.engine")

LEAVE = 0.5  # seconds that what functions have left behind may take to end

current: ContextVar[Attempt | None] = ContextVar("accepted_attempt", default=None)
"""The attempt whose function is running here; log records made inside go to its log."""

Ended = Callable[[Result | BaseException], None]
Lifespan = Callable[[], AbstractAsyncContextManager[Any]]


class Job(msgspec.Struct, frozen=True):
    """All that it takes to run one attempt."""

    registered: Registered
    operation: Operation
    input: bytes
    attempt: Attempt
    limits: Limits
    keep: Keep


class Execution(Protocol):
    """One run of a function."""

    def cancel(self) -> None:
        """Ask it to stop, in the way of its kind; may be called again."""

    async def end(self) -> None:
        """It is no longer waited for: end what can be ended by force, which is a process and nothing else."""


async def perform(job: Job) -> Result:
    """Read the input, call the function, store what it returns."""
    returned = job.registered.function(**arguments(job))
    if isinstance(returned, Awaitable):
        returned = await returned
    return await store(returned, job.operation, job.registered, job.limits, job.keep)


def arguments(job: Job) -> dict[str, Any]:
    """The function's arguments. Raises `InvalidRequest` for an input that no longer fits."""
    found: dict[str, Any] = {}
    if job.registered.input_name is not None:
        found[job.registered.input_name] = job.registered.input.read(job.input)
    if job.registered.attempt_name is not None:
        found[job.registered.attempt_name] = job.attempt
    return found


def drive(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that never really waits, without a loop: `perform` in a thread, where all it awaits is done
    on return.
    """
    try:
        while True:
            coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result


class UserLoop:
    """An event loop in a thread of its own for users' coroutines, inside of the user's `lifespan` where there is
    one.
    """

    def __init__(self, lifespan: Lifespan | None = None) -> None:
        self._lifespan = lifespan
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()  # here, so that a stop during the start is not lost
        self._started: ThreadFuture[None] = ThreadFuture()
        self._thread = threading.Thread(target=self._run, name="accepted-functions", daemon=True)
        self.mailbox = Mailbox(self._loop)

    async def start(self) -> None:
        """Raises what the user's lifespan raises."""
        self._thread.start()
        await asyncio.shield(asyncio.wrap_future(self._started))  # the thread sets it, whoever waits

    async def stop(self) -> None:
        """End the lifespan and the loop; a coroutine that does not let go is left behind in its daemon thread."""
        if self._thread.is_alive():
            self.mailbox.post(self._stop.set)
            await asyncio.to_thread(self._thread.join, 1.0)
        elif self._thread.ident is None:
            self._loop.close()  # it was never begun

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        living = self._loop.create_task(self._live())
        try:
            while not living.done():
                self._go_on(living)
            living.result()
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
                return
            raise
        finally:
            if left := asyncio.all_tasks(self._loop):
                self._loop.run_until_complete(_cancelled(left))
            self._loop.close()

    def _go_on(self, living: asyncio.Task[None]) -> None:
        """Run; asyncio leaves the loop when any task raises SystemExit or KeyboardInterrupt, but it is not that task's
        to end.
        """
        try:
            self._loop.run_until_complete(living)
        except (SystemExit, KeyboardInterrupt) as error:
            if not living.done():
                log.error("a task of a function raised %s", type(error).__name__)
        except Exception:
            return  # `living` has ended with it, and says so

    async def _live(self) -> None:
        async with self._lifespan() if self._lifespan is not None else _nothing():
            self._started.set_result(None)
            await self._stop.wait()


async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=LEAVE)


@contextlib.asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


class CoroutineExecution:
    """A coroutine on the `UserLoop`; it is stopped by CancelledError."""

    def __init__(self, job: Job, loop: UserLoop, ended: Ended) -> None:
        self._job = job
        self._loop = loop
        self._ended = ended
        self._task: asyncio.Task[Result | BaseException] | None = None
        self._cancelled = False
        loop.mailbox.post_in_turn(self._start)

    async def end(self) -> None:
        """Nothing in Python ends a coroutine or a thread that does not want to."""

    def cancel(self) -> None:
        self._cancelled = True
        self._loop.mailbox.post_in_turn(self._cancel)

    def _start(self) -> None:
        if self._cancelled:
            self._ended(asyncio.CancelledError())
            return
        self._task = asyncio.get_running_loop().create_task(self._perform())
        self._task.add_done_callback(self._conclude)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _conclude(self, task: asyncio.Task[Result | BaseException]) -> None:
        self._ended(asyncio.CancelledError() if task.cancelled() else task.result())  # cancelled before its first step

    async def _perform(self) -> Result | BaseException:
        current.set(self._job.attempt)
        try:
            return await perform(self._job)
        except BaseException as error:  # SystemExit of a function must not end the loop of all
            return error


class ThreadExecution:
    """A plain function in a thread of its own; it is stopped by what its reporting calls raise."""

    def __init__(self, job: Job, ended: Ended) -> None:
        self._job = job
        self._ended = ended
        threading.Thread(target=self._run, name=f"accepted-{job.operation.id}", daemon=True).start()

    async def end(self) -> None:
        """Nothing in Python ends a coroutine or a thread that does not want to."""

    def cancel(self) -> None:
        self._job.attempt.cancel()

    def _run(self) -> None:
        current.set(self._job.attempt)
        try:
            done: Result | BaseException = drive(perform(self._job))
        except BaseException as error:
            done = error
        self._ended(done)


class LogCapture(logging.Handler):
    """Brings records of the `logging` module that a function makes into the operation's log."""

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "captured"):
            return  # several nodes of one process hear the same record
        record.captured = True
        attempt = current.get()
        if attempt is not None and not record.name.startswith("accepted."):
            with contextlib.suppress(Exception):
                attempt.capture(record.getMessage(), record.levelname)
        if (last := logging.lastResort) is not None and record.levelno >= last.level and _unheard(record):
            last.handle(record)


def _unheard(record: logging.LogRecord) -> bool:
    """Whether nobody but us takes it: then our being there has switched off Python's last resort."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        if any(not isinstance(handler, LogCapture) for handler in logger.handlers):
            return False
        logger = logger.parent if logger.propagate else None
    return True
