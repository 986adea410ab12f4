"""What 1,000,000 operations that wait and 1,000,000 that have ended cost on PostgreSQL: the same claims and requests as
with 1,000 of each, in two databases of one server.

Both sides take turns. A claim is timed from within: one commit that takes the next operation, which another hands back.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from accepted.contract.transition import Claim, Release, Renew
from accepted.store.postgres import PostgresStore
from bench import ours, postgres
from bench.figure import Result, Row, ratio
from bench.load import Spec
from bench.rounds import Subject, paired, warnings
from bench.seed_postgres import seed
from bench.server import Server
from bench.setting import Setting

SHORT, LONG = 1_000, 1_000_000
ORIGINALS = 20  # that wait, and as many that have ended
CONNECTIONS = 8
CLAIMS = 100
WORKER = "bench"
DAY = 86_400_000


class Side(msgspec.Struct, frozen=True):
    """One of the two databases, and some of the ids in it."""

    directory: Path
    number: int
    ids: Sequence[str]


def on_postgres(setting: Setting) -> Result:
    """Time with the many, as a multiple of that with the few."""
    with ExitStack() as stack:
        _, url = stack.enter_context(postgres.running(stack.enter_context(setting.directory()), setting.load_core))
        sides = [
            _filled(stack, postgres.another(url, name), number, setting)
            for name, number in (("few", SHORT), ("many", setting.count(LONG)))
        ]
        times = asyncio.run(_claims(sides, setting.rounds))
        figures = [ratio(times[1], times[0], **_bounds("claim"))]
        servers = [
            stack.enter_context(Server(ours.serve(side.directory, workers=0), setting.server_core)) for side in sides
        ]
        rows: list[Row] = []
        for what, spec in REQUESTS.items():
            subjects = [
                Subject(f"{what}, {side.number:,} + {side.number:,}", server, _few(spec(server, side, setting)))
                for side, server in zip(sides, servers, strict=True)
            ]
            pair = paired("pg_history", subjects, setting)
            figures.append(ratio(pair[0].rates, pair[1].rates, **_bounds(what)))
            rows += pair
    note = f"pg_history: a claim took {statistics.median(times[0]):.2f} ms with the few"
    return Result(figures, rows, [note, *warnings(rows)])


def _bounds(what: str) -> dict[str, object]:
    told = f"{what} on PostgreSQL: many pending and finished / few, time"
    return {"quantity": "pg_history", "what": told, "floor": 1.25, "aim": 1.1, "smaller": True}


def _filled(stack: ExitStack, url: str, number: int, setting: Setting) -> Side:
    """Some operations are run to their end, as many are left waiting, and all are copied."""
    directory = ours.settle(stack.enter_context(setting.directory()), url)
    with Server(ours.embedded(directory), setting.server_core) as server:
        ours.fill(server, ORIGINALS, setting.load_core)
        ours.await_completed(server, ORIGINALS, seconds=30)
    with Server(ours.serve(directory, workers=0), setting.server_core) as server:
        ours.fill(server, ORIGINALS, setting.load_core)
    return Side(directory, number, seed(url, number // ORIGINALS))


async def _claims(sides: Sequence[Side], rounds: int) -> list[list[float]]:
    """Milliseconds of a claim: the median of each round, by side."""
    stores = [PostgresStore(ours.url(side.directory)) for side in sides]
    for store in stores:
        await store.open()
        await store.commit([Renew(WORKER, DAY, first=True)])
        await _claim(store)
    found: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for times, store in zip(found, stores, strict=True):
            times.append(statistics.median([await _claim(store) for _ in range(CLAIMS)]))
    for store in stores:
        await store.close()
    return found


async def _claim(store: PostgresStore) -> float:
    began = time.perf_counter()
    committed = await store.commit([Claim(WORKER, ("noop",), 1)])
    took = time.perf_counter() - began
    for operation in committed.operations:
        await store.commit([Release(operation_id=operation.id, worker=WORKER, attempt=operation.attempt)])
    return took * 1000


def _few(spec: Spec) -> Spec:
    return msgspec.structs.replace(spec, connections=CONNECTIONS)


def _submit(server: Server, _: Side, setting: Setting) -> Spec:
    return ours.submits(server, setting)


def _status(server: Server, side: Side, setting: Setting) -> Spec:
    ids = random.Random(17).choices(side.ids, k=20_000)
    return ours.reads(server, setting, [f"/operations/{each}" for each in ids], [200, 303])


def _listing(server: Server, _: Side, setting: Setting) -> Spec:
    return ours.reads(server, setting, ["/jobs?limit=10", "/jobs?status=COMPLETED&type=noop&limit=10"], [200])


REQUESTS: dict[str, Callable[[Server, Side, Setting], Spec]] = {
    "status": _status,
    "listing": _listing,
    "submit": _submit,
}
