"""Webhooks out of the outbox: claim what is due, send it, write down what came of it (contract, section 7).

Every node delivers. What is due is found by hints, and by looking once a second with all hints lost (guarantee E8). A
claim lasts for a while, so whoever dies between sending and writing down costs one more sending at most (guarantee
W4). Each host has a lane of its own; no queue is shared that a dead one could fill.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine, Sequence
from typing import Any

from ..contract import wire
from ..contract.address import Rules, check_url
from ..contract.delivery import SECOND, Answer, Delivery
from ..contract.operation import Operation
from ..contract.problem import Refusal, StaleAttempt
from ..contract.signature import plain_signature, standard_signature
from ..contract.transition import ClaimDeliveries, ClaimedDeliveries, PostponeDelivery, SettleDelivery
from ..contract.webhook import Registration
from ..settings import Settings
from ..store.clock import Clock
from ..store.protocol import Hint, Store, StoreUnavailable
from ..version import VERSION
from .committer import Committer
from .exchange import Undelivered
from .feed import Feed
from .lane import AT_ONCE, Claimed, Lane
from .sender import FORBIDDEN, Sender
from .vault import Sealed, Vault

log = logging.getLogger("accepted.webhook")

LOOK_INTERVAL = 1.0
CLAIM = 4  # times the time-out of a try: one to begin it, one for itself, one to write it down, and one to spare
LAST_WORDS = 1.0
INTERNAL = "internal-error"
SEALED = "secret-not-available"


class Deliverer:
    """Delivers for one node, at most `settings.webhook_concurrency` at once."""

    def __init__(self, store: Store, committer: Committer, feed: Feed, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._committer = committer
        self._clock = clock
        self._limit = settings.webhook_concurrency
        self._timeout = settings.webhook_timeout
        rules = Rules(settings.webhook_allow_http, settings.webhook_allow_networks)
        self.sender = Sender(rules, settings.webhook_timeout)
        self._vault = Vault(settings.secret_keys)
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wanted = asyncio.Event()
        self._draining = False
        self._claiming = asyncio.Lock()
        self._after = ""
        _warn(rules)
        feed.follow_hints(self._on_hints)

    async def run(self) -> None:
        """Deliver until cancelled or drained."""
        looking = asyncio.create_task(self._look())
        try:
            self._wanted.set()
            while not self._draining:
                await self._wanted.wait()
                self._wanted.clear()
                async with self._claiming:
                    await self._claim()
        finally:
            looking.cancel()

    async def drain(self, timeout: float) -> None:
        """Claim nothing more, let what is being sent end, and hand back the rest, within `timeout` seconds."""
        self._draining = True
        self._wanted.set()
        with contextlib.suppress(TimeoutError):  # what it is about to be given has to be handed back too
            async with asyncio.timeout(timeout), self._claiming:
                pass
        waiting = [claimed.delivery for lane in self._lanes.values() for claimed in lane.ready]
        self._lanes = {}
        for delivery in waiting:
            self._hand_back(delivery, 0)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=LAST_WORDS)
        self.sender.close()

    # --- claims

    def _on_hints(self, hints: Sequence[Hint] | None) -> None:
        if hints is None or any(hint.delivering for hint in hints):
            self._wanted.set()

    async def _look(self) -> None:
        while True:
            await self._clock.sleep(LOOK_INTERVAL)
            self._wanted.set()

    async def _claim(self) -> None:
        """Claim what there is room for. A read tells whether that makes sense at all: idle, nothing is written.

        What waits in a lane takes no room, or a host that was quick and dies would take it from the others.
        """
        for host in [host for host, lane in self._lanes.items() if lane.ready]:
            self._start(host)
        room = self._limit - len(self._tasks)
        try:
            due_at = await self._store.next_delivery()
            if room <= 0 or due_at is None or due_at > (await self._store.now()).wall or self._draining:
                return
            found: ClaimedDeliveries = await self._committer.commit(self._claim_for(room))
        except (StoreUnavailable, Refusal):
            return  # the next look tries again; the log says what is wrong
        now = self._clock.monotonic()
        for delivery in found.deliveries:
            self._lane(delivery.host).ready.append(Claimed(delivery, now))
        self._after = found.resume or ""
        if found.resume is not None:
            self._wanted.set()
        for host in {delivery.host for delivery in found.deliveries}:
            self._start(host)

    def _claim_for(self, room: int) -> ClaimDeliveries:
        now = self._clock.monotonic()
        self._lanes = {host: lane for host, lane in self._lanes.items() if not lane.forgettable(now)}
        rooms = {host: left for host, lane in self._lanes.items() if (left := lane.room(now)) != AT_ONCE}
        return ClaimDeliveries(room, AT_ONCE, rooms, self._after, visibility=round(CLAIM * self._timeout * 1000))

    def _lane(self, host: str) -> Lane:
        return self._lanes.setdefault(host, Lane())

    def _start(self, host: str) -> None:
        """Send what may be sent to this host now."""
        lane, now = self._lane(host), self._clock.monotonic()
        while lane.ready and lane.free(now) and len(self._tasks) < self._limit:
            claimed = lane.ready.popleft()
            if now - claimed.at > self._timeout:
                self._hand_back(claimed.delivery, 0)
                continue
            lane.sending += 1
            self._tracked(self._deliver(lane, claimed.delivery))
        if lane.is_open(now):
            while lane.ready:
                self._hand_back(lane.ready.popleft().delivery, round(lane.until_open(now) * 1000))

    def _hand_back(self, delivery: Delivery, wait: int) -> None:
        postpone = PostponeDelivery(delivery.operation_id, delivery.id, delivery.number, wait)
        self._committer.commit(postpone).add_done_callback(lambda future: future.exception())

    def _tracked(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a delivery could not be ended", exc_info=error)
        self._wanted.set()

    # --- one delivery

    async def _deliver(self, lane: Lane, delivery: Delivery) -> None:
        began = self._clock.monotonic()
        well = False
        try:
            answer = await self._tried(delivery)
            well = answer is None or _does_well(answer)
        except asyncio.CancelledError:
            self._hand_back(delivery, 0)
            raise
        except StoreUnavailable:
            self._hand_back(delivery, SECOND)
            answer, well = None, True
        except Exception as error:  # whatever it is, it must not be tried for ever
            log.error("%s could not be sent", delivery.id, exc_info=error)
            answer = Answer((await self._store.now()).wall, error=INTERNAL)
        finally:
            now = self._clock.monotonic()
            lane.ended(now, well=well, took=now - began)
        self._start(delivery.host)  # before it is written down: the host does not wait for our disk
        if answer is not None:
            await self._settle(delivery, answer)

    async def _tried(self, delivery: Delivery) -> Answer | None:
        """One try; None where there is nothing to tell any more."""
        operation = await self._store.operation(delivery.operation_id)
        registration = await self._store.webhook(delivery.operation_id)
        now = (await self._store.now()).wall
        if not isinstance(operation, Operation) or registration is None:
            return None
        body = wire.encode(wire.webhook_document(delivery, operation, registration.base))
        try:
            registration = self._vault.opened(registration)
            target = check_url(registration.url, self.sender.rules)
            head = await self.sender.send(target, signed(delivery, registration, body, now // 1000), body)
        except Undelivered as undelivered:
            return Answer(now, error=undelivered.word)
        except Sealed as error:
            log.error("%s cannot be signed: %s", delivery.id, error)
            return Answer(now, error=SEALED)
        except Refusal:  # the rules have changed since it was registered
            return Answer(now, error=FORBIDDEN)
        return Answer(now, head.status_code, retry_after=head.retry_after)

    async def _settle(self, delivery: Delivery, answer: Answer) -> None:
        settle = SettleDelivery(delivery.operation_id, delivery.id, delivery.number, answer, random.random())
        deadline = self._clock.monotonic() + self._timeout
        while True:
            try:
                await self._committer.commit(settle)
            except StaleAttempt:
                return
            except Refusal:  # the store is not usable now; what is not written down is sent again
                if self._clock.monotonic() > deadline:
                    return
                await asyncio.sleep(0.5)
            else:
                return


def signed(delivery: Delivery, registration: Registration, body: bytes, at: int) -> dict[str, str]:
    """The headers of one try, made `at` this second."""
    return {
        "Content-Type": "application/json",
        "User-Agent": f"accepted/{VERSION}",
        "X-Webhook-Signature": plain_signature(body, registration.secrets),
        "X-Webhook-Event": delivery.event,
        "X-Operation-Id": delivery.operation_id,
        "webhook-id": delivery.id,
        "webhook-timestamp": str(at),
        "webhook-signature": standard_signature(delivery.id, at, body, registration.secrets),
    }


def _does_well(answer: Answer) -> bool:
    """Whether the host is in order: one that refuses a request is, one that is overloaded is not."""
    return answer.status_code is not None and answer.status_code < 500 and answer.status_code != 429


def _warn(rules: Rules) -> None:
    if rules.allow_http:
        log.warning("webhook_allow_http is on: webhooks go over plain http, readable by everybody on the way")
    if rules.allow_networks:
        networks = ", ".join(map(str, rules.allow_networks))
        log.warning("webhook_allow_networks is set: clients can make this server send requests to %s", networks)
