"""One POST at a time, on one connection: what a single caller waits for a durable 202.

Alone, a request pays a whole commit; the disk's own share of that stands among the machine's facts.
"""

import msgspec

from bench import ours
from bench.figure import Result, figure
from bench.load import Spec
from bench.rounds import Subject, paired, warnings
from bench.server import Server
from bench.setting import Setting


def measure(setting: Setting) -> Result:
    """Milliseconds from request to 202: with no worker, and with one inside that runs what was accepted."""
    with (
        setting.directory() as directory,
        setting.directory() as other,
        Server(ours.serve(directory, workers=0), setting.server_core) as web,
        Server(ours.embedded(other), setting.server_core) as embedded,
    ):
        subjects = [
            Subject("web alone", web, _spec(web, setting)),
            Subject("worker inside", embedded, _spec(embedded, setting)),
        ]
        rows = paired("single", subjects, setting)
    medians = [sample.p50 for sample in rows[0].samples]
    slowest = [sample.p99 for sample in rows[0].samples]
    figures = [
        figure(medians, quantity="single", what="one POST, median", unit="ms", floor=1.5, aim=1.1, smaller=True),
        figure(slowest, quantity="single", what="one POST, 99th percentile", unit="ms", smaller=True),
    ]
    return Result(figures, rows, warnings(rows))


def _spec(server: Server, setting: Setting) -> Spec:
    return msgspec.structs.replace(ours.submits(server, setting), connections=1)
