"""A storm: submits with keys arrive in salvos, and under each salvo one process is killed, chosen by a seeded dice.

Clients behave as the contract tells them to: whatever is not a definite answer is asked again with the same key.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import httpx2

from tests.processes.deadline import PATIENCE
from tests.processes.diary import Entry
from tests.processes.history import Ack
from tests.processes.process import Kill, kill
from tests.processes.serving import Server

LINES = 8  # clients at once
AGAIN = 0.02  # seconds before a client asks again
FUSE = 0.08  # a kill comes at most so many seconds after its salvo began


class Storm:
    """All that clients and killers have seen, outside of the server."""

    def __init__(self, server: Server, *, seed: int, roles: Sequence[str] = ("web", "worker", "scribe")) -> None:
        self.acks: list[Ack] = []
        self.kills: list[Kill] = []
        self.acked_at: list[float] = []
        self._server = server
        self._roles = roles
        self._dice, self._doubts = random.Random(seed), random.Random(seed)
        self._client = httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE, trust_env=False)
        self._lines = asyncio.Semaphore(LINES)

    async def run(self, *, operations: int, kills: int) -> None:
        """All submits acknowledged, all kills done."""
        async with self._client, asyncio.TaskGroup() as load:
            for number in range(kills):
                first, last = number * operations // kills, (number + 1) * operations // kills
                salvo = [load.create_task(self._submit(f"key-{key}")) for key in range(first, last)]
                await asyncio.sleep(self._dice.uniform(0, FUSE))
                await self._kill()
                await asyncio.wait(salvo[: len(salvo) // 2])  # the rest goes on under the next kill

    async def settled(self, patience: float) -> None:
        """Nothing waits or runs any more. TimeoutError if that does not come."""
        query: dict[str, list[str] | int] = {"status": ["PENDING", "PROCESSING"], "limit": 1}
        async with asyncio.timeout(patience), self._fresh() as client:
            while (await client.get("/jobs", params=query)).json()["pagination"]["totalElements"]:  # noqa: ASYNC110
                await asyncio.sleep(AGAIN)

    def _fresh(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self._server.url, timeout=PATIENCE, trust_env=False)

    async def _submit(self, key: str) -> None:
        path, body = self._order(key)
        async with self._lines:
            await self._acknowledged(path, body, key)
            if self._doubts.random() < 0.1:  # a client that did not trust its luck
                await self._acknowledged(path, body, key)

    def _order(self, key: str) -> tuple[str, Any]:
        number = int(key.rpartition("-")[2])
        return ("/steps", 3 + number % 5) if number % 4 == 0 else ("/notes", 2 + number % 40)

    async def _acknowledged(self, path: str, body: Any, key: str) -> str:
        async with asyncio.timeout(3 * PATIENCE):
            while True:
                try:
                    answer = await self._client.post(path, json=body, headers={"Idempotency-Key": key})
                except httpx2.TransportError:
                    await asyncio.sleep(AGAIN)
                    continue
                if answer.status_code == 202:
                    return self._noted(key, answer)
                assert answer.status_code == 503, f"{key}: {answer.status_code} {answer.text}"
                await asyncio.sleep(AGAIN)

    def _noted(self, key: str, answer: httpx2.Response) -> str:
        id = str(answer.json()["operationId"])
        self.acks.append(Ack(key, id))
        self.acked_at.append(asyncio.get_running_loop().time())
        return id

    async def _kill(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not (victims := self._server.family(self._dice.choice(self._roles))):  # noqa: ASYNC110
                await asyncio.sleep(AGAIN)
        self.kills.append(kill(self._dice.choice(victims)))


def recoveries(diary: Sequence[Entry], kills: Sequence[Kill]) -> list[float]:
    """Seconds from the death of a worker until each operation that it was running ran again."""
    ended = {(entry.operation, entry.attempt) for entry in diary if entry.edge == "end"}
    deaths = {kill.pid: kill.at for kill in kills}
    cut = [e for e in diary if e.edge == "start" and e.pid in deaths and (e.operation, e.attempt) not in ended]
    starts = [e for e in diary if e.edge == "start"]
    return [
        min(later) - deaths[entry.pid]
        for entry in cut
        if (later := [e.at for e in starts if e.operation == entry.operation and e.attempt > entry.attempt])
    ]


def silences(acked_at: Sequence[float], kills: Sequence[Kill]) -> list[float]:
    """Seconds around the death of a web process in which no submit was acknowledged."""
    shortly_after = [kill.at + 0.05 for kill in kills if kill.role == "web"]  # by then its last answers were read
    return [after - before for at in shortly_after for before, after in pairwise(acked_at) if before <= at < after]
