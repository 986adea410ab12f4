"""A backlog of no-op operations, submitted first with nobody to run them, then drained by one worker process on one
core: against Huey.

The rate is counted between two looks at the number of finished ones, the first when some are finished and the last
when all are, so the start of the process is not in it. Huey is SqliteHuey as shipped (WAL, SQLite's own
synchronous=FULL), one worker thread, results stored; its queue is looked at in its file. Accepted's web process stays
up to be asked, on the load's core.
"""

import time
from collections.abc import Callable

from bench import ours, postgres, process
from bench.client import Client
from bench.figure import Figure, Result, Row, Sample, ratio
from bench.peers import huey, pgqueuer
from bench.rounds import observed
from bench.server import Server, until
from bench.setting import Home, Setting

OPERATIONS = 10_000
LIMIT_SECONDS = 180.0
LOOK_SECONDS = 0.02


def measure(setting: Setting) -> Result:
    """Operations drained per second, as a multiple of Huey's."""
    count = setting.count(OPERATIONS)
    theirs, mine = [], []
    for _ in range(setting.rounds):
        theirs.append(_huey(count, setting))
        mine.append(_accepted(count, setting))
    rows = [Row("drain", "Huey", theirs, huey.WORKER), Row("drain", "Accepted", mine)]
    return Result([_figure(rows[1], rows[0])], rows, [f"drain: {count:,} operations a round"])


def on_postgres(setting: Setting) -> Result:
    """The same as a multiple of PgQueuer's, each on a fresh PostgreSQL on the load's core."""
    count = setting.count(OPERATIONS)
    shipped, large, mine = [], [], []
    for _ in range(setting.rounds):
        shipped.append(_pgqueuer(count, setting, pgqueuer.SHIPPED))
        large.append(_pgqueuer(count, setting, pgqueuer.LARGE))
        mine.append(_accepted(count, setting, ours.on_postgres))
    rows = [
        Row("pg_drain", "PgQueuer", shipped, f"batches of {pgqueuer.SHIPPED}, as shipped"),
        Row("pg_drain", f"PgQueuer, batches of {pgqueuer.LARGE}", large),
        Row("pg_drain", "Accepted", mine),
    ]
    what = "backlog on PostgreSQL drained by one worker / "
    figures = [
        ratio(rows[2].rates, rows[0].rates, quantity="pg_drain", what=what + rows[0].subject, floor=2.0, aim=3.0),
        ratio(rows[2].rates, rows[1].rates, quantity="pg_drain", what=what + rows[1].subject),
    ]
    return Result(figures, rows, [f"pg_drain: {count:,} operations a round"])


def _figure(mine: Row, theirs: Row) -> Figure:
    return ratio(
        mine.rates, theirs.rates, quantity="drain", what="backlog drained by one worker / Huey", floor=2.0, aim=4.0
    )


def _accepted(count: int, setting: Setting, home: Home = Setting.directory) -> Sample:
    with home(setting) as directory, Server(ours.serve(directory, workers=0), setting.server_core) as web:
        ours.fill(web, count, setting.load_core)
        process.pin(web.pid, setting.load_core)
        with Server(ours.worker(directory), setting.server_core) as worker, Client(web.port) as client:
            return _drained(worker, count, lambda: ours.completed(client))


def _huey(count: int, setting: Setting) -> Sample:
    with setting.directory() as directory:
        huey.fill(directory, count)
        with Server(huey.worker(directory), setting.server_core) as worker:
            return _drained(worker, count, lambda: count - huey.queued(directory))


def _pgqueuer(count: int, setting: Setting, batch: int) -> Sample:
    with setting.directory() as directory, postgres.running(directory, setting.load_core) as (_, url):
        pgqueuer.fill(url, count)
        worker = Server(pgqueuer.worker(directory, url, batch), setting.server_core)
        with worker, postgres.Asking(url) as asking:
            return _drained(worker, count, lambda: count - pgqueuer.queued(asking))


def _drained(worker: Server, count: int, finished: Callable[[], int]) -> Sample:
    """Wait for the first ones, then for all; the rate is that of what lay between."""
    until(lambda: finished() > 0, LIMIT_SECONDS, "the first operation to be finished", worker.check, LOOK_SECONDS)
    first, started = finished(), time.monotonic()
    _, cpu, foreign = observed([worker], lambda: _all(worker, count, finished))
    drained = max(count - first, 1)
    return Sample(rate=drained / (time.monotonic() - started), cpu_us=cpu / drained * 1e6, foreign=foreign)


def _all(worker: Server, count: int, finished: Callable[[], int]) -> None:
    until(
        lambda: finished() >= count,
        LIMIT_SECONDS,
        f"all {count:,} operations to be finished",
        worker.check,
        LOOK_SECONDS,
    )
