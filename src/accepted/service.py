"""The one door: every face (HTTP, in-process, the command line) enters here.

It knows who may see what (ownership), when to say no (admission), and how to wait. It never decides what happens to
an operation: that is the lifecycle's, inside of the store's transaction.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Literal

from .contract.caller import Caller
from .contract.delivery import Delivery
from .contract.event import Event
from .contract.ledger import Tombstone, resource_name
from .contract.operation import SUCCEEDED, Artifact, LogLine, Now, Operation, Result, Status, operation_id
from .contract.problem import (
    NoResult,
    OperationExpired,
    OperationNotFound,
    Overloaded,
    Refusal,
    ResultNotReady,
    StaleAttempt,
)
from .contract.statistic import Snapshot
from .contract.traffic import QuotaExceeded
from .contract.transition import Accept, Accepted, Cancel, Key, Redeliver, Retried, Retry, Settle
from .contract.webhook import Registration, Webhook, webhook
from .contract.wire import NO_ADVICE, Advice, timestamp
from .engine.follower import Follower, Position
from .engine.node import Node
from .engine.overview import Watcher
from .engine.registry import Registered
from .engine.result import CHUNK
from .store.protocol import Selection

Until = Literal["change", "end"]

_ENTROPY = struct.Struct("!HQ")
LOOK_UP_PATIENCE = 2.0  # seconds for the name server, while a submit waits


class Ids:
    """Ids that grow, also within one millisecond and when the wall clock is set back: who submits first comes first.

    Random bits are drawn by the page: each draw is a system call that gives up the interpreter lock.
    """

    def __init__(self) -> None:
        self._pool: Iterator[tuple[int, int]] = iter(())
        self._at = 0
        self._last = 0

    def next(self, at: int) -> str:
        """An id for an operation that is made at `at` (ms); RFC 9562, section 6.2, method 2."""
        fresh = self._bits()
        if at > self._at:
            self._at, self._last = at, fresh
        else:
            self._last += 1 + (fresh >> 34)
            if self._last >> 74:
                self._at, self._last = self._at + 1, fresh
        return operation_id(self._at, self._last)

    def _bits(self) -> int:
        """74 random bits; each is given once."""
        for high, low in self._pool:
            return high << 64 | low
        self._pool = ((high & 1023, low) for high, low in _ENTROPY.iter_unpack(os.urandom(2560)))
        return self._bits()


class Service:
    """What can be asked of a node. `owner` is who asks; None sees everything."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._store = node.store
        self._ids = Ids()
        self._commit = node.committer.commit
        self._advice = node.estimator.advice
        self._admission = node.admission

    # --- submit

    async def submit(
        self,
        registered: Registered,
        body: bytes,
        *,
        owner: str,
        key: Key | None = None,
        trace: str | None = None,
        webhook: Registration | None = None,
    ) -> Accepted:
        """Store a new operation, durably, or find the one that this key has made.

        Raises `Refusal`; then nothing is stored.
        """
        try:
            return await self._accept(registered, body, owner, key, trace, webhook)
        except Refusal as refusal:
            self._node.metrics.refused(registered.name, refusal.slug)
            raise

    async def _accept(
        self,
        registered: Registered,
        body: bytes,
        owner: str,
        key: Key | None,
        trace: str | None,
        webhook: Registration | None,
    ) -> Accepted:
        self.check_open()
        input = registered.input.read(body)
        await self._admission.check_depth()
        accept = Accept(
            id=self._ids.next((await self._store.now()).wall),
            type=registered.name,
            owner=owner,
            input=body,
            retention=round(registered.retention * 1000),
            cancel_grace=round(registered.cancel_grace * 1000),
            progress=registered.progress,
            key=key,
            trace=trace,
            webhook=self._node.vault.sealed(webhook) if webhook is not None else None,
            share=self._admission.share(owner),
            priority=registered.priority_of(input),
            group=registered.group_of(input, owner),
        )
        try:
            accepted: Accepted = await self._commit(accept)
        except OperationExpired as expired:
            await self.get(expired.members["operationId"], owner)  # knows since when, and says so
            raise
        except QuotaExceeded as refused:
            raise await self._admission.told(refused, registered.name) from None
        return accepted

    # --- look

    async def get(self, id: str, owner: str | None) -> Operation:
        """The operation. Raises `OperationNotFound`, also for somebody else's, or `OperationExpired`."""
        found = await self._store.operation(id, owner)
        if found is None or (owner is not None and found.owner != owner):
            raise OperationNotFound
        if isinstance(found, Tombstone):
            raise _expired(found.expired_at)
        over = found.expired((await self._store.now()).wall)
        if over and self._node.sweeper.dates_hold():  # a wrong date makes nothing expire early (guarantee T1)
            raise _expired(found.expires_at or 0)  # the sweeper has not come by yet; the promise holds all the same
        return found

    async def advice(self, operation: Operation) -> Advice:
        """What to tell about it beside the record."""
        if operation.terminal:
            return NO_ADVICE
        return await self._advice(operation, await self._store.now())

    async def wait(self, operation: Operation, owner: str | None, timeout: float, until: Until) -> Operation:
        """The operation as soon as it has changed or ended, or as it is when `timeout` seconds are over or the
        server stops.
        """
        feed = self._node.feed
        version = operation.version
        try:
            async with asyncio.timeout(timeout):
                with feed.watch(operation.id) as watch:
                    while not feed.ending.is_set():
                        watch.changed.clear()  # before reading, or news that come while it is read are lost
                        operation = await self.get(operation.id, owner)
                        if operation.terminal or (until == "change" and operation.version != version):
                            break
                        await watch.changed.wait()
        except TimeoutError:  # perhaps in the middle of a look
            operation = await self.get(operation.id, owner)
        return operation

    # --- change

    async def cancel(self, id: str, owner: str | None, reason: str | None) -> Operation:
        """CANCELLED when this returns.

        Raises `OperationNotCancellable` where it ended otherwise (contract, section 5).
        """
        await self.get(id, owner)
        operation: Operation = await self._commit(Cancel(id, reason))
        if operation.terminal:
            return operation
        operation = await self.wait(operation, owner, operation.cancel_grace / 1000, "end")
        while not operation.terminal:
            operation = await self._settled(operation, owner)
        if operation.status is not Status.CANCELLED:
            operation = await self._commit(Cancel(id, reason))  # refuses, naming the state
        return operation

    async def _settled(self, operation: Operation, owner: str | None) -> Operation:
        try:
            settled: Operation = await self._commit(Settle(operation.id))
            return settled
        except StaleAttempt:  # the grace is not quite over by the store's clock
            await asyncio.sleep(0.01)
            return await self.get(operation.id, owner)

    async def retry(self, id: str, owner: str | None, trace: str | None = None) -> Operation:
        """The new operation. Raises `OperationNotRetryable` (contract, section 6)."""
        operation = await self.get(id, owner)
        await self._admission.check_depth()
        new_id = self._ids.next((await self._store.now()).wall)
        retry = Retry(id, new_id, trace, self._admission.share(operation.owner))
        try:
            retried: Retried = await self._commit(retry)
        except QuotaExceeded as refused:
            raise await self._admission.told(refused, operation.type) from None
        return retried.operation or await self.get(retried.operation_id, owner)

    # --- webhooks

    async def webhook(self, value: object, base: str) -> Webhook:
        """Reads what a submit wants to be told; `base` begins the URLs in it.

        Raises `InvalidRequest`, or `WebhookUrlForbidden`, also for a name that leads to a forbidden address now.
        """
        sender = self._node.deliverer.sender
        found = webhook(value, base, sender.rules, os.urandom(32))
        await sender.check(found.target, LOOK_UP_PATIENCE)
        return found

    async def deliveries(self, id: str, owner: str | None) -> list[Delivery]:
        """What was, or is to be, delivered of it, in the order of its events."""
        await self.get(id, owner)
        return await self._store.deliveries(id)

    async def redeliver(self, id: str, owner: str | None, delivery_id: str) -> Delivery:
        """Have it delivered now. Raises `DeliveryNotFound`."""
        await self.get(id, owner)
        delivery: Delivery = await self._commit(Redeliver(id, delivery_id))
        return delivery

    # --- tickets

    async def ticket(self, caller: Caller, id: str | None = None) -> tuple[str, int]:
        """A ticket for one stream, of this operation or of any of theirs, and until when (ms) it is good."""
        if id is not None:
            await self.get(id, caller.sees)
        return await self._node.keyring.give(caller, id or "")

    # --- results

    async def result(self, id: str, owner: str | None) -> tuple[Operation, Result]:
        """What it returned. Raises `ResultNotReady`, `NoResult`, `OperationNotFound` or `OperationExpired`."""
        operation = await self.get(id, owner)
        if not operation.terminal:
            raise ResultNotReady(f"The operation is {operation.status}.", operationStatus=operation.status)
        if operation.status not in SUCCEEDED or operation.result is None:
            raise NoResult(f"The operation is {operation.status}.", operationStatus=operation.status)
        return operation, operation.result

    async def resource(self, path: str, minted: str, owner: str) -> str:
        """The id of the operation whose result is at `path`; `minted` is the id that a minted name would stand for."""
        return await self._store.resource(owner, resource_name(path)) or minted

    async def content(self, operation: Operation, artifact: Artifact, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes `start` to `stop` (exclusive) of an artifact."""
        position = start - start % CHUNK
        async for chunk in self._store.chunks(operation.id, artifact.attempt, start // CHUNK):
            yield chunk[max(start - position, 0) : stop - position]
            position += len(chunk)
            if position >= stop:
                return

    async def input(self, id: str, owner: str | None) -> bytes:
        """What it was submitted with, as JSON. Raises as `get` does."""
        await self.get(id, owner)
        if (body := await self._store.input(id)) is None:
            raise OperationNotFound  # it has gone meanwhile
        return body

    # --- jobs

    async def page(self, selection: Selection) -> tuple[list[Operation], int]:
        """A page, and how many there are in all."""
        return await self._store.operations(selection), await self._store.count(selection)

    async def statistics(self, owner: str | None) -> Snapshot:
        """What is going on, for who may see what is `owner`'s."""
        return await self._node.overview.snapshot(owner)

    def watcher(self, owner: str | None) -> Watcher:
        """Someone who will be told of all that goes on; a context manager."""
        return self._node.overview.watch(owner)

    async def lines(self, id: str, after: int, limit: int) -> list[LogLine]:
        """Lines of the log; the caller has asked `get` first."""
        return await self._store.lines(id, after, limit)

    async def follow_events(self, id: str, owner: str | None, after: int) -> AsyncIterator[Event]:
        """Events as they are committed, each once and in order, until the last one or until the server stops."""
        with self.follower() as follower:
            await self.join(follower, id, owner, Position(after))
            while (batch := await follower.news()) or not follower.over:
                for news in batch:
                    if news.told is not None and news.told.event.sequence > after:
                        yield news.told.event

    def follower(self, *, logs: bool = False, lasting: bool = False) -> Follower:
        """Someone who will follow operations, their `logs` too; a context manager."""
        return Follower(self._node.relay, self._store, logs=logs, lasting=lasting)

    def check_open(self) -> None:
        """Raises `Overloaded` when the server is about to stop: what begins now would not last."""
        if self._node.draining:
            raise Overloaded("The server is about to stop.", retry_after=1)

    async def join(self, follower: Follower, id: str, owner: str | None, after: Position | None) -> Operation:
        """Let it follow an operation from its present state on, or after a position. Raises as `get` does."""
        channel = follower.join(id)
        try:
            operation = await self.get(id, owner)
        except BaseException:
            follower.leave(channel)
            raise
        follower.begin(channel, operation, after)
        return operation

    async def now(self) -> Now:
        """The store's time."""
        return await self._store.now()


def _expired(at: int) -> OperationExpired:
    return OperationExpired(
        "The operation's results were kept until then and are now deleted.", expiredAt=timestamp(at)
    )
