"""Receives webhooks with Flask.

WEBHOOK_SECRET=whsec_... flask --app receiver_flask run
"""

import os

from flask import Flask, abort, request

from accepted import webhooks

app = Flask(__name__)
seen: dict[str, str] = {}  # a real one keeps ids in its database, in the transaction that acts on the event


@app.post("/hooks")
def hook() -> tuple[str, int]:
    """Answer at once; do the work elsewhere."""
    try:
        event = webhooks.verify(request.headers, request.get_data(), os.environ["WEBHOOK_SECRET"])
    except webhooks.InvalidSignature as error:
        abort(400, str(error))
    if event.id not in seen:  # a delivery may come twice
        seen[event.id] = f"{event.operation_id} {event.status}"
    return "", 204
