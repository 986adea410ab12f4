"""Webhook deliveries per second: an outbox that is full is emptied by one process, to a receiver on the same machine.

Each delivery is claimed, sent with both signatures and written down. The rate is that of the receiver, from the first
request to the last; that none came twice is checked.
"""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from accepted.contract.operation import Result as Returned
from accepted.contract.operation import operation_id
from accepted.contract.transition import Accept, Claim, Complete, Renew, Resign, Transition
from accepted.contract.webhook import DEFAULT_EVENTS, Registration
from accepted.store.sqlite import SqliteStore
from bench import ours
from bench.client import Client
from bench.figure import Figure, Result, Row, Sample
from bench.rounds import observed, warnings
from bench.server import Broken, Command, Server, until
from bench.setting import Setting

DELIVERIES_A_SECOND = 2_000  # only sets how many a round has
DEVELOPMENT = {"ACCEPTED_WEBHOOK_ALLOW_HTTP": "true", "ACCEPTED_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}
DAY = 86_400_000


def measure(setting: Setting) -> Result:
    """Deliveries a second."""
    count = setting.count(int(DELIVERIES_A_SECOND * setting.seconds))
    _round(count // 10, setting)
    samples = [_round(count, setting) for _ in range(setting.rounds)]
    row = Row("deliver", "Accepted, one process", samples, f"{count:,} deliveries a round")
    figure = Figure(
        quantity="deliver",
        what="webhook deliveries a second, one process",
        value=row.median("rate"),
        low=min(row.rates),
        high=max(row.rates),
        rounds=setting.rounds,
        floor=500.0,
        aim=1500.0,
    )
    return Result([figure], [row], warnings([row]))


def _round(count: int, setting: Setting) -> Sample:
    with setting.directory() as directory, Server(_receiver(directory), setting.load_core) as receiver:
        asyncio.run(_fill(ours.database(directory), count, f"http://127.0.0.1:{receiver.port}/hooks"))
        command = ours.embedded(directory)
        command = msgspec.structs.replace(command, environment={**command.environment, **DEVELOPMENT})
        with Server(command, setting.server_core) as server, Client(receiver.port) as client:
            seen, cpu, foreign = observed([server], lambda: _all(client, server, count))
    if seen["requests"] != count:
        raise Broken(f"{count} deliveries came as {seen['requests']} requests")
    return Sample(rate=(count - 1) / (seen["last"] - seen["first"]), cpu_us=cpu / count * 1e6, foreign=foreign)


def _all(client: Client, server: Server, count: int) -> dict[str, Any]:
    def told() -> dict[str, Any]:
        found: dict[str, Any] = client.get("/").json()
        return found

    until(lambda: told()["count"] >= count, 120.0, f"{count:,} deliveries", server.check, pause=0.1)
    return told()


def _receiver(directory: Path) -> Command:
    argv = (sys.executable, "-m", "bench.receiver", "{port}")
    return Command(name="receiver", argv=argv, directory=directory, ready="/")


async def _fill(database: Path, count: int, url: str) -> None:
    """Operations that are COMPLETED, each with a delivery that waits."""
    store = SqliteStore(str(database))
    await store.open()
    await store.commit([Renew("bench", DAY, True)])
    webhook = Registration(url, DEFAULT_EVENTS, ("whsec_" + "A" * 43 + "=",), "http://127.0.0.1", url.split("/")[2])
    for batch in _batches((await store.now()).wall, count, webhook):
        await store.commit(batch)
    await store.commit([Resign("bench")])
    await store.close()


def _batches(now: int, count: int, webhook: Registration) -> Iterator[list[Transition]]:
    ids = [operation_id(now - count + number, number) for number in range(count)]
    result = Returned(msgspec.Raw(b'{"rows":1000,"total":"12345.67"}'))
    for start in range(0, count, 250):
        some = ids[start : start + 250]
        accepts = [Accept(id, "noop", "", ours.BODY.encode(), DAY, 2000, webhook=webhook) for id in some]
        yield [*accepts, Claim("bench", ("noop",), len(some))]
        yield [Complete(operation_id=id, worker="bench", attempt=1, result=result) for id in some]
