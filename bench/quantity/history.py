"""What a long history costs: the same requests on a file with 1,000,000 finished operations and on one with 1,000.

Both servers stand side by side and take turns. The figure is time per request behind the long history over time
behind the short one, for a submit, a status, the first page of /jobs and a filtered page.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench import ours
from bench.client import Client
from bench.figure import Figure, Result, Row, ratio
from bench.load import Spec
from bench.rounds import Subject, paired, warnings
from bench.seed import Seeded, seed
from bench.server import Server, until
from bench.setting import Setting

SHORT, LONG = 1_000, 1_000_000
CONNECTIONS = 8
STATUSES = 20_000
FIRST_PAGE = "/jobs?limit=10"
FILTERED_PAGE = "/jobs?status=FAILED&type=fail&limit=10"
ORIGINALS = {"/noop": 14, "/start": 5, "/fail": 1}  # what the history is made of: one in twenty has failed


class Side(msgspec.Struct, frozen=True):
    """One of the two servers, and what its file was filled with."""

    server: Server
    seeded: Seeded


def measure(setting: Setting) -> Result:
    """Time per request with the long history, as a multiple of that with the short one."""
    with setting.directory() as near, setting.directory() as far:
        few, many = _seed(near, SHORT, setting), _seed(far, setting.count(LONG), setting)
        with (
            Server(ours.serve(near, workers=0), setting.server_core) as short,
            Server(ours.serve(far, workers=0), setting.server_core) as long,
        ):
            return _result(Side(short, few), Side(long, many), setting)


def _seed(directory: Path, count: int, setting: Setting) -> Seeded:
    """Run some operations to their end, and copy them into a history."""
    with Server(ours.embedded(directory), setting.server_core) as server, Client(server.port) as client:
        for path, number in ORIGINALS.items():
            ours.fill(server, number, setting.load_core, path)
        until(lambda: _ended(client) == sum(ORIGINALS.values()), 30, "the originals to end", server.check)
    return seed(ours.database(directory), count)


def _ended(client: Client) -> int:
    found: int = client.get("/jobs?status=COMPLETED&status=FAILED&limit=1").json()["pagination"]["totalElements"]
    return found


def _result(short: Side, long: Side, setting: Setting) -> Result:
    figures: list[Figure] = []
    rows: list[Row] = []
    for what, spec in REQUESTS.items():
        subjects = [
            Subject(f"{what}, {side.seeded.count:,}", side.server, _few(spec(side, setting))) for side in (short, long)
        ]
        pair = paired("history", subjects, setting)
        figures.append(_figure(what, pair))
        rows += pair
    return Result(figures, rows, warnings(rows))


def _figure(what: str, pair: Sequence[Row]) -> Figure:
    what = f"{what}: long history / short, time per request"
    return ratio(pair[0].rates, pair[1].rates, quantity="history", what=what, floor=1.25, aim=1.1, smaller=True)


def _few(spec: Spec) -> Spec:
    return msgspec.structs.replace(spec, connections=CONNECTIONS)


def _submit(side: Side, setting: Setting) -> Spec:
    return ours.submits(side.server, setting)


def _status(side: Side, setting: Setting) -> Spec:
    ids = random.Random(17).choices(side.seeded.ids, k=STATUSES)
    return ours.reads(side.server, setting, [f"/operations/{each}" for each in ids], [200, 303])


def _first_page(side: Side, setting: Setting) -> Spec:
    return ours.reads(side.server, setting, [FIRST_PAGE], [200])


def _filtered_page(side: Side, setting: Setting) -> Spec:
    return ours.reads(side.server, setting, [FILTERED_PAGE], [200])


REQUESTS: dict[str, Callable[[Side, Setting], Spec]] = {
    "status": _status,
    "first page of /jobs": _first_page,
    "filtered page of /jobs": _filtered_page,
    "submit": _submit,
}
