"""Durable accepts per second: POSTs over 64 connections, each 202 committed and fsynced, against the bare responder.

No worker runs, so that nothing but accepting is measured; the file grows by what is accepted. Beside it stand the same
two on uvicorn's pure-Python stack, where the server itself costs more and so what we add weighs less: it explains the
figure and does not replace it.
"""

from bench import ours
from bench.figure import Result, ratio
from bench.rounds import Subject, paired, warnings
from bench.server import Server
from bench.setting import Home, Setting


def measure(setting: Setting) -> Result:
    """Accepts per second, as a share of the bare responder's answers."""
    return _measured("accept", "durable accepts", Setting.directory, setting)


def on_postgres(setting: Setting) -> Result:
    """The same with PostgreSQL on the load's core."""
    return _measured("pg_accept", "durable accepts on PostgreSQL", ours.on_postgres, setting)


def _measured(quantity: str, what: str, home: Home, setting: Setting) -> Result:
    with (
        home(setting) as directory,
        Server(ours.bare(directory), setting.server_core) as bare,
        Server(ours.serve(directory, workers=0), setting.server_core) as accepted,
    ):
        rows = paired(quantity, _subjects(bare, accepted, setting), setting)
    with (
        home(setting) as directory,
        Server(ours.bare(directory, ours.PLAIN), setting.server_core) as bare,
        Server(ours.embedded(directory, ours.PLAIN, ours.WEB), setting.server_core) as accepted,
    ):
        plain = paired(quantity, _subjects(bare, accepted, setting, ours.ON_PLAIN), setting)
    what += " / bare"
    share = ratio(rows[1].rates, rows[0].rates, quantity=quantity, what=what, floor=0.40, aim=0.50)
    beside = ratio(plain[1].rates, plain[0].rates, quantity=quantity, what=what + ours.ON_PLAIN)
    return Result([share, beside], [*rows, *plain], warnings([*rows, *plain]))


def _subjects(bare: Server, accepted: Server, setting: Setting, on: str = "") -> list[Subject]:
    return [
        Subject("bare responder" + on, bare, ours.submits(bare, setting)),
        Subject("Accepted" + on, accepted, ours.submits(accepted, setting)),
    ]
