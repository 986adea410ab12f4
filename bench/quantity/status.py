"""Status GETs per second over 64 connections, against the bare responder.

The ids are a mix: one half of the operations is COMPLETED (303 with the document), the other PENDING with nobody to
run it (200). There are so many of them that none is polled faster than its minimum interval allows. Beside it stand
the same two on uvicorn's pure-Python stack, to explain the figure, not to replace it.
"""

from pathlib import Path

from bench import ours
from bench.figure import Result, ratio
from bench.rounds import Subject, paired, warnings
from bench.server import Server
from bench.setting import Home, Setting

OPERATIONS = 10_000


def measure(setting: Setting) -> Result:
    """Status documents per second, as a share of the bare responder's answers."""
    return _measured("status", "status GETs", Setting.directory, setting, floor=0.45, aim=0.60)


def on_postgres(setting: Setting) -> Result:
    """The same with PostgreSQL on the load's core."""
    return _measured("pg_status", "status GETs on PostgreSQL", ours.on_postgres, setting, floor=0.40, aim=0.50)


def _measured(quantity: str, what: str, home: Home, setting: Setting, *, floor: float, aim: float) -> Result:
    with home(setting) as directory:
        finished = _finished(directory, setting)
        with (
            Server(ours.bare(directory), setting.server_core) as bare,
            Server(ours.serve(directory, workers=0), setting.server_core) as accepted,
        ):
            waiting = ours.fill(accepted, setting.count(OPERATIONS // 2), setting.load_core).locations
            paths = [path for pair in zip(finished, waiting, strict=True) for path in pair]
            rows = paired(quantity, _subjects(bare, accepted, paths, setting), setting)
        with (
            Server(ours.bare(directory, ours.PLAIN), setting.server_core) as bare,
            Server(ours.embedded(directory, ours.PLAIN, ours.WEB), setting.server_core) as accepted,
        ):
            plain = paired(quantity, _subjects(bare, accepted, paths, setting, ours.ON_PLAIN), setting)
    what += " / bare"
    share = ratio(rows[1].rates, rows[0].rates, quantity=quantity, what=what, floor=floor, aim=aim)
    beside = ratio(plain[1].rates, plain[0].rates, quantity=quantity, what=what + ours.ON_PLAIN)
    return Result([share, beside], [*rows, *plain], warnings([*rows, *plain]))


def _finished(directory: Path, setting: Setting) -> list[str]:
    """The status paths of operations that have run to their end."""
    count = setting.count(OPERATIONS // 2)
    with Server(ours.embedded(directory), setting.server_core) as server:
        paths = ours.fill(server, count, setting.load_core).locations
        ours.await_completed(server, count, seconds=120)
    return paths


def _subjects(bare: Server, accepted: Server, paths: list[str], setting: Setting, on: str = "") -> list[Subject]:
    return [
        Subject("bare responder" + on, bare, ours.reads(bare, setting, paths, [202])),
        Subject("Accepted" + on, accepted, ours.reads(accepted, setting, paths, [200, 303])),
    ]
