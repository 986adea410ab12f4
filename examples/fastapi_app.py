"""A FastAPI app that takes orders, and exports them in the background.

    pip install accepted fastapi
    uvicorn fastapi_app:app
    curl -i localhost:8000/orders -H content-type:application/json -d '{"item": "tea", "quantity": 3, "price": "4.20"}'
    curl -i localhost:8000/ops/exports -H content-type:application/json -d '{"item": "tea"}'

The second answer is a 202: GET its `Location` until it is a 303 to the file. All of it stands in localhost:8000/docs.
With ORDERS_KEY set, every path wants that key in the header X-Key; the operations are guarded like the app's own.
"""

import csv
import io
import os
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

from accepted import Accepted, Artifact, Attempt


class Order(BaseModel):
    item: str = Field(min_length=1)
    quantity: int = Field(ge=1)
    price: Decimal = Field(ge=0)


class Export(BaseModel):
    """Which orders: all of them, or those of one item."""

    item: str | None = None


async def known(x_key: Annotated[str, Header()] = "") -> None:
    """Let in whoever has the key."""
    if x_key != os.environ.get("ORDERS_KEY", ""):
        raise HTTPException(401, "X-Key is missing or wrong")


app = FastAPI(title="Orders", dependencies=[Depends(known)])
ops = Accepted(database="sqlite:///orders.db")
ops.install(app, prefix="/ops")

orders: list[Order] = []


@app.post("/orders", status_code=201)
async def take(order: Order) -> Order:
    """Take an order."""
    orders.append(order)
    return order


@ops.operation("/exports", result="/exports/{exportId}", result_id="export", retention="1h")
def export(request: Export, attempt: Attempt) -> Artifact:
    """Export orders as CSV.

    A plain function runs in a thread of its own, so it may take its time.
    """
    wanted = [order for order in orders if request.item in {None, order.item}]
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["item", "quantity", "total"])
    for order in attempt.track(wanted, message="Writing orders"):
        table.writerow([order.item, order.quantity, order.quantity * order.price])
    return Artifact(text.getvalue().encode(), media_type="text/csv", filename="orders.csv", rows=len(wanted))
