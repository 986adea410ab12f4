"""After a day with everything in it, metrics and log say what happened, and nothing else (contract, section 12)."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

import pytest
from prometheus_client.parser import text_string_to_metric_families

from accepted import Attempt, Failure
from accepted.contract.policy import Backoff
from accepted.contract.problem import InvalidRequest, Overloaded
from accepted.contract.transition import Accept, Key, Transition
from accepted.engine.node import Node
from accepted.service import Service
from accepted.store.protocol import StoreUnavailable
from tests.clock import MovableClock
from tests.engine.gate import PATIENCE, Gates
from tests.engine.stage import OWNER, Stage, ended, store_of, submit, until

Samples = dict[tuple[str, ...], float]


async def samples(node: Node) -> Samples:
    """(name, label values in order of their names) to value, as one scrape gives them."""
    text = (await node.metrics.exposition()).decode()
    return {
        (sample.name, *[value for _, value in sorted(sample.labels.items())]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def register(stage: Stage, gates: Gates) -> None:
    """Operations that end in each way there is."""

    @stage.operation()
    async def good(number: int) -> int:
        return number

    @stage.operation()
    async def warned(attempt: Attempt) -> None:
        attempt.warn("ODD", "a row")

    @stage.operation()
    def bad() -> None:
        raise Failure("Bad")

    @stage.operation(attempts=3, backoff=Backoff(0.0, 0.0))
    async def flaky(attempt: Attempt) -> None:
        if attempt.number < 3:
            raise ConnectionError

    @stage.operation()
    async def slow() -> None:
        await gates.held()


async def test_the_counts_are_what_happened(stage: Stage, gates: Gates, clock: MovableClock) -> None:
    register(stage, gates)
    node = await stage.node(scan_interval=10**8)
    for number in range(3):
        await ended(node, "good", number)
    await ended(node, "warned")
    await ended(node, "bad")
    await ended(node, "flaky")
    key = Key("/good", "one", "print")
    first = await submit(node, "good", 7, key=key)
    await first.wait(PATIENCE)
    assert (await submit(node, "good", 7, key=key)).replayed
    with pytest.raises(InvalidRequest):
        await submit(node, "good", "seven")
    handle = await submit(node, "slow")
    await gates.started.passed()
    clock.advance(2)
    await Service(node).cancel(handle.id, OWNER, None)

    found = await samples(node)
    submissions = {key[1:]: value for key, value in found.items() if key[0] == "accepted_submissions_total"}
    assert submissions == {
        ("accepted", "bad"): 1,
        ("accepted", "flaky"): 1,
        ("accepted", "good"): 4,
        ("accepted", "slow"): 1,
        ("accepted", "warned"): 1,
        ("invalid-request", "good"): 1,
        ("replayed", "good"): 1,
    }
    operations = {key[1:]: value for key, value in found.items() if key[0] == "accepted_operations_total"}
    assert operations == {
        ("COMPLETED", "flaky"): 1,
        ("COMPLETED", "good"): 4,
        ("COMPLETED_WITH_ERRORS", "warned"): 1,
        ("FAILED", "bad"): 1,
        ("CANCELLED", "slow"): 1,
    }
    attempts = {key[1:]: value for key, value in found.items() if key[0] == "accepted_attempts_total"}
    assert attempts[("returned", "flaky")] == 2
    assert attempts[("completed", "flaky")] == 1
    assert attempts[("completed", "good")] == 4
    assert attempts[("cancelled", "slow")] == 1
    assert found[("accepted_run_seconds_count", "good")] == 4
    assert found[("accepted_run_seconds_sum", "slow")] == pytest.approx(2, abs=0.5)
    assert found[("accepted_wait_seconds_count", "flaky")] == 3
    assert found[("accepted_invariant_violations_total",)] == 0
    async with asyncio.timeout(PATIENCE):  # the worker claims in between: a commit that is under way is not yet counted
        while found[("accepted_commit_batch_size_count",)] != len(store_of(node).batches):
            found = await samples(node)
    batches = Counter(len(batch) for batch in store_of(node).batches)
    assert found[("accepted_commit_batch_size_count",)] == sum(batches.values())
    assert found[("accepted_commit_batch_size_sum",)] == sum(size * number for size, number in batches.items())
    assert found[("accepted_commit_seconds_count",)] == sum(batches.values())


async def test_the_queue_is_read_as_it_is(stage: Stage, gates: Gates, clock: MovableClock) -> None:
    register(stage, gates)
    node = await stage.node(scan_interval=10**8, slots=1, lease_ttl=10**6)
    first = await submit(node, "slow")
    await gates.started.passed()
    waiting = [await submit(node, "good", number) for number in range(3)]
    clock.advance(10)
    found = await samples(node)
    assert found[("accepted_queue_depth", "good")] == 3
    assert found[("accepted_in_flight", "slow")] == 1
    assert found[("accepted_queue_oldest_seconds", "good")] == pytest.approx(10, abs=1)
    gates.go.open()
    for handle in [first, *waiting]:
        await handle.wait(PATIENCE)
    found = await samples(node)
    assert ("accepted_queue_depth", "good") not in found
    assert ("accepted_in_flight", "slow") not in found


async def test_two_nodes_of_one_process_do_not_mix(stage: Stage, gates: Gates) -> None:
    register(stage, gates)
    here, there = await stage.node(), await stage.node(working=False)
    await ended(here, "good", 1)
    assert ("accepted_submissions_total", "accepted", "good") in await samples(here)
    assert ("accepted_submissions_total", "accepted", "good") not in await samples(there)


# --- the journal


def told(caplog: pytest.LogCaptureFixture, id: str) -> list[str]:
    """What the log says of an operation, in its order."""
    records = [record for record in caplog.records if record.name == "accepted.operation"]
    return [record.getMessage().removeprefix(f"{id} ") for record in records if id in record.getMessage()]


async def test_each_thing_that_happens_is_one_line(
    stage: Stage, gates: Gates, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    register(stage, gates)
    node = await stage.node()
    caplog.set_level(logging.INFO, "accepted.operation")
    good, warned = await ended(node, "good", 1), await ended(node, "warned")
    bad, flaky = await ended(node, "bad"), await ended(node, "flaky")
    handle = await submit(node, "slow")
    await gates.started.passed()
    clock.advance(1)
    await Service(node).cancel(handle.id, OWNER, None)
    assert told(caplog, good.id) == ["accepted", "started", "completed"]
    assert told(caplog, warned.id) == ["accepted", "started", "completed with errors"]
    assert told(caplog, bad.id) == ["accepted", "started", "failed: Bad"]
    assert told(caplog, flaky.id) == ["accepted", *["started", "retried"] * 2, "started", "completed"]
    assert told(caplog, handle.id) == ["accepted", "started", "cancelled"]


async def test_a_line_bears_what_a_collector_needs(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    @stage.operation()
    async def traced() -> None:
        raise ValueError("bad")

    node = await stage.node()
    caplog.set_level(logging.INFO, "accepted.operation")
    registered = node.registry.named("traced")
    assert registered is not None
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    accepted = await Service(node).submit(registered, b"null", owner=OWNER, trace=trace)
    operation = await until(node, accepted.operation.id, lambda each: each.terminal)
    records = [record for record in caplog.records if record.name == "accepted.operation"]
    assert [record.levelname for record in records] == ["INFO", "INFO", "WARNING"]
    for number, record in enumerate(records):
        about = record.__dict__
        assert about["operation_id"] == operation.id
        assert about["operation_type"] == "traced"
        assert about["attempt"] == min(number, 1)
        assert about["traceparent"] == trace
        assert record.msecs == round(record.created * 1000) % 1000
    assert records[0].created == operation.created_at / 1000


async def test_progress_is_said_to_those_who_ask_for_it(
    stage: Stage, gates: Gates, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    @stage.operation()
    async def moving(attempt: Attempt) -> None:
        await gates.held()
        attempt.progress(1, 2)
        await other.held()

    other = Gates()
    node = await stage.node()
    caplog.set_level(logging.DEBUG, "accepted.operation")
    handle = await submit(node, "moving")
    await gates.started.passed()
    clock.advance(1)
    gates.go.open()
    await until(node, handle.id, lambda each: each.progress is not None)
    other.go.open()
    await handle.wait(PATIENCE)
    assert told(caplog, handle.id) == ["accepted", "started", "progress", "completed"]


async def test_nothing_is_said_before_it_is_durable(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Guarantee D3."""

    @stage.operation()
    async def never() -> None: ...

    node = await stage.node(working=False)
    caplog.set_level(logging.DEBUG, "accepted.operation")
    looked: list[list[str]] = []

    async def before(batch: Sequence[Transition]) -> None:
        if any(isinstance(each, Accept) for each in batch):
            looked.append([record.getMessage() for record in caplog.records if record.name == "accepted.operation"])
            raise StoreUnavailable("gone")

    store_of(node).before = before
    with pytest.raises(Overloaded):
        await submit(node, "never")
    await asyncio.sleep(0)
    assert looked == [[]]
    assert [record for record in caplog.records if record.name == "accepted.operation"] == []
