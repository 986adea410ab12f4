"""Durable accepts per second: POSTs over 64 connections, each 202 committed and fsynced, against the bare responder.

No worker runs, so that nothing but accepting is measured; the file grows by what is accepted.
"""

from bench import ours
from bench.figure import Result, ratio
from bench.rounds import Subject, paired, warnings
from bench.server import Server
from bench.setting import Setting


def measure(setting: Setting) -> Result:
    """Accepts per second, as a share of the bare responder's answers."""
    with (
        setting.directory() as directory,
        Server(ours.bare(directory), setting.server_core) as bare,
        Server(ours.serve(directory, workers=0), setting.server_core) as accepted,
    ):
        yardstick, rows = paired("accept", _subjects(bare, accepted, setting), setting)
    share = ratio(rows.rates, yardstick.rates, quantity="accept", what="durable accepts / bare", floor=0.40, aim=0.50)
    return Result([share], [yardstick, rows], warnings([yardstick, rows]))


def _subjects(bare: Server, accepted: Server, setting: Setting) -> list[Subject]:
    return [
        Subject("bare responder", bare, ours.submits(bare, setting)),
        Subject("Accepted", accepted, ours.submits(accepted, setting)),
    ]
