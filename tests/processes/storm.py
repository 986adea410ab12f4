"""A storm: submits with keys arrive in salvos, and under each salvo one process is killed, chosen by a seeded dice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise

from tests.processes.crowd import AGAIN, Crowd
from tests.processes.deadline import PATIENCE
from tests.processes.diary import Entry
from tests.processes.process import Kill, kill
from tests.processes.recorder import Recorder
from tests.processes.serving import Server

FUSE = 0.08  # a kill comes at most so many seconds after its salvo began


class Storm:
    """A crowd of clients, and a killer at all of its servers."""

    def __init__(
        self,
        servers: Sequence[Server],
        crowd: Crowd,
        recorder: Recorder,
        *,
        seed: int,
        roles: Sequence[str] = ("web", "worker", "scribe"),
    ) -> None:
        self.kills: list[Kill] = []
        self._servers = servers
        self._crowd = crowd
        self._recorder = recorder
        self._roles = roles
        self._dice = random.Random(seed)

    async def run(self, *, operations: int, kills: int) -> None:
        """All submits acknowledged, all kills done."""
        async with asyncio.TaskGroup() as load:
            for number in range(kills):
                first, last = number * operations // kills, (number + 1) * operations // kills
                salvo = [load.create_task(self._crowd.submit(f"key-{key}")) for key in range(first, last)]
                await asyncio.sleep(self._dice.uniform(0, FUSE))
                await self._kill()
                await asyncio.wait(salvo[: len(salvo) // 2])  # the rest goes on under the next kill

    async def _kill(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not (victims := self._dice.choice(self._servers).family(self._dice.choice(self._roles))):  # noqa: ASYNC110
                await asyncio.sleep(AGAIN)
        self.kills.append(kill(self._dice.choice(victims)))
        self._recorder.killed(self.kills[-1])


def recoveries(diary: Sequence[Entry], kills: Sequence[Kill]) -> list[float]:
    """Seconds from the death of a worker until each operation that it was running ran again."""
    ended = {(entry.operation, entry.attempt) for entry in diary if entry.edge == "end"}
    deaths = {kill.pid: kill.at for kill in kills}
    cut = [e for e in diary if e.edge == "start" and e.pid in deaths and (e.operation, e.attempt) not in ended]
    starts: dict[str, list[Entry]] = {}
    for entry in diary:
        if entry.edge == "start":
            starts.setdefault(entry.operation, []).append(entry)
    return [
        min(later) - deaths[entry.pid]
        for entry in cut
        if (later := [e.at for e in starts[entry.operation] if e.attempt > entry.attempt])
    ]


def silences(acked_at: Sequence[float], kills: Sequence[Kill]) -> list[float]:
    """Seconds around the death of a web process in which no submit was acknowledged."""
    shortly_after = [kill.at + 0.05 for kill in kills if kill.role == "web"]  # by then its last answers were read
    return [after - before for at in shortly_after for before, after in pairwise(acked_at) if before <= at < after]
