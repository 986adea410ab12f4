"""FastAPI and DBOS, by its client: the workflow goes into PostgreSQL, by a commit that it fsyncs.

The client is what DBOS has for web servers whose workflows run elsewhere. It works in threads of the loop; as many as
the pool has connections are faster here than the loop's own few, and than handlers in FastAPI's threads.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from dbos import DBOSClient, EnqueueOptions  # type: ignore[import-not-found]
from fastapi import FastAPI

from bench.peers.order import Order

POOL = 16

client = DBOSClient(system_database_url=os.environ["PEER_ADDRESS"], system_database_pool_size=POOL)
noop: EnqueueOptions = {"queue_name": "noop", "workflow_name": "noop"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the threads and the pool while the app runs."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(POOL))
    yield
    client.destroy()


app = FastAPI(lifespan=lifespan)


@app.post("/noop", status_code=202)
async def submit(order: Order) -> dict[str, str]:
    """Enqueue, and answer."""
    handle = await client.enqueue_async(noop, order.model_dump())
    return {"id": handle.workflow_id}
