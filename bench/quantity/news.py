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
    medians, slowest = [], []
    with setting.directory() as directory, Server(ours.telling(directory), setting.server_core) as server:
        for _ in range(setting.rounds):
            with Client(server.port) as client:
                location = client.post("/telling", str(REPORTS).encode()).headers["location"]
            spec = follow.Spec(
                port=server.port,
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
    what = "attempt.progress in a worker process to the byte at the client, median"
    found = figure(medians, quantity="news", what=what, unit="ms", floor=25.0, aim=10.0, smaller=True)
    return Result([found], notes=[f"news: 99th percentiles {min(slowest):.1f} to {max(slowest):.1f} ms"])
