"""Log lines and warnings of a function: all kept, none twice, within limits, over an outage of the store."""

import logging
import threading
from collections.abc import Iterator, Sequence

import pytest

from accepted import Attempt
from accepted.contract.operation import Status
from accepted.contract.policy import Backoff
from accepted.contract.transition import Advance, Transition
from accepted.engine.attempt import WARNING_LIMIT
from accepted.store.protocol import StoreUnavailable
from tests.engine import isolated
from tests.engine.gate import PATIENCE, Gate, Gates
from tests.engine.stage import Stage, ended, store_of, submit

# --- log lines and warnings


@pytest.mark.parametrize("where", ["coroutine", "thread", "logging-lines"])
async def test_records_of_logging_made_inside_are_lines_of_its_log(stage: Stage, where: str) -> None:
    @stage.operation()
    async def coroutine(lines: int) -> None:
        isolated.logging_lines(lines)

    @stage.operation()
    def thread(lines: int) -> None:
        isolated.logging_lines(lines)

    stage.operation(isolate=True)(isolated.logging_lines)
    node = await stage.node()
    logging.getLogger("somebody.else").warning("outside")
    operation = await ended(node, where, 3)
    lines = await node.store.lines(operation.id, 0, 100)
    assert [(line.line, line.message) for line in lines] == [(1, "line 0"), (2, "line 1"), (3, "line 2")]
    assert {line.level for line in lines} == {"WARNING"}


async def test_two_nodes_in_one_process_write_a_line_once(stage: Stage) -> None:
    @stage.operation()
    async def once() -> None:
        isolated.logging_lines(1)

    nodes = [await stage.node(), await stage.node()]
    operation = await ended(nodes[0], "once")
    assert len(await nodes[0].store.lines(operation.id, 0, 10)) == 1


async def test_lines_have_levels_fields_and_the_number_of_the_attempt(stage: Stage) -> None:
    @stage.operation(attempts=2, backoff=Backoff(0.0, 0.0))
    def wordy(attempt: Attempt) -> None:
        attempt.log("read\0", "debug", rows=3, odd=Chatty, nan=float("nan"))
        if attempt.number == 1:
            raise ConnectionError

    node = await stage.node()
    operation = await ended(node, "wordy")
    lines = await node.store.lines(operation.id, 0, 100)
    assert [(line.line, line.attempt, line.level) for line in lines] == [(1, 1, "DEBUG"), (2, 2, "DEBUG")]
    assert lines[0].message == "read\N{REPLACEMENT CHARACTER}"
    assert lines[0].fields["rows"] == 3
    assert (lines[0].fields["nan"], lines[0].fields["odd"][:6]) == ("nan", "<class")


@pytest.mark.parametrize("where", ["thread", "logging-lines"])
async def test_a_log_is_full_at_its_limit(stage: Stage, where: str) -> None:
    @stage.operation()
    def thread(lines: int) -> None:
        isolated.logging_lines(lines)

    stage.operation(isolate=True)(isolated.logging_lines)
    node = await stage.node(log_limit=5)
    operation = await ended(node, where, 20)
    lines = await node.store.lines(operation.id, 0, 100)
    assert [line.message for line in lines[:4]] == [f"line {number}" for number in range(4)]
    assert "full" in lines[4].message
    assert len(lines) == operation.lines == 5


class Chatty:
    """A value that logs when it is looked at."""

    def __repr__(self) -> str:
        logging.getLogger("chatty").warning("looked at")
        return "chatty"


async def test_a_value_that_logs_on_its_part_stops_nothing(stage: Stage) -> None:
    @stage.operation()
    def nested(attempt: Attempt) -> None:
        attempt.log("outer", value=Chatty())

    node = await stage.node()
    operation = await ended(node, "nested")
    assert sorted(line.message for line in await node.store.lines(operation.id, 0, 9)) == ["looked at", "outer"]


@pytest.mark.parametrize("where", ["thread", "warning"])
async def test_warnings_end_it_with_errors_and_are_kept_up_to_a_limit(stage: Stage, where: str) -> None:
    @stage.operation()
    def thread(attempt: Attempt, number: int) -> None:
        isolated.warning(attempt, number)

    stage.operation(isolate=True)(isolated.warning)
    operation = await ended(await stage.node(), where, WARNING_LIMIT + 50)
    assert operation.status is Status.COMPLETED_WITH_ERRORS
    assert len(operation.warnings) == WARNING_LIMIT + 1
    assert operation.warnings[-1].code == "MORE_WARNINGS"


async def test_the_next_attempt_starts_without_the_warnings_of_the_last(stage: Stage) -> None:
    @stage.operation(attempts=2, backoff=Backoff(0.0, 0.0))
    async def better(attempt: Attempt) -> None:
        if attempt.number == 1:
            attempt.warn("ODD", "once")
            raise ConnectionError

    operation = await ended(await stage.node(), "better")
    assert (operation.status, operation.warnings) == (Status.COMPLETED, ())


async def test_reports_from_many_threads_at_once_are_all_kept(stage: Stage) -> None:
    def each(attempt: Attempt, name: int) -> None:
        for number in range(50):
            attempt.log(f"{name}-{number}")
            attempt.progress(number, 50)

    @stage.operation()
    def crowd(attempt: Attempt) -> None:
        threads = [threading.Thread(target=each, args=(attempt, name)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    node = await stage.node()
    operation = await ended(node, "crowd")
    assert operation.lines == 400
    messages = {line.message for line in await node.store.lines(operation.id, 0, 500)}
    assert messages == set(names())


def names() -> Iterator[str]:
    return (f"{name}-{number}" for name in range(8) for number in range(50))


async def test_what_was_reported_while_the_store_was_away_is_not_lost(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    async def reporting(attempt: Attempt) -> None:
        attempt.warn("ODD", "a row")
        attempt.log("a line")
        await gates.held()

    node = await stage.node()
    refused = Gate()

    async def before(batch: Sequence[Transition]) -> None:
        if not refused.is_open and any(isinstance(each, Advance) for each in batch):
            refused.open()
            raise StoreUnavailable("for a moment")

    store_of(node).before = before
    handle = await submit(node, "reporting")
    await refused.passed()
    gates.go.open()
    operation = await handle.wait(PATIENCE)
    assert operation.status is Status.COMPLETED_WITH_ERRORS
    assert [each.code for each in operation.warnings] == ["ODD"]
    assert [each.message for each in await node.store.lines(handle.id, 0, 10)] == ["a line"]
