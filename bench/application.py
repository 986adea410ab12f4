"""The operations that are measured: they do nothing, so that what is measured is Accepted."""

import time

import msgspec

from accepted import Accepted, Failure


class DateRange(msgspec.Struct, frozen=True):
    """A range of days."""

    start: str
    end: str


class Order(msgspec.Struct, frozen=True, rename="camel"):
    """What a report is ordered with: an input of ordinary size that is validated as a user's would be."""

    date_range: DateRange
    format: str


app = Accepted()


@app.operation("/noop", name="noop")
async def noop(order: Order) -> dict[str, bool]:
    """Nothing."""
    return {"done": True}


@app.operation("/start", name="start")
async def start(order: Order) -> dict[str, int]:
    """Say when it was started, by the wall clock of the machine."""
    return {"startedNs": time.time_ns()}


@app.operation("/fail", name="fail")
async def fail(order: Order) -> None:
    """Fail, so that a history has something to filter."""
    raise Failure("Warehouse Unavailable", detail="It always is.", type="warehouse-unavailable", status=503)
