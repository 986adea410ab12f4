"""FastAPI and Celery over Redis: the task goes to the broker's memory; no result is kept."""

import os
from typing import Any

from celery import Celery  # type: ignore[import-not-found]
from fastapi import FastAPI

from bench.peers.order import Order

celery = Celery("peer", broker=os.environ["PEER_ADDRESS"])
app = FastAPI()


def _noop(order: dict[str, Any]) -> dict[str, bool]:
    return {"done": True}


noop = celery.task(name="noop", ignore_result=True)(_noop)


@app.post("/noop", status_code=202)
async def submit(order: Order) -> dict[str, str]:
    """Enqueue, and answer. Called on the loop: a thread of the pool makes it slower."""
    return {"id": noop.delay(order.model_dump()).id}
