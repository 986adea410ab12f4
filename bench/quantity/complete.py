"""No-op operations accepted, run and readable as COMPLETED per second, with web and worker in one process on one
core.

Counted from the first POST until GET /jobs tells of the last one as COMPLETED, so acceptance, claims, results and
reads share the core.
"""

import time
from collections.abc import Sequence

from bench import ours
from bench.figure import Result, Row, Sample, ratio
from bench.rounds import Subject, observed, sample, warnings
from bench.server import Server
from bench.setting import Setting

OPERATIONS_A_SECOND = 4_000  # only sets how many a round has, so that it lasts about as long as the bare responder's


def measure(setting: Setting) -> Result:
    """Whole operations per second, as a share of the bare responder's answers."""
    rows = _pair(setting, ours.COMPILED)
    plain = _pair(setting, ours.PLAIN, ours.ON_PLAIN)  # explains the figure, and does not replace it
    what = "accepted, run, COMPLETED / bare"
    share = ratio(rows[1].rates, rows[0].rates, quantity="complete", what=what, floor=0.25, aim=0.35)
    beside = ratio(plain[1].rates, plain[0].rates, quantity="complete", what=what + ours.ON_PLAIN)
    return Result([share, beside], [*rows, *plain], warnings([*rows, *plain]))


def _pair(setting: Setting, stack: Sequence[str], on: str = "") -> list[Row]:
    count = setting.count(int(OPERATIONS_A_SECOND * setting.seconds))
    with (
        setting.directory() as directory,
        Server(ours.bare(directory, stack), setting.server_core) as bare,
        Server(ours.embedded(directory, stack), setting.server_core) as accepted,
    ):
        _whole(accepted, count // 10, count // 10, setting)
        yardstick: list[Sample] = []
        whole: list[Sample] = []
        for number in range(setting.rounds):
            yardstick.append(sample(Subject("bare responder", bare, ours.submits(bare, setting))))
            whole.append(_whole(accepted, count, count // 10 + count * (number + 1), setting))
    return [
        Row("complete", "bare responder" + on, yardstick),
        Row("complete", "Accepted" + on, whole, f"{count:,} operations a round"),
    ]


def _whole(server: Server, count: int, total: int, setting: Setting) -> Sample:
    """Submit so many more, until `total` are COMPLETED in all."""
    (began, busy), cpu, foreign = observed([server], lambda: _run(server, count, total, setting))
    return Sample(rate=count / (time.monotonic() - began), cpu_us=cpu / count * 1e6, busy=busy, foreign=foreign)


def _run(server: Server, count: int, total: int, setting: Setting) -> tuple[float, float]:
    """When the first POST was sent (monotonic), and how busy the load was."""
    outcome = ours.fill(server, count, setting.load_core)
    ours.await_completed(server, total, seconds=max(120.0, count / 100))
    return outcome.began, outcome.busy
