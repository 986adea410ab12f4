"""Receives webhooks with FastAPI.

WEBHOOK_SECRET=whsec_... uvicorn receiver_fastapi:api
"""

import os

from fastapi import FastAPI, HTTPException, Request

from accepted import webhooks

api = FastAPI()
seen: dict[str, str] = {}  # a real one keeps ids in its database, in the transaction that acts on the event


@api.post("/hooks", status_code=204)
async def hook(request: Request) -> None:
    """Answer at once; do the work elsewhere."""
    try:
        event = webhooks.verify(request.headers, await request.body(), os.environ["WEBHOOK_SECRET"])
    except webhooks.InvalidSignature as error:
        raise HTTPException(400, str(error)) from None
    if event.id not in seen:  # a delivery may come twice
        seen[event.id] = f"{event.operation_id} {event.status}"
