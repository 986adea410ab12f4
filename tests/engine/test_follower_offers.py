"""The short way: events are offered to a stream that waits, and what it cannot take comes the long way, in order."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from accepted.engine.channel import Told
from accepted.engine.node import Node
from accepted.service import Service
from tests.engine.author import author
from tests.engine.gate import PATIENCE
from tests.engine.stage import OWNER, Stage


@pytest.fixture
async def node(stage: Stage) -> Node:
    @stage.operation()
    def idle() -> None:
        """Nobody runs it."""

    return await stage.node(working=False)


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("foreign", [False, True], ids=["own commits", "another's commits"])
async def test_whatever_it_takes_all_come_once_and_in_order(
    stage: Stage, node: Node, chance: float, foreign: bool
) -> None:
    dice = random.Random(5)
    writer = await author(node)
    writer.node = await stage.node(working=False) if foreign else node
    seen: list[int] = []
    offered: list[int] = []

    def offer(told: Sequence[Told]) -> bool:
        assert not any(each.end for each in told), "an end closes the stream, so it comes the long way"
        if dice.random() < chance:
            seen.extend(each.event.sequence for each in told)
            offered.extend(each.event.sequence for each in told)
            return True
        return False

    with Service(node).follower() as follower:
        await Service(node).join(follower, writer.id, OWNER, None)
        follower.offer = offer

        async def tell() -> None:
            while not follower.over:
                seen.extend(news.position.event for news in await follower.news())
                for _ in range(dice.randrange(3)):
                    await asyncio.sleep(0)

        telling = asyncio.create_task(tell())
        for number in range(200):
            await writer.advance()
            if number % 20 == 0:
                follower.nudge()
        await writer.complete()
        async with asyncio.timeout(PATIENCE):
            await telling
    assert seen == list(range(2, 204))
    assert bool(offered) is (chance > 0)
