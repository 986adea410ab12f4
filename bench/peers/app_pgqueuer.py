"""FastAPI and PgQueuer over a pool of asyncpg: the job goes into PostgreSQL, by a commit that it fsyncs."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request
from pgqueuer import PgQueuer  # type: ignore[import-not-found]
from pgqueuer.db import AsyncpgPoolDriver  # type: ignore[import-not-found]
from pgqueuer.queries import Queries  # type: ignore[import-not-found]

from bench.peers.order import Order


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool while the app runs."""
    async with asyncpg.create_pool(os.environ["PEER_ADDRESS"], min_size=16, max_size=16) as pool:
        app.state.queries = Queries(AsyncpgPoolDriver(pool))
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/noop", status_code=202)
async def submit(order: Order, request: Request) -> dict[str, str]:
    """Enqueue, and answer."""
    ids = await request.app.state.queries.enqueue("noop", order.model_dump_json().encode())
    return {"id": str(ids[0])}


async def work(batch: int) -> None:
    """Run what is in the queue, for ever."""
    queue = PgQueuer.from_asyncpg_connection(await asyncpg.connect(os.environ["PEER_ADDRESS"]))

    @queue.entrypoint("noop")  # type: ignore[untyped-decorator]
    async def noop(job: object) -> None: ...

    await queue.run(batch_size=batch)


async def fill(count: int) -> None:
    """Put so many into the queue."""
    body = b'{"dateRange":{"start":"2017-01-01","end":"2017-12-31"},"format":"PDF"}'
    async with asyncpg.create_pool(os.environ["PEER_ADDRESS"], min_size=1, max_size=1) as pool:
        for start in range(0, count, 1_000):
            some = min(1_000, count - start)
            await Queries(AsyncpgPoolDriver(pool)).enqueue(["noop"] * some, [body] * some, [0] * some)
