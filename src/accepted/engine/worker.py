"""The worker: claims when there is room, holds the lease on what it runs, passes on cancels, and hands back when it
has to stop.

The lease is one row for each worker. If it cannot be renewed in time, by this process's own monotonic clock, all user
code is stopped before anybody else may start it again (guarantee L6); the worker then begins anew under another id.
Every renewal also compares what the store says we hold with what we run, so nothing is held by mistake and no cancel
is missed, even with all hints lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import secrets
from collections.abc import Sequence

from ..contract.operation import Operation, Status
from ..contract.problem import Refusal, WorkerLost
from ..contract.transition import Claim, Claimed, Release, Renew, Renewed, Rescue, Resign
from ..settings import Settings
from ..store.protocol import Hint, Store, StoreUnavailable, hint_of
from .committer import Committer
from .execution import Lifespan, UserLoop
from .feed import Feed
from .registry import Registered, Registry
from .result import Limits
from .runner import Reason, Run, Shop

log = logging.getLogger("accepted.engine")

LOOK_INTERVAL = 1.0  # without any hint: guarantee E8
LAST_WORDS = 1.0  # seconds for the store to take what the ends of attempts have to say
BEYOND = 100  # how far to look behind suspects at the head of the queue
MARGIN = 0.1  # of the lease: what stopping user code may take


class Worker:
    """Runs operations of all registered types, at most `settings.slots` at once."""

    def __init__(
        self,
        store: Store,
        committer: Committer,
        feed: Feed,
        registry: Registry,
        settings: Settings,
        lifespan: Lifespan | None,
    ) -> None:
        self._store = store
        self._committer = committer
        self._registry = registry
        self._settings = settings
        self._user_loop = UserLoop(lifespan)
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wanted = asyncio.Event()
        self._draining = False
        self._look: asyncio.TimerHandle | None = None
        self._claiming: asyncio.Task[None] | None = None
        self._limits: dict[str, int] = {}
        self._types: tuple[str, ...] = ()
        registry.follow(self._learn)  # an operation may be registered after the start
        self.id = ""
        self._beyond = 0
        self._served = ""
        self._first_id = ""
        self._predecessors: tuple[str, ...] = ()
        self._looking: asyncio.Task[None] | None = None
        feed.follow_hints(self._on_hints)
        committer.follow_accepts(self._wanted.set)

    # --- life

    async def run(self) -> None:
        """Work until `drain`. Raises what the user's lifespan raises."""
        await self._user_loop.start()
        while not self._draining:
            try:
                await self._serve("" if self.id else self._first_id)
            except WorkerLost:  # a renewal was told so, or a claim before it
                self._lose()

    def succeed(self, id: str, predecessor: str) -> None:
        """Work under `id`, and take back at once what a worker held that is known to be dead. Both may be empty."""
        self._first_id, self._predecessors = id, tuple(predecessor.split(",")) if predecessor else ()

    def _learn(self, registered: Registered) -> None:
        self._types += (registered.name,)
        if registered.concurrency is not None:
            self._limits[registered.name] = registered.concurrency
        self._wanted.set()

    async def drain(self, timeout: float) -> None:
        """Take nothing new; let what runs end, then ask it to stop and hand it back, all within `timeout` seconds
        (guarantee D6).
        """
        self._draining = True
        self._wanted.set()
        if self._claiming is not None:  # what it is about to be given has to be handed back too
            await asyncio.wait({self._claiming}, timeout=max(timeout * 0.1, LAST_WORDS))
        await self._ended(timeout * 0.5)
        for run in list(self._runs.values()):
            run.stop(Reason.HANDED_BACK)
        await self._ended(timeout * 0.3)
        for run in list(self._runs.values()):
            run.stop(Reason.HANDED_BACK)  # one may have been claimed since
            run.abandon()
        await self._ended(max(timeout * 0.1, LAST_WORDS))  # what is not handed back now will be charged as a crash
        with contextlib.suppress(Refusal):
            await self._committer.commit(Resign(self.id))
        for task in self._tasks:
            task.cancel()  # the store has not taken their end so far; by now the operation is somebody else's
        await self._user_loop.stop()

    async def dismiss(self) -> None:
        """There is no work after all: it has never run."""
        await self._user_loop.stop()

    async def abandon(self) -> None:
        """Hand back what is held though nothing of this worker runs any more, by way of the store itself."""
        await self._user_loop.stop()
        (renewed,) = (await self._store.commit([Renew(self.id, self._ttl_ms())])).outcomes
        held = renewed.held if isinstance(renewed, Renewed) else ()
        releases = [Release(operation_id=o.id, worker=self.id, attempt=o.attempt) for o in held]
        await self._store.commit([*releases, Resign(self.id)])

    async def _ended(self, timeout: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    async def _serve(self, id: str) -> None:
        """From one registration to the loss of its lease."""
        self.id = id or secrets.token_hex(16)
        self._shop = Shop(
            worker=self.id,
            committer=self._committer,
            user_loop=self._user_loop,
            limits=Limits(self._settings.result_limit, self._settings.artifact_limit),
            log_limit=self._settings.log_limit,
            room_made=self._wanted.set,
        )
        await self._register()
        self._wanted.set()
        holding = asyncio.create_task(self._hold())
        claiming = self._claiming = asyncio.create_task(self._claim())
        try:
            done, _ = await asyncio.wait({holding, claiming}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if self._draining:
                await holding  # the lease has to last until all is handed back
        finally:
            claiming.cancel()
            holding.cancel()

    # --- the lease

    async def _register(self) -> None:
        about = {"host": platform.node(), "pid": os.getpid(), "types": list(self._types), "slots": self._settings.slots}
        while True:
            try:
                self._renewed_at = asyncio.get_running_loop().time()
                if self._predecessors:
                    for dead in self._predecessors:
                        await self._committer.commit(Resign(dead))
                    await self._committer.commit(Rescue(self._settings.max_crashes))
                await self._committer.commit(Renew(self.id, self._ttl_ms(), True, about))
                return
            except Refusal as error:
                log.warning("cannot register this worker: %s", error)
                await asyncio.sleep(LOOK_INTERVAL)

    async def _hold(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            lost_at = self._renewed_at + self._settings.lease_ttl * (1 - MARGIN)
            await asyncio.sleep(max(self._renewed_at + self._settings.lease_ttl / 3 - loop.time(), 0.02))
            started = loop.time()
            try:
                async with asyncio.timeout_at(lost_at):
                    renewed: Renewed = await self._committer.commit(Renew(self.id, self._ttl_ms()))
            except (WorkerLost, TimeoutError):
                raise WorkerLost from None
            except Refusal as error:
                log.warning("cannot renew the lease: %s", error)
                continue
            self._renewed_at = started
            self._reconcile(renewed.held, started)

    def _lose(self) -> None:
        log.error("worker %s lost its lease: stopping what it runs", self.id)
        for run in list(self._runs.values()):
            run.stop(Reason.LOST)

    def _reconcile(self, held: Sequence[Operation], asked_at: float) -> None:
        ours = {operation.id: operation for operation in held}
        for id, run in list(self._runs.items()):
            operation = ours.get(id)
            if operation is None and run.started_at < asked_at:
                run.stop(Reason.LOST)
            elif operation is not None and operation.cancellation is not None:
                run.stop(Reason.CANCELLED)
        for id, operation in ours.items():
            if id not in self._runs and operation.cancellation is None:  # the answer to a claim was lost on its way
                release = Release(operation_id=id, worker=self.id, attempt=operation.attempt)
                self._committer.commit(release).add_done_callback(lambda future: future.exception())

    def _ttl_ms(self) -> int:
        return round(self._settings.lease_ttl * 1000)

    # --- claims

    async def _claim(self) -> None:
        while not self._draining:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_INTERVAL):
                    await self._wanted.wait()
            self._wanted.clear()
            room = self._settings.slots - sum(not run.concluded for run in self._runs.values())
            if room > 0 and self._types and not self._draining:
                await self._claim_up_to(room)

    async def _claim_up_to(self, room: int) -> None:
        try:
            claimed: Claimed = await self._committer.commit(self._claim_for(room))
        except WorkerLost:
            raise
        except Refusal:
            await asyncio.sleep(0.1)  # the store is not usable now; the log says so
            return
        for operation in claimed.operations:
            self._served = operation.owner
            self._start(operation)
        beyond, self._beyond = self._beyond, BEYOND if claimed.passed_over else 0
        if len(claimed.operations) == room or self._beyond > beyond:
            self._wanted.set()
        elif claimed.next_due is not None:
            self._look_at(claimed.next_due, (await self._store.now()).wall)

    def _claim_for(self, room: int) -> Claim:
        """Of operations that the next crash would end, one at a time: the innocent must not die with the guilty."""
        last_chance = max(self._settings.max_crashes - 1, 1)
        suspected = any(run.operation.crashes > last_chance for run in self._runs.values() if not run.concluded)
        suspects = 0 if suspected else 1
        return Claim(self.id, self._types, room, self._limits, last_chance, suspects, self._beyond, self._served)

    def _look_at(self, due_at: int, now: int) -> None:
        if self._look is not None:
            self._look.cancel()  # each claim hears of the next date anew; one timer is enough
        self._look = asyncio.get_running_loop().call_later(max(due_at - now, 1) / 1000, self._wanted.set)

    def _start(self, operation: Operation) -> None:
        registered = self._registry.named(operation.type)
        assert registered is not None  # we only claim what we know
        run = Run(self._committer.work(operation.id), registered, self._shop)
        self._runs[operation.id] = run
        if run.operation.cancellation is not None:  # asked for in the very commit of the claim
            run.stop(Reason.CANCELLED)
        task = asyncio.get_running_loop().create_task(run.run())
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._finished(run, task))

    def _finished(self, run: Run, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._runs.get(run.operation.id) is run:
            del self._runs[run.operation.id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s could not be ended", run.operation.id, exc_info=error)

    # --- news

    def _on_hints(self, hints: Sequence[Hint] | None) -> None:
        if hints is None:
            self._wanted.set()
            if self._runs and self._looking is None:
                self._looking = asyncio.get_running_loop().create_task(self._look_after())
            return
        for hint in hints:
            run = self._runs.get(hint.operation_id)
            if run is not None and not run.concluded:
                self._tell(run, hint)
            elif hint.status is Status.PENDING and hint.type in self._types:
                self._wanted.set()
            elif hint.type in self._limits and hint.status is not Status.PROCESSING:
                self._wanted.set()  # one less of a type that is limited over all workers

    def _tell(self, run: Run, hint: Hint) -> None:
        if hint.attempt < run.operation.attempt:
            return  # old news: what another process said of it before we claimed may arrive after
        if hint.worker != self.id:
            run.stop(Reason.LOST)
        elif hint.cancelling:
            run.stop(Reason.CANCELLED)

    async def _look_after(self) -> None:
        """Something may have changed without our being told: read what we run (guarantee E8)."""
        try:
            for run in list(self._runs.values()):
                operation = await self._store.operation(run.operation.id)
                if isinstance(operation, Operation) and not run.concluded:
                    self._tell(run, hint_of(operation))
        except StoreUnavailable:
            pass  # the next look, or the next renewal, will tell
        finally:
            self._looking = None
