"""FastAPI and Oban over a pool of psycopg: the job goes into PostgreSQL, by a commit that it fsyncs.

An Oban without queues, and not started, only enqueues: so its documentation has it for web processes.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from oban import Job, Oban, worker  # type: ignore[import-not-found]

from bench.peers.order import Order


class Noop:
    """Nothing to do."""

    async def process(self, job: Job) -> None: ...


noop = worker(queue="noop")(Noop)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool while the app runs."""
    pool = await Oban.create_pool(os.environ["PEER_ADDRESS"], min_size=16, max_size=16)
    app.state.oban = Oban(pool=pool)
    yield
    await pool.close()


app = FastAPI(lifespan=lifespan)


@app.post("/noop", status_code=202)
async def submit(order: Order) -> dict[str, str]:
    """Enqueue, and answer."""
    job = await app.state.oban.enqueue(noop.new(order.model_dump()))
    return {"id": str(job.id)}
