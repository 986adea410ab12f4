"""The way of one report: from `attempt.progress` in a worker process, through the file, to the byte at a client of the
web process.
"""

from bench import follow, ours
from bench.client import Client
from bench.figure import Result, figure
from bench.server import Broken, Server
from bench.setting import Setting

REPORTS = 40


def measure(setting: Setting) -> Result:
    """The median over all reports of a round."""
    with setting.directory() as directory, Server(ours.telling(directory), setting.server_core) as server:
        what = "attempt.progress in a worker process to the byte at the client, median"
        return _told(what, server, server, setting, (25.0, 10.0))


def on_postgres(setting: Setting) -> Result:
    """The same across nodes: one has web and worker processes, the client listens at another."""
    with (
        ours.on_postgres(setting) as directory,
        Server(ours.telling(directory), setting.server_core) as one,
        Server(ours.telling(directory, workers=0), setting.server_core) as other,
    ):
        what = "attempt.progress on one node to the byte at a client of another, by PostgreSQL, median"
        return _told(what, one, other, setting, (40.0, 15.0))


def _told(what: str, asked: Server, heard: Server, setting: Setting, bounds: tuple[float, float]) -> Result:
    """Submitted at one server and followed at the other, or at the same; the bounds are a floor and an aim."""
    medians, slowest = [], []
    for _ in range(setting.rounds):
        with Client(asked.port) as client:
            location = client.post("/telling", str(REPORTS).encode()).headers["location"]
        spec = follow.Spec(
            port=heard.port,
            paths=[f"{location}/stream"],
            followers=1,
            seconds=REPORTS * 0.15 + 1,
            until_completed=True,
            core=setting.load_core,
        )
        outcome = follow.measure(spec)
        if outcome.errors or outcome.deliveries < REPORTS / 2:
            raise Broken(f"{outcome.deliveries} of {REPORTS} reports came: {outcome.errors}")
        medians.append(outcome.p50)
        slowest.append(outcome.p99)
    found = figure(medians, quantity="news", what=what, unit="ms", floor=bounds[0], aim=bounds[1], smaller=True)
    return Result([found], notes=[f"{what}: 99th percentiles {min(slowest):.1f} to {max(slowest):.1f} ms"])
