"""Events as a test wants them: it plays the worker, so that each commit comes when it says so, on the node it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from accepted.contract.operation import NO_JSON, Operation, Result
from accepted.contract.progress import Progress
from accepted.contract.transition import Advance, Cancel, Claim, Complete, LogEntry, Renew, Report
from accepted.engine.follower import Follower, News
from accepted.engine.node import Node
from tests.engine.gate import PATIENCE
from tests.engine.stage import submit

DAY = 86_400_000


class Author:
    """The one attempt of one operation: sequence 1 is its submit, 2 its start."""

    def __init__(self, node: Node, operation: Operation) -> None:
        self.node = node
        self.id = operation.id
        self._fence: dict[str, Any] = {"operation_id": operation.id, "worker": "author", "attempt": operation.attempt}

    async def advance(self, times: int = 1, *, lines: Sequence[str] = (), on: Node | None = None) -> None:
        """So many more events, each a commit; the lines go with the first."""
        node = on or self.node
        for number in range(times):
            entries = tuple(LogEntry(1, "INFO", line) for line in lines) if number == 0 else ()
            report = Report(progress=Progress(current=number), lines=entries)
            await node.committer.commit(Advance(**self._fence, report=report))

    async def advance_at_once(self, times: int) -> None:
        """So many more events in few commits."""
        steps = [Advance(**self._fence, report=Report(progress=Progress(current=number))) for number in range(times)]
        await asyncio.gather(*(self.node.committer.commit(step) for step in steps))

    async def complete(self, *, lines: Sequence[str] = (), on: Node | None = None) -> None:
        """The end, after some lines of the same commit."""
        entries = tuple(LogEntry(1, "INFO", line) for line in lines)
        end = Complete(**self._fence, result=Result(NO_JSON), report=Report(lines=entries))
        await (on or self.node).committer.commit(end)

    async def cancel(self) -> None:
        """Ask for a cancel."""
        await self.node.committer.commit(Cancel(self.id))


async def author(node: Node, name: str = "idle") -> Author:
    """Submit an operation, and claim it."""
    handle = await submit(node, name)
    await node.committer.commit(Renew("author", DAY, True))
    await node.committer.commit(Claim("author", (name,), 1))
    return Author(node, await handle.operation())


def spelled(news: News) -> str:
    """One thing that was told, short: its kind, and the position after it."""
    where = f"{news.position.event}-{news.position.line}" if news.position.line else str(news.position.event)
    if news.told is None:
        return f"line {where}"
    kind = "reset" if news.reset else "end" if news.told.end is not None else "event"
    return f"{kind} {where}"


async def told(follower: Follower, number: int) -> list[str]:
    """At least the next so many things."""
    found: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < number and not follower.over:
            found += [spelled(news) for news in await follower.news()]
    return found


async def told_to_the_end(follower: Follower) -> list[str]:
    """Everything until there is no more."""
    return await told(follower, 10**9)


def events(first: int, last: int) -> list[str]:
    """What is told where nothing is missing: events `first` to `last`."""
    return [f"event {number}" for number in range(first, last + 1)]


def before(store: Any, name: str, step: Callable[[], Awaitable[None]]) -> None:
    """Have a read of a store of a stage wait for `step`, or raise what it raises."""
    read = getattr(store, name)

    async def reading(*arguments: Any) -> Any:
        await step()
        return await read(*arguments)

    store.__dict__[name] = reading


def after(store: Any, name: str, step: Callable[[], Awaitable[None]]) -> None:
    """Have what a read has found come late."""
    read = getattr(store, name)

    async def reading(*arguments: Any) -> Any:
        found = await read(*arguments)
        await step()
        return found

    store.__dict__[name] = reading
