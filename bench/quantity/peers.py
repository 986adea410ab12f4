"""Accepts per second against the peers: the same load, the same rounds, everything of each subject on the server's
core.

A peer's database or broker is part of what accepts, as Accepted's SQLite is part of its process, so it shares that
core. What each 202 is worth (fsynced or not) stands beside each row. A peer that cannot run here is named, and not
counted.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import ours
from bench.figure import Figure, Result, Row, ratio
from bench.peers.peer import ON_POSTGRES, PEERS, Peer, Running, running, sharing
from bench.rounds import Subject, paired, warnings
from bench.server import Server
from bench.setting import Setting


def measure(setting: Setting) -> Result:
    """Accepted's accepts per second, as a multiple of the best peer's."""
    with ExitStack() as stack:
        directory = stack.enter_context(setting.directory())
        started, notes = _start(stack, directory, setting)
        accepted = stack.enter_context(Server(ours.serve(directory, workers=0), setting.server_core))
        mine = Subject("Accepted", accepted, ours.submits(accepted, setting), "SQLite, WAL, synchronous=FULL")
        subjects = [mine, *(_subject(each, setting) for each in started)]
        rows = paired("peers", subjects, setting)
    figures = _figures(rows, "peers", "durable accepts / the best peer", PEERS)
    return Result(figures, rows, [*notes, *warnings(rows)])


def on_postgres(setting: Setting) -> Result:
    """The same on one PostgreSQL for all of them, which has the load's core; each web process has the server's."""
    with ExitStack() as stack:
        directory = stack.enter_context(ours.on_postgres(setting))
        accepted = stack.enter_context(Server(ours.serve(directory, workers=0), setting.server_core))
        subjects = [Subject("Accepted", accepted, ours.submits(accepted, setting), "PostgreSQL, as shipped")]
        notes = []
        for peer in ON_POSTGRES:
            try:
                web = stack.enter_context(sharing(peer, directory, ours.url(directory), setting.server_core))
            except FileNotFoundError as missing:
                notes.append(f"NOT RUN: {peer.name}: {missing}")
                continue
            subjects.append(Subject(peer.name, web, ours.submits(web, setting), peer.remark))
        rows = paired("pg_peers", subjects, setting)
    what = "durable accepts on PostgreSQL / the best peer on it"
    return Result(_figures(rows, "pg_peers", what, ON_POSTGRES), rows, [*notes, *warnings(rows)])


def _start(stack: ExitStack, directory: Path, setting: Setting) -> tuple[list[Running], list[str]]:
    """The peers that run, and what must be said of those that do not."""
    started, notes = [], []
    for peer in PEERS:
        try:
            started.append(stack.enter_context(running(peer, directory, setting.server_core)))
        except FileNotFoundError as missing:
            notes.append(f"NOT RUN: {peer.name}: {missing}")
    return started, notes


def _subject(running: Running, setting: Setting) -> Subject:
    peer: Peer = running.peer
    return Subject(peer.name, running.web, ours.submits(running.web, setting), peer.remark, running.behind)


def _figures(rows: Sequence[Row], quantity: str, what: str, peers: Sequence[Peer]) -> list[Figure]:
    mine, *others = rows
    if not others:
        return []
    best = max(others, key=lambda row: row.median("rate"))
    told = best.subject if len(others) == len(peers) else f"{best.subject}; NOT ALL RAN"
    return [ratio(mine.rates, best.rates, quantity=quantity, what=f"{what} ({told})", floor=3.0, aim=5.0)]
