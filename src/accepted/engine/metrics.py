"""Prometheus metrics (contract, section 12), counted from what this process has committed.

Under `accepted serve` the processes share their counters through prometheus-client's multi-process files, so that one
scrape of the web process sees all. Depth and age of the queue are read from the store at the scrape: they are facts,
not sums.
"""

from __future__ import annotations

import collections
import os
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily

from ..contract.delivery import DeliveryStatus
from ..contract.event import Event
from ..contract.operation import Operation, Status
from ..contract.problem import StaleAttempt
from ..contract.transition import Accepted, SettledDelivery
from ..store.protocol import Committed, Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_WAIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_RUN_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
_COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


_TRIED = {DeliveryStatus.DELIVERED: "delivered", DeliveryStatus.PENDING: "retried", DeliveryStatus.FAILED: "failed"}

M = TypeVar("M", Counter, Histogram)
Counts = collections.Counter[tuple[Any, ...]]


class Metrics:
    """One set of metrics; several in one process do not mix."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._children: dict[tuple[Any, tuple[str, ...]], Any] = {}
        registry = self.registry = CollectorRegistry()
        self._submissions = Counter(
            "accepted_submissions", "Submits, by what became of them.", ["type", "outcome"], registry=registry
        )
        self._operations = Counter(
            "accepted_operations", "Operations that ended, by their status.", ["type", "status"], registry=registry
        )
        self._attempts = Counter("accepted_attempts", "Attempts that ended.", ["type", "outcome"], registry=registry)
        self._violations = Counter(
            "accepted_invariant_violations", "Bugs that were caught before they could be stored.", registry=registry
        )
        self._deliveries = Counter(
            "accepted_webhook_deliveries", "Tries to deliver a webhook.", ["outcome"], registry=registry
        )
        self._wait = Histogram(
            "accepted_wait_seconds",
            "From due to the start of an attempt.",
            ["type"],
            registry=registry,
            buckets=_WAIT_BUCKETS,
        )
        self._run = Histogram(
            "accepted_run_seconds",
            "From the start of an attempt to its end.",
            ["type"],
            registry=registry,
            buckets=_RUN_BUCKETS,
        )
        self._commit = Histogram(
            "accepted_commit_seconds", "One group commit.", registry=registry, buckets=_COMMIT_BUCKETS
        )
        self._batch = Histogram(
            "accepted_commit_batch_size", "Transitions in one commit.", registry=registry, buckets=_BATCH_BUCKETS
        )
        self.streams = Gauge(
            "accepted_streams_open", "Streams that are open.", ["kind"], registry=registry, multiprocess_mode="livesum"
        )

    # --- counting

    def refused(self, type: str, slug: str) -> None:
        """A submit was refused with a problem of this slug."""
        self._child(self._submissions, type, slug).inc()

    def on_commit(self, committed: Committed, seconds: float) -> None:
        """Follows the feed. Counts are added up first, for under `accepted serve` each is a write to a shared file."""
        self._batch.observe(len(committed.outcomes))
        self._commit.observe(seconds)
        counts: Counts = collections.Counter()
        for outcome in committed.outcomes:
            self._count_outcome(outcome, counts)
        operations = {operation.id: operation for operation in committed.operations}
        for event in committed.events:
            operation = operations.get(event.operation_id)
            if operation is not None and event.sequence > 1:
                self._count_event(event, operation, counts)
        for (metric, *labels), number in counts.items():
            self._child(metric, *labels).inc(number)

    def on_alarm(self) -> None:
        """The lifecycle caught a step that its table does not have."""
        self._violations.inc()

    def _count_outcome(self, outcome: object, counts: Counts) -> None:
        if isinstance(outcome, Accepted):
            word = "replayed" if outcome.replayed else "accepted"
            counts[self._submissions, outcome.operation.type, word] += 1
        elif type(outcome) is StaleAttempt:
            counts[self._attempts, "", "stale"] += 1
        elif type(outcome) is SettledDelivery:
            counts[self._deliveries, _TRIED[outcome.delivery.status]] += 1

    def _count_event(self, event: Event, operation: Operation, counts: Counts) -> None:
        type = operation.type
        if event.status is Status.PROCESSING:
            if event.began:
                self._child(self._wait, type).observe(max(event.at - operation.due_at, 0) / 1000)
            return
        if event.status is Status.PENDING:
            counts[self._attempts, type, "returned"] += 1
            return
        counts[self._operations, type, event.status] += 1
        if operation.attempt_at is not None:
            counts[self._attempts, type, event.status.lower()] += 1
            self._child(self._run, type).observe(max(event.at - operation.attempt_at, 0) / 1000)

    def _child(self, metric: M, *labels: str) -> M:
        """`metric.labels(...)`, remembered: the library looks it up under a lock each time."""
        child = self._children.get((metric, labels))
        if child is None:
            child = self._children[metric, labels] = metric.labels(*labels)
        return child

    # --- the scrape

    async def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library's
        facts = CollectorRegistry()
        for family in await self._facts():
            facts.register(_Fixed(family))
        return generate_latest(registry) + generate_latest(facts)

    async def _facts(self) -> list[GaugeMetricFamily]:
        depth = GaugeMetricFamily("accepted_queue_depth", "Operations that are PENDING.", labels=["type"])
        running = GaugeMetricFamily("accepted_in_flight", "Operations that are PROCESSING.", labels=["type"])
        oldest = GaugeMetricFamily(
            "accepted_queue_oldest_seconds", "How long the first of the queue has been due.", labels=["type"]
        )
        for (type, status), number in (await self._store.tally()).items():
            if status in {Status.PENDING, Status.PROCESSING}:
                (depth if status is Status.PENDING else running).add_metric([type], number)
        now = (await self._store.now()).wall
        for type, due_at in (await self._store.oldest_due()).items():
            oldest.add_metric([type], max(now - due_at, 0) / 1000)
        return [depth, running, oldest]


class _Fixed:
    """A collector of one family that is already read."""

    def __init__(self, family: GaugeMetricFamily) -> None:
        self._family = family

    def collect(self) -> list[GaugeMetricFamily]:
        return [self._family]
