"""A follower of the log too: every line once, before the end, and one position for events and lines."""

import asyncio

import pytest

from accepted.engine.follower import Follower, Position
from accepted.engine.node import Node
from accepted.service import Service
from tests.engine.author import Author, author, events, told, told_to_the_end
from tests.engine.stage import OWNER, Stage


@pytest.fixture
async def node(stage: Stage) -> Node:
    """A node whose followers are tested."""

    @stage.operation()
    def idle() -> None:
        """Nobody runs it."""

    return await stage.node(working=False)


@pytest.fixture
async def writer(node: Node) -> Author:
    """An operation that goes as the test says; its last event is number 2."""
    return await author(node)


async def joined(node: Node, follower: Follower, writer: Author, after: str = "") -> None:
    """Follow from the present state on, or after a position."""
    event, _, line = after.partition("-")
    position = Position(int(event), int(line or 0)) if after else None
    await Service(node).join(follower, writer.id, OWNER, position)


async def follow(node: Node, writer: Author, after: str = "", *, logs: bool = False) -> list[str]:
    """All that is told of an operation that has ended, or ends meanwhile."""
    with Service(node).follower(logs=logs) as follower:
        await joined(node, follower, writer, after)
        return await told_to_the_end(follower)


async def test_the_whole_log_comes_before_the_end(node: Node, writer: Author) -> None:
    with Service(node).follower(logs=True) as follower:
        await joined(node, follower, writer)
        assert await told(follower, 1) == ["event 2"]
        await writer.advance(lines=["one", "two"])
        assert await told(follower, 3) == ["line 2-1", "line 2-2", "event 3-2"]
        await writer.complete(lines=["three"])
        assert await told_to_the_end(follower) == ["line 3-3", "end 4-3"]


async def test_events_and_lines_resume_from_one_position(node: Node, writer: Author) -> None:
    await writer.advance(lines=["one", "two"])
    await writer.advance(lines=["three"])
    await writer.complete(lines=["four"])
    assert await follow(node, writer, "2-1", logs=True) == [
        "line 2-2",
        "line 2-3",
        "line 2-4",
        "event 3-4",
        "event 4-4",
        "end 5-4",
    ]
    assert await follow(node, writer, "4-4", logs=True) == ["end 5-4"]
    assert await follow(node, writer, "5-4", logs=True) == []
    assert await follow(node, writer, logs=True) == [*(f"line 4-{number}" for number in range(1, 5)), "end 5-4"]


async def test_who_has_seen_the_end_but_not_the_log_gets_the_log_and_is_let_go(node: Node, writer: Author) -> None:
    await writer.complete(lines=["one", "two"])
    assert await follow(node, writer, "3", logs=True) == ["line 3-1", "line 3-2"]


async def test_who_knows_more_lines_than_there_are_gets_a_reset(node: Node, writer: Author) -> None:
    await writer.advance(lines=["one"])
    with Service(node).follower(logs=True) as follower:
        await joined(node, follower, writer, "3-9")
        assert await told(follower, 2) == ["reset 3", "line 3-1"]
    with Service(node).follower() as follower:
        await joined(node, follower, writer, "3-9")
        await writer.advance()
        assert await told(follower, 1) == ["event 4-9"], "without the log lines do not count"


async def test_lines_of_an_earlier_reader_are_not_told_again(node: Node, writer: Author) -> None:
    """The channel lives on for another; meanwhile nobody follows the log."""
    with Service(node).follower() as lasting, Service(node).follower(logs=True) as first:
        await joined(node, lasting, writer)
        await joined(node, first, writer)
        await writer.advance(lines=["one", "two", "three"])
        assert await told(first, 5) == ["event 2", "line 2-1", "line 2-2", "line 2-3", "event 3-3"]
        first.drop(writer.id)
        await writer.advance(lines=["four", "five", "six"])
        with Service(node).follower(logs=True) as second:
            await joined(node, second, writer, "4-4")
            assert await told(second, 2) == ["line 4-5", "line 4-6"]


async def test_more_lines_than_a_page(node: Node, writer: Author) -> None:
    await writer.advance(lines=[str(number) for number in range(1, 1301)])
    await writer.complete(lines=["last"])
    found = await follow(node, writer, logs=True)
    assert found == [*(f"line 3-{number}" for number in range(1, 1302)), "end 4-1301"]


async def test_lines_that_come_faster_than_events(node: Node, writer: Author) -> None:
    with Service(node).follower(logs=True) as follower:
        await joined(node, follower, writer)
        telling = asyncio.create_task(told_to_the_end(follower))
        for _ in range(20):
            await writer.advance(lines=["line"] * 50)
        await writer.complete(lines=["last"])
        found = await telling
    assert [each.partition("-")[2] for each in found if each.startswith("line")] == [str(n) for n in range(1, 1002)]
    assert [each.partition("-")[0] for each in found if not each.startswith("line")] == [*events(2, 22), "end 23"]
    assert found[-1] == "end 23-1001"
