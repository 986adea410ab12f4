"""Followers that come, go and come back while two processes write: whatever the order, each gets k+1 to n once."""

import asyncio
import random

import pytest

from accepted.engine.follower import Follower, Position
from accepted.engine.node import Node
from accepted.service import Service
from tests.engine.author import Author, author
from tests.engine.gate import PATIENCE
from tests.engine.stage import OWNER, Stage, store_of

STEPS = 150


class Reader:
    """One client: it remembers where it stands, and checks that nothing is missing and nothing comes twice."""

    def __init__(self, node: Node, writer: Author, *, logs: bool) -> None:
        self.node = node
        self.writer = writer
        self.logs = logs
        self.position = Position(0)
        self.follower: Follower | None = None
        self.ended = False

    async def come(self) -> None:
        self.follower = Service(self.node).follower(logs=self.logs).__enter__()
        await Service(self.node).join(self.follower, self.writer.id, OWNER, self.position)

    def go(self) -> None:
        if self.follower is not None:
            self.follower.__exit__()
        self.follower = None

    async def read(self) -> None:
        """What is there now, or a part of it."""
        if self.follower is None or self.follower.over:
            return
        self.follower.nudge()
        for news in await self.follower.news():
            assert not news.reset
            expected = self.position._replace(event=self.position.event + 1)
            if news.told is None:
                expected = self.position._replace(line=self.position.line + 1)
            assert news.position == expected
            self.position = news.position
            self.ended = news.told is not None and news.told.end is not None

    async def read_all(self) -> None:
        if self.follower is None:
            await self.come()
        assert self.follower is not None
        async with asyncio.timeout(PATIENCE):
            while not self.follower.over:
                await self.read()
                await asyncio.sleep(0)
        self.go()


@pytest.mark.parametrize("seed", range(12))
async def test_each_follower_gets_everything_once(stage: Stage, seed: int) -> None:
    @stage.operation()
    def idle() -> None: ...

    here, there = await stage.node(working=False), await stage.node(working=False)
    dice = random.Random(seed)
    writer = await author(here)
    readers = [Reader(dice.choice((here, there)), writer, logs=number % 2 == 0) for number in range(6)]
    _dawdle(here, dice)
    lines = 0
    for _ in range(STEPS):
        reader = dice.choice(readers)
        match dice.randrange(6):
            case 0 | 1:
                new = dice.choice((0, 0, 1, 3, 300 if dice.random() < 0.05 else 2))
                await writer.advance(lines=["line"] * new, on=dice.choice((here, there)))
                lines += new
            case 2:
                await asyncio.gather(reader.read(), writer.advance(on=dice.choice((here, there))))
            case 3 if reader.follower is None:
                await asyncio.gather(reader.come(), writer.advance(on=dice.choice((here, there))))
            case 4:
                reader.go()
                reader.node = dice.choice((here, there))
            case _:
                await reader.read()
    await asyncio.gather(*(reader.come() for reader in readers if reader.follower is None))
    await asyncio.gather(writer.complete(lines=["last"]), *(reader.read_all() for reader in readers))
    sequence = (await Service(here).get(writer.id, OWNER)).sequence
    for reader in readers:
        assert reader.ended
        assert reader.position == Position(sequence, lines + 1 if reader.logs else 0)
    for node in (here, there):
        assert (node.relay._channels, node.relay.followers, node.relay._stale) == ({}, set(), set())


def _dawdle(node: Node, dice: random.Random) -> None:
    """What this node reads comes after a while, so that much can happen meanwhile."""
    store = store_of(node)
    for name in ("operation", "events", "lines", "news"):

        async def reading(*arguments: object, read: object = getattr(store, name)) -> object:
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            found = await read(*arguments)  # type: ignore[operator]
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            return found

        store.__dict__[name] = reading
