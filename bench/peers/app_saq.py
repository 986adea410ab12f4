"""FastAPI and SAQ over Redis: the job goes to the broker's memory."""

import os

from fastapi import FastAPI
from saq import Queue  # type: ignore[import-not-found]

from bench.peers.order import Order

queue = Queue.from_url(os.environ["PEER_ADDRESS"])
app = FastAPI()


@app.post("/noop", status_code=202)
async def submit(order: Order) -> dict[str, str]:
    """Enqueue, and answer."""
    job = await queue.enqueue("noop", order=order.model_dump())
    return {"id": job.id}
