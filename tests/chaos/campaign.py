"""A service of many nodes on one PostgreSQL, a crowd before it, and a judge behind it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from accepted.history import Verdict
from tests.processes.crowd import Crowd
from tests.processes.diary import Diary
from tests.processes.evidence import listed
from tests.processes.recorder import Recorder
from tests.processes.serving import Server

WEBS, WORKERS = 2, 4
SETTINGS = {"ACCEPTED_MAX_CRASHES": "1000", "ACCEPTED_LOG_FORMAT": "json"}
"""So many deaths may well meet one operation three times; that this ends it is another test's business."""


class Campaign(NamedTuple):
    """What a bad day needs."""

    url: str
    servers: list[Server]
    recorder: Recorder
    diary: Diary

    def crowd(self, *, seed: int, **choices: float) -> Crowd:
        """Clients of all web processes."""
        urls = [server.url for server in self.servers]
        return Crowd(urls, self.recorder, seed=seed, **choices)  # type: ignore[arg-type]  # settings of many types

    async def verdict(self) -> Verdict:
        """Everything that was seen, done and stored, judged."""
        return self.recorder.judged(await listed(self.url), self.diary.records())


@contextlib.contextmanager
def campaign(folder: Path, url: str, **settings: str) -> Iterator[Campaign]:
    """Two servers, each of a web process and two workers. They are ended in good order where the day was survived."""
    with contextlib.ExitStack() as stack:
        choices = {"ACCEPTED_DATABASE_URL": url, **SETTINGS, **settings}
        servers = [
            stack.enter_context(Server(folder, workers=WORKERS // WEBS, **choices))  # type: ignore[arg-type]  # settings of many types
            for _ in range(WEBS)
        ]
        yield Campaign(url, servers, Recorder(folder / "seen"), Diary(folder / "diary"))
        for server in servers:
            server.end()


def sized(scale: int, small: int, full: int) -> int:
    """`small` in `make test`; the figures of the guarantees at CHAOS_SCALE=10, and in proportion to it."""
    return small if scale == 1 else max(small, full * scale // 10)


def told(verdict: Verdict) -> str:
    """The figures of a day in a line."""
    lost = sum(violation.rule == "nothing lost" for violation in verdict.violations)
    twice = sum(violation.rule in {"one end", "the end is last"} for violation in verdict.violations)
    stuck = sum(violation.rule == "all ended" for violation in verdict.violations)
    return f"{verdict.acknowledged:,} operations, {lost} lost, {twice} twice terminal, {stuck} stuck"
