"""Durable accepts per second: POSTs over 64 connections, each 202 committed and fsynced, against the bare responder.

No worker runs, so that nothing but accepting is measured; the file grows by what is accepted. Beside it stand the same
two on uvicorn's pure-Python stack, where the server itself costs more and so what we add weighs less: it explains the
figure and does not replace it.
"""

from bench import ours
from bench.figure import Result, Row, ratio
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
        rows = paired("accept", _subjects(bare, accepted, setting), setting)
    plain = _plain(setting)
    what = "durable accepts / bare"
    share = ratio(rows[1].rates, rows[0].rates, quantity="accept", what=what, floor=0.40, aim=0.50)
    beside = ratio(plain[1].rates, plain[0].rates, quantity="accept", what=what + ours.ON_PLAIN)
    return Result([share, beside], [*rows, *plain], warnings([*rows, *plain]))


def on_postgres(setting: Setting) -> Result:
    """The same with PostgreSQL on the load's core."""
    with (
        ours.on_postgres(setting) as directory,
        Server(ours.bare(directory), setting.server_core) as bare,
        Server(ours.serve(directory, workers=0), setting.server_core) as accepted,
    ):
        rows = paired("pg_accept", _subjects(bare, accepted, setting), setting)
    what = "durable accepts on PostgreSQL / bare"
    share = ratio(rows[1].rates, rows[0].rates, quantity="pg_accept", what=what, floor=0.40, aim=0.50)
    return Result([share], rows, warnings(rows))


def _plain(setting: Setting) -> list[Row]:
    with (
        setting.directory() as directory,
        Server(ours.bare(directory, ours.PLAIN), setting.server_core) as bare,
        Server(ours.embedded(directory, ours.PLAIN, ours.WEB), setting.server_core) as accepted,
    ):
        return paired("accept", _subjects(bare, accepted, setting, ours.ON_PLAIN), setting)


def _subjects(bare: Server, accepted: Server, setting: Setting, on: str = "") -> list[Subject]:
    return [
        Subject("bare responder" + on, bare, ours.submits(bare, setting)),
        Subject("Accepted" + on, accepted, ours.submits(accepted, setting)),
    ]
