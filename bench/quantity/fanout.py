"""Events to 1,000 followers of one operation: deliveries per second against a bare ASGI loop, and their delay.

Deliveries are counted at the client. The next event is published when all have the one before, so that nothing is
joined and both write as many times. The delay is from just before the publishing request to the byte at the client, at
20,000 deliveries a second.
"""

from bench import follow, live, ours
from bench.figure import Figure, Result, Row, Sample, figure, ratio
from bench.rounds import observed
from bench.server import Broken, Server
from bench.setting import Setting

FOLLOWERS = 1_000
RATE = 20.0  # events a second: 20,000 deliveries


def measure(setting: Setting) -> Result:
    """The ratio of deliveries, and the delay of ours."""
    with (
        setting.directory() as directory,
        Server(ours.live(directory, "bare"), setting.server_core) as bare,
        Server(ours.live(directory, "published"), setting.server_core) as published,
    ):
        subjects = {"bare loop": bare, "Accepted": published}
        found: dict[str, list[Sample]] = {name: [] for name in subjects}
        delays = []
        for server in subjects.values():
            _sample(server, setting, seconds=0.5)
        for number in range(setting.rounds):
            for name in subjects if number % 2 == 0 else reversed(subjects):
                found[name].append(_sample(subjects[name], setting, seconds=setting.seconds))
            delays.append(_sample(published, setting, seconds=setting.seconds, rate=RATE))
    rows = [Row("fanout", name, samples) for name, samples in found.items()]
    paced = Row("fanout", "Accepted at 20,000 a second", delays)
    return Result([_share(rows), _delay(paced)], [*rows, paced])


def _share(rows: list[Row]) -> Figure:
    bare, accepted = rows
    what = "deliveries to 1,000 followers / bare ASGI loop"
    return ratio(accepted.rates, bare.rates, quantity="fanout", what=what, floor=0.5, aim=0.7)


def _delay(row: Row) -> Figure:
    return figure(
        [sample.p99 for sample in row.samples],
        quantity="fanout",
        what="publish to client at 20,000 deliveries a second, 99th percentile",
        unit="ms",
        floor=100.0,
        aim=60.0,
        smaller=True,
    )


def _sample(server: Server, setting: Setting, *, seconds: float, rate: float = 0.0) -> Sample:
    spec = follow.Spec(
        port=server.port,
        paths=[live.STREAM],
        followers=FOLLOWERS,
        seconds=seconds,
        rate=rate,
        closed=not rate,
        core=setting.load_core,
    )
    ours.publish(server)  # so that there is an operation to follow
    outcome, cpu, foreign = observed([server], lambda: follow.measure(spec))
    server.check()
    if outcome.errors or not outcome.deliveries:
        raise Broken(f"{server.command.name}: {outcome.errors or 'nothing was delivered'}")
    each = cpu / outcome.deliveries * 1e6
    return Sample(
        rate=outcome.deliveries / outcome.seconds,
        cpu_us=each,
        p50=outcome.p50,
        p99=outcome.p99,
        busy=outcome.busy,
        foreign=foreign,
    )
