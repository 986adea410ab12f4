"""The quantities, in the order of the table: each module measures one, knows no other, and gives figures with their
bounds.

The bounds (floor, aim) are those the project set itself before it was built.
"""

from collections.abc import Callable, Mapping

import msgspec

from bench.figure import Result
from bench.quantity import (
    accept,
    auth,
    backlog,
    client,
    complete,
    dashboard,
    deliver,
    drain,
    fanout,
    flood,
    history,
    idle,
    limits,
    memory,
    news,
    peers,
    scale,
    single,
    start,
    status,
)
from bench.setting import Setting


class Quantity(msgspec.Struct, frozen=True):
    """What is measured, in a sentence, and how."""

    summary: str
    measure: Callable[[Setting], Result]


QUANTITIES: Mapping[str, Quantity] = {
    "accept": Quantity("durable accepts per second against the bare responder", accept.measure),
    "peers": Quantity("the same against FastAPI with PgQueuer, Huey, SAQ, Celery", peers.measure),
    "single": Quantity("one POST at a time: median and 99th percentile", single.measure),
    "status": Quantity("status GETs per second against the bare responder", status.measure),
    "complete": Quantity(
        "operations accepted, run and readable as COMPLETED per second, in one process", complete.measure
    ),
    "drain": Quantity("a backlog drained by one worker process, against Huey", drain.measure),
    "deliver": Quantity("webhook deliveries per second to a local receiver, one process", deliver.measure),
    "start": Quantity("202 to the function's start when idle, in one process and across processes", start.measure),
    "history": Quantity(
        "the cost of requests with 1,000,000 finished operations behind them against 1,000", history.measure
    ),
    "fanout": Quantity("events to 1,000 followers against a bare ASGI loop, and their delay", fanout.measure),
    "idle": Quantity("memory and processor time of streams on which nothing happens", idle.measure),
    "news": Quantity("from attempt.progress in a worker process to the byte at a client", news.measure),
    "client": Quantity("an operation by the Python client against the same by hand with httpx2", client.measure),
    "limits": Quantity("what authentication and limits cost durable accepts per second", limits.measure),
    "auth": Quantity("what an API key costs durable accepts per second", auth.measure),
    "flood": Quantity("an owner's work beside the flood of another, against alone", flood.measure),
    "memory": Quantity("memory of the web process after 100,000 operations", memory.measure),
    "dashboard": Quantity("the dashboard's first paint with 100,000 operations behind it", dashboard.measure),
    "pg_accept": Quantity("on PostgreSQL: durable accepts per second against the bare responder", accept.on_postgres),
    "pg_status": Quantity("on PostgreSQL: status GETs per second against the bare responder", status.on_postgres),
    "pg_peers": Quantity(
        "on PostgreSQL: accepts against FastAPI with PgQueuer, Procrastinate, DBOS, Oban on the same server",
        peers.on_postgres,
    ),
    "pg_drain": Quantity("on PostgreSQL: a backlog drained by one worker process, against PgQueuer", drain.on_postgres),
    "pg_start": Quantity("on PostgreSQL: 202 to the function's start in another process, when idle", start.on_postgres),
    "pg_news": Quantity("on PostgreSQL: from attempt.progress on one node to a client of another", news.on_postgres),
    "pg_history": Quantity(
        "on PostgreSQL: claims and requests with 1,000,000 operations waiting and as many ended, against 1,000",
        backlog.on_postgres,
    ),
    "pg_scale": Quantity("on PostgreSQL: accepts and completions by 1, 2 and 4 processes", scale.on_postgres),
}
