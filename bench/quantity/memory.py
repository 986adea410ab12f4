"""Memory of the web process while 100,000 operations pass through it, with one worker process beside it.

Flat matters more than small: what it held at each fifth of the way is told beside what it held at the end.
"""

from collections.abc import Iterator

from bench import ours, process
from bench.figure import Figure, Result
from bench.server import Server
from bench.setting import Setting

OPERATIONS = 100_000
STEPS = 5


def measure(setting: Setting) -> Result:
    """MiB resident at the end; low and high are over the steps from the first fifth on."""
    with setting.directory() as directory, Server(ours.serve(directory, workers=1), setting.server_core) as server:
        before = process.memory_mib(server.web_pid())
        steps = list(_steps(server, setting))
    resident = [rss for rss, _ in steps]
    figure = Figure(
        quantity="memory",
        what=f"web process after {setting.count(OPERATIONS // STEPS) * STEPS:,} operations, RSS",
        value=resident[-1],
        low=min(resident),
        high=max(resident),
        rounds=1,
        unit="MiB",
        floor=80.0,
        aim=60.0,
        smaller=True,
    )
    way = ", ".join(f"{rss:.1f}" for rss in resident)
    note = f"memory: RSS {before[0]:.1f} MiB at first, {way} by fifths; PSS {before[1]:.1f}, then {steps[-1][1]:.1f}"
    return Result([figure], notes=[note])


def _steps(server: Server, setting: Setting) -> Iterator[tuple[float, float]]:
    """RSS and PSS after each further fifth is COMPLETED."""
    for number in range(STEPS):
        count = setting.count(OPERATIONS // STEPS)
        ours.fill(server, count, setting.load_core)
        ours.await_completed(server, count * (number + 1), seconds=max(120.0, count / 50), pause=0.2)
        yield process.memory_mib(server.web_pid())
