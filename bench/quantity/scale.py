"""Whether more processes do more on PostgreSQL: accepts by 1, 2 and 4 web processes, and a backlog drained by as many
workers.

Nobody is pinned: database, processes and load share both cores, and the system moves them about. So the last figures
say when the cores are full, not what more cores would give.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench import load, ours, postgres, process
from bench.client import Client
from bench.figure import Result, Row, Sample, ratio
from bench.rounds import send
from bench.server import Command, Server, until
from bench.setting import Setting

PROCESSES = (1, 2, 4)
BACKLOG = 5_000


def on_postgres(setting: Setting) -> Result:
    """Rates with each number of processes, and what two and four make of the rate of one."""
    accepts: dict[int, list[Sample]] = {number: [] for number in PROCESSES}
    drains: dict[int, list[Sample]] = {number: [] for number in PROCESSES}
    for _ in range(setting.rounds):
        for number in PROCESSES:
            accepts[number].append(_accepts(number, setting))
            drains[number].append(_drains(number, setting))
    rows = {
        what: [Row("pg_scale", f"{what}, {number} processes", found[number]) for number in PROCESSES]
        for what, found in (("accepts", accepts), ("completions", drains))
    }
    figures = [
        ratio(
            more.rates,
            one.rates,
            quantity="pg_scale",
            what=f"{what} on PostgreSQL with {number} processes / 1",
            floor=1.0 if number == 2 else None,
        )
        for what, (one, *others) in rows.items()
        for number, more in zip(PROCESSES[1:], others, strict=True)
    ]
    return Result(figures, [row for some in rows.values() for row in some])


def _accepts(number: int, setting: Setting) -> Sample:
    """All web processes at once, each with its share of the connections."""
    with ExitStack() as stack:
        directory = _home(stack, setting)
        servers = _started(stack, [ours.serve(directory, workers=0)] * number, setting)
        specs = [_share(ours.submits(server, setting), number) for server in servers]
        for server, spec in zip(servers, specs, strict=True):
            send(server, msgspec.structs.replace(spec, seconds=0.3))
        before = sum(server.cpu_seconds() for server in servers)
        with ThreadPoolExecutor(number) as threads:
            outcomes = list(threads.map(send, servers, specs))
        cpu = sum(server.cpu_seconds() for server in servers) - before
    answered = sum(outcome.requests for outcome in outcomes)
    rate = sum(outcome.rate for outcome in outcomes)
    return Sample(rate=rate, cpu_us=cpu / answered * 1e6, p50=max(outcome.p50 for outcome in outcomes))


def _share(spec: load.Spec, number: int) -> load.Spec:
    return msgspec.structs.replace(spec, connections=spec.connections // number)


def _drains(number: int, setting: Setting) -> Sample:
    """Between two looks at how many are finished, as in `drain`."""
    count = setting.count(BACKLOG)
    with ExitStack() as stack:
        directory = _home(stack, setting)
        (web,) = _started(stack, [ours.serve(directory, workers=0)], setting)
        ours.fill(web, count, setting.load_core)
        client = stack.enter_context(Client(web.port))
        workers = _started(stack, [ours.worker(directory)] * number, setting)
        until(lambda: ours.completed(client) > 0, 60, "the first operation to be finished", web.check, 0.02)
        first, began = ours.completed(client), time.monotonic()
        before = sum(worker.cpu_seconds() for worker in workers)
        until(lambda: ours.completed(client) >= count, 120, "all operations to be finished", web.check, 0.02)
        drained = max(count - first, 1)
        cpu = sum(worker.cpu_seconds() for worker in workers) - before
        return Sample(rate=drained / (time.monotonic() - began), cpu_us=cpu / drained * 1e6)


def _home(stack: ExitStack, setting: Setting) -> Path:
    directory = stack.enter_context(setting.directory())
    database, url = stack.enter_context(postgres.running(directory, setting.load_core))
    process.pin(database.pid, setting.server_core, setting.load_core)
    return ours.settle(directory, url)


def _started(stack: ExitStack, commands: list[Command], setting: Setting) -> list[Server]:
    servers = [stack.enter_context(Server(command, setting.server_core)) for command in commands]
    for server in servers:
        process.pin(server.pid, setting.server_core, setting.load_core)
    return servers
