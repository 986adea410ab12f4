"""FastAPI and Procrastinate over a pool of psycopg: the job goes into PostgreSQL, by a commit that it fsyncs."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from procrastinate import App, PsycopgConnector  # type: ignore[import-not-found]

from bench.peers.order import Order

queue = App(connector=PsycopgConnector(conninfo=os.environ["PEER_ADDRESS"], min_size=16, max_size=16))


async def _noop(order: dict[str, Any]) -> None: ...


noop = queue.task(name="noop")(_noop)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool while the app runs."""
    async with queue.open_async():
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/noop", status_code=202)
async def submit(order: Order) -> dict[str, str]:
    """Enqueue, and answer."""
    return {"id": str(await noop.defer_async(order=order.model_dump()))}
