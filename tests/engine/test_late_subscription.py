"""Who subscribes on a socket that already waits is told the present state at once, and before what follows on it."""

from __future__ import annotations

import asyncio

from accepted import Accepted
from tests.databases import Database


async def test_the_present_state_comes_at_once(database: Database) -> None:
    app = Accepted(worker=False, database=database.url)

    @app.operation("/greetings")
    def greet(name: str) -> str:
        return name

    async with app:
        handle = await app.submit("greet", "Ada")
        service = app._service
        assert service is not None
        with service.follower(lasting=True) as follower:
            waiting = asyncio.create_task(follower.news())
            await asyncio.sleep(0)
            await service.join(follower, handle.id, "", None)
            (present,) = await asyncio.wait_for(waiting, 10)
            assert present.position.event == 1
            await handle.cancel()
            (end,) = await asyncio.wait_for(follower.news(), 10)
            assert end.position.event == 2
