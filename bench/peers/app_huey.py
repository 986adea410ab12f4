"""FastAPI and Huey on SQLite: the task goes into a file, by a commit that SQLite fsyncs."""

import os
from typing import Any

from fastapi import FastAPI
from huey import SqliteHuey  # type: ignore[import-not-found]

from bench.peers.order import Order

queue = SqliteHuey(filename=os.environ["PEER_ADDRESS"])
app = FastAPI()


def _noop(order: dict[str, Any]) -> dict[str, bool]:
    return {"done": True}


noop = queue.task(name="noop")(_noop)


@app.post("/noop", status_code=202)
async def submit(order: Order) -> dict[str, str]:
    """Enqueue, and answer. Called on the loop: a thread of the pool makes it slower."""
    return {"id": noop(order.model_dump()).id}


def fill(count: int) -> None:
    """Put so many into the queue."""
    for _ in range(count):
        noop({"dateRange": {"start": "2017-01-01", "end": "2017-12-31"}, "format": "PDF"})
