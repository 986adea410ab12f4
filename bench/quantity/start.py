"""From the 202 to the start of the function, when nothing else is to do: in one process, and from web to worker
process.

One operation at a time. The client notes the wall clock when the first bytes of the 202 come in, the function notes
it as its first act; both run on one machine, so both read the same clock. Below zero the function began before the
client had read its answer.
"""

import time
from collections.abc import Sequence

from bench import ours
from bench.client import Client
from bench.figure import Figure, Result, figure, percentile
from bench.server import Broken, Command, Server
from bench.setting import Setting

PER_ROUND = 100
WARM_UP = 10
IDLE_SECONDS = 0.03  # long against what is measured, so that the question for the result meets nothing that runs


def measure(setting: Setting) -> Result:
    """Milliseconds: median and 99th percentile, each as the median of the rounds."""
    with setting.directory() as directory:
        inside = _figures("in one process", ours.embedded(directory), setting, (2.0, 1.0), (10.0, 5.0))
    with setting.directory() as directory:
        across = _figures("across processes", ours.serve(directory, workers=1), setting, (15.0, 5.0), (40.0, 15.0))
    note = f"start: {PER_ROUND} operations a round, one at a time, {IDLE_SECONDS * 1000:.0f} ms apart"
    return Result([*inside, *across], notes=[note])


def on_postgres(setting: Setting) -> Result:
    """The same across processes, with PostgreSQL on the load's core."""
    with ours.on_postgres(setting) as directory:
        where, command = "across processes on PostgreSQL", ours.serve(directory, workers=1)
        return Result(_figures(where, command, setting, (5.0, 3.0), (30.0, 15.0)))


def _figures(
    where: str, command: Command, setting: Setting, middle: tuple[float, float], tail: tuple[float, float]
) -> list[Figure]:
    """Median and 99th percentile; each bound is a floor and an aim."""
    with Server(command, setting.server_core) as server, Client(server.port) as client:
        _round(client, WARM_UP)
        rounds = [_round(client, PER_ROUND) for _ in range(setting.rounds)]
    return [
        _figure(f"202 to start {where}, median", [percentile(values, 0.5) for values in rounds], middle),
        _figure(f"202 to start {where}, 99th percentile", [percentile(values, 0.99) for values in rounds], tail),
    ]


def _figure(what: str, values: Sequence[float], bounds: tuple[float, float]) -> Figure:
    return figure(values, quantity="start", what=what, unit="ms", floor=bounds[0], aim=bounds[1], smaller=True)


def _round(client: Client, count: int) -> list[float]:
    return [_one(client) for _ in range(count)]


def _one(client: Client) -> float:
    answer = client.post("/start", ours.BODY.encode())
    if answer.status != 202:
        raise Broken(f"POST /start answered {answer.status}: {answer.body[:300]!r}")
    started: int = _result(client, answer.headers["location"])["startedNs"]
    return (started - answer.received_ns) / 1e6


def _result(client: Client, path: str) -> dict[str, int]:
    for _ in range(200):
        time.sleep(IDLE_SECONDS)
        answer = client.get(f"{path}/result")
        if answer.status == 200:
            given: dict[str, int] = answer.json()
            return given
    raise Broken(f"{path} had no result after {200 * IDLE_SECONDS:.0f} s: {answer.status} {answer.body[:300]!r}")
