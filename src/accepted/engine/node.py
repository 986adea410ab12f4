"""A node: the engine of one process, put together, started and stopped.

Order matters only at the end: first nobody new is let in and those who wait are told, then the worker hands back what
it holds, then the committer finishes what waits, and last the store is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from ..settings import Settings
from ..store.clock import Clock
from ..store.protocol import Store, StoreUnavailable
from . import journal
from .admission import Admission
from .census import Census
from .committer import Committer
from .delivery import Deliverer
from .estimate import Estimator
from .execution import Lifespan, LogCapture
from .feed import Feed
from .keyring import Keyring
from .metrics import Metrics
from .overview import Overview
from .registry import Registry
from .relay import Relay
from .sweeper import Sweeper
from .vault import Vault
from .worker import Worker

log = logging.getLogger("accepted.engine")


class Node:
    """Committer, feed, sweeper and deliverer, and a worker where `working`, on one store."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        settings: Settings,
        *,
        working: bool,
        clock: Clock | None = None,
        lifespan: Lifespan | None = None,
    ) -> None:
        self.store = store
        self.settings = settings
        self.registry = registry
        self.feed = Feed(store)
        self.clock = clock or Clock()
        self.relay = Relay(store, self.feed, self.clock)
        self.metrics = Metrics(store)
        self.keyring = Keyring(store, self.clock)
        self.committer = Committer(store, self.feed, queue_limit=settings.queue_limit)
        self.census = Census(self.committer, self.clock)
        self.overview = Overview(store, self.feed, self.clock)
        self.estimator = Estimator(store, settings.poll_minimum)
        self.admission = Admission(store, settings, self.estimator, self.clock)
        self.vault = Vault(settings.secret_keys)
        self.failed = asyncio.Event()
        self.draining = False
        self.sweeper = Sweeper(self.committer, settings, self.clock)
        self.worker = Worker(store, self.committer, self.feed, registry, settings, lifespan) if working else None
        self.deliverer = Deliverer(store, self.committer, self.feed, settings, clock or Clock())
        self._tasks: list[asyncio.Task[None]] = []
        self._capture = LogCapture()
        self.feed.follow_commits(self.metrics.on_commit)
        self.feed.follow_commits(self.census.on_commit)
        self.feed.follow_alarms(self.metrics.on_alarm)
        self.feed.follow_commits(journal.on_commit)

    @property
    def working(self) -> bool:
        """Whether operations run in this process."""
        return self.worker is not None

    async def start(self) -> None:
        """Open the store and begin. Raises `StoreUnavailable`."""
        try:
            await self.store.open()
            try:
                await self.keyring.look()  # before the first request: whoever knows no keys would let everybody in
            except BaseException:
                await self.store.close()
                raise
        except BaseException:
            if self.worker is not None:
                await self.worker.dismiss()
            raise
        self._committing = self._supervised(self.committer.run(), "committer")
        self._tasks = [self._supervised(self.feed.run(), "feed"), self._supervised(self.sweeper.run(), "sweeper")]
        self._tasks.append(self._supervised(self.relay.run(), "relay"))
        self._tasks.append(self._supervised(self.deliverer.run(), "deliverer"))
        self._tasks.append(self._supervised(self.census.run(), "census"))
        self._tasks.append(self._supervised(self.overview.run(), "overview"))
        self._tasks.append(self._supervised(self.keyring.run(), "keyring"))
        if self.worker is not None:
            logging.getLogger().addHandler(self._capture)
            self._tasks.append(self._supervised(self.worker.run(), "worker"))

    def drain(self) -> None:
        """Let nobody new in, and tell those who wait."""
        self.draining = True
        self.feed.end()

    async def stop(self) -> None:
        """End in good order within `drain_timeout` and a little."""
        self.drain()
        delivering = asyncio.create_task(self.deliverer.drain(self.settings.drain_timeout))
        if self.worker is not None:
            logging.getLogger().removeHandler(self._capture)
            await self.worker.drain(self.settings.drain_timeout)
        await delivering
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.census.write()
        self.committer.stop()
        with contextlib.suppress(Exception):
            await self._committing
        await self.store.close()

    async def abandon(self) -> None:
        """Clear up after a loop that has ended under this node: hand back what it held, and close the store."""
        if self.worker is not None:
            logging.getLogger().removeHandler(self._capture)
            with contextlib.suppress(StoreUnavailable):
                await self.worker.abandon()
        self.deliverer.sender.close()
        await self.store.close()

    def _supervised(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"accepted-{name}")
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """No part of a node ends by itself; one that does takes the node's health with it rather than limp on in
        silence.
        """
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("the %s has failed", task.get_name(), exc_info=error)
            self.failed.set()
