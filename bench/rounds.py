"""Paired rounds: every subject runs once in each round, next to the others, so that whatever the machine does meets
all of them.

The order turns round every time, so that none always runs after the same one. The first, short round of each is
thrown away.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from bench import load, process
from bench.figure import Row, Sample
from bench.server import Broken, Server
from bench.setting import Setting

T = TypeVar("T")

WARM_UP_SECONDS = 0.5
HEADROOM = 2 / 3
FOREIGN = 0.15


class Subject(msgspec.Struct, frozen=True):
    """A server, and what is sent to it."""

    name: str
    server: Server
    spec: load.Spec
    remark: str = ""
    behind: tuple[Server, ...] = ()

    @property
    def servers(self) -> tuple[Server, ...]:
        """The server and those it needs, whose processor time counts as its own."""
        return (self.server, *self.behind)


def paired(quantity: str, subjects: Sequence[Subject], setting: Setting) -> list[Row]:
    """Run every subject in every round. Raises Broken where any answer was not the expected one."""
    for subject in subjects:
        send(subject.server, msgspec.structs.replace(subject.spec, seconds=WARM_UP_SECONDS))
    found: dict[str, list[Sample]] = {subject.name: [] for subject in subjects}
    for number in range(setting.rounds):
        for subject in subjects if number % 2 == 0 else reversed(subjects):
            found[subject.name].append(sample(subject))
    return [Row(quantity, subject.name, found[subject.name], subject.remark) for subject in subjects]


def sample(subject: Subject) -> Sample:
    """One round of one subject."""
    core, started = process.core_seconds(subject.spec.core), time.monotonic()
    outcome, cpu, foreign = observed(subject.servers, lambda: send(subject.server, subject.spec))
    core, seconds = process.core_seconds(subject.spec.core) - core, time.monotonic() - started
    return Sample(
        rate=outcome.rate,
        cpu_us=cpu / outcome.requests * 1e6,
        p50=outcome.p50,
        p99=outcome.p99,
        busy=outcome.busy,
        foreign=foreign,
        crowd=max(core - outcome.cpu, 0.0) / seconds,
    )


def send(server: Server, spec: load.Spec) -> load.Outcome:
    """Send the load. Raises Broken where any answer was not the expected one."""
    outcome = load.send(spec)
    server.check()
    if outcome.errors:
        raise Broken(f"{server.command.name} answered {outcome.statuses}, with: {outcome.errors[0]}")
    return outcome


def observed(servers: Sequence[Server], act: Callable[[], T]) -> tuple[T, float, float]:
    """What the act gave, the servers' processor seconds meanwhile, and the share of their core that others took."""
    before, started = _seconds(servers), time.monotonic()
    given = act()
    cpu, core = (now - then for now, then in zip(_seconds(servers), before, strict=True))
    return given, cpu, max(core - cpu, 0.0) / (time.monotonic() - started)


def _seconds(servers: Sequence[Server]) -> tuple[float, float]:
    return sum(server.cpu_seconds() for server in servers), process.core_seconds(servers[0].core)


def warnings(rows: Sequence[Row]) -> list[str]:
    """What makes rows doubtful: a load without headroom, or strangers on the core of either."""
    return [f"{row.quantity}, {row.subject}: {doubt}" for row in rows for doubt in _doubts(row)]


def _doubts(row: Row) -> Iterator[str]:
    busy, foreign, crowd = (row.median(field) for field in ("busy", "foreign", "crowd"))
    if busy > HEADROOM:
        yield f"the load's core was {busy:.0%} busy with it, so the rate may be the load's"
    if foreign > FOREIGN:
        yield f"others (the kernel's disk threads too) took {foreign:.0%} of the server's core"
    if crowd > FOREIGN:
        yield f"others took {crowd:.0%} of the load's core"
