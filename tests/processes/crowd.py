"""Clients as the contract tells them to be: what is no definite answer is asked again with the same key, on any node.

Some do not trust their luck and ask twice, some poll another node at once, some follow the stream from node to node.
All that they see goes to the recorder.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from itertools import count
from typing import Any, Self

import httpx2
import msgspec

from accepted import history
from accepted.history import ENDS
from tests.processes.deadline import PATIENCE
from tests.processes.eventsource import Connection
from tests.processes.recorder import Recorder

LINES = 8  # at once
AGAIN = 0.05  # seconds before a client asks again
UNDECIDED = {500, 503, 504}  # not stored, or perhaps; the same again tells
PAGE = 400  # final reads on their way


class Crowd:
    """Many clients of the nodes at `urls`; nobody gives up before `patience` seconds.

    `acked` is when the first 202 for each operation was read, `acked_at` when each was. Of a crowd that is not
    `watchful` nobody polls or follows.
    """

    def __init__(
        self,
        urls: Sequence[str],
        recorder: Recorder,
        *,
        seed: int,
        lines: int = LINES,
        patience: float = 3 * PATIENCE,
        watchful: bool = True,
    ) -> None:
        self.urls = list(urls)
        self.acked: dict[str, float] = {}
        self.acked_at: list[float] = []
        self._watchful = watchful
        self._recorder = recorder
        self._dice = random.Random(seed)
        self._lines = asyncio.Semaphore(lines)
        self._patience = patience
        self._numbers = count(1)
        self._client = httpx2.AsyncClient(timeout=PATIENCE, trust_env=False)
        self._watching: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await self._client.aclose()

    async def orders(self, number: int, *, pace: float = 0) -> None:
        """So many, one every `pace` seconds if they are taken as fast as that."""
        async with asyncio.TaskGroup() as all_orders:
            for n in range(number):
                all_orders.create_task(self.submit(f"key-{n}"))
                await asyncio.sleep(pace)

    async def orders_until(self, over: asyncio.Event, *, pace: float) -> None:
        """As many as it takes."""
        async with asyncio.TaskGroup() as all_orders:
            for n in count():
                if over.is_set():
                    return
                all_orders.create_task(self.submit(f"key-{n}"))
                await asyncio.sleep(pace)

    async def asked_once_until(self, over: asyncio.Event, *, pace: float) -> None:
        """Clients that do not come back: what they were refused must not be there (guarantee D4)."""
        async with asyncio.TaskGroup() as all_orders:
            for n in count():
                if over.is_set():
                    return
                key = f"once-{n}"
                all_orders.create_task(self._asked(*order(key), key))
                await asyncio.sleep(pace)

    async def submit(self, key: str) -> None:
        """One order, acknowledged; and what this client does besides."""
        path, body = order(key)
        async with self._lines:
            id = await self.acknowledged(path, body, key)
            luck = self._dice.random() if self._watchful else 1
            if luck < 0.1:
                await self.acknowledged(path, body, key)
            elif luck < 0.2:
                self.watch(self.polled(id))
            elif luck < 0.25:
                self.watch(self.followed(id))

    async def acknowledged(self, path: str, body: Any, key: str) -> str:
        """The id of a 202. TimeoutError if none comes."""
        async with asyncio.timeout(self._patience):
            while True:
                answer = await self._asked(path, body, key)
                if answer is not None and answer.status_code == 202:
                    self.acked_at.append(time.monotonic())
                    id = str(answer.json()["operationId"])
                    self.acked.setdefault(id, self.acked_at[-1])
                    return id
                assert answer is None or answer.status_code in UNDECIDED, f"{key}: {answer.status_code} {answer.text}"
                await asyncio.sleep(AGAIN)

    async def _asked(self, path: str, body: Any, key: str) -> httpx2.Response | None:
        began = time.monotonic()
        try:
            headers = {"Idempotency-Key": key}
            answer = await self._client.post(self._dice.choice(self.urls) + path, json=body, headers=headers)
        except httpx2.TransportError:
            answer = None
        self._recorder.submitted(key, began, time.monotonic(), answer)
        return answer

    def watch(self, what: Any) -> None:
        """In the background, until it is over."""
        task = asyncio.create_task(what)
        self._watching.add(task)

    async def watched(self) -> None:
        """All in the background is over. Raises what any of it raised; TimeoutError where one is not."""
        async with asyncio.timeout(self._patience):
            await asyncio.gather(*self._watching)
        self._watching.clear()

    async def read(self, id: str, url: str) -> str:
        """The state that a node tells of, or nothing."""
        began = time.monotonic()
        try:
            answer = await self._client.get(f"{url}/operations/{id}", params={"redirect": "false"})
        except httpx2.TransportError:
            return ""
        return self._recorder.read(id, began, time.monotonic(), answer)

    async def polled(self, id: str) -> None:
        """Ask until it has ended, now here, now there."""
        pause = AGAIN
        while await self.read(id, self._dice.choice(self.urls)) not in ENDS:
            pause = min(pause * 1.5, 1)
            await asyncio.sleep(pause)

    async def followed(self, id: str, urls: Sequence[str] = ()) -> None:
        """Every event from the first to the end, over as many connections as it takes."""
        after, over = 0, False
        while not over:
            try:
                url = self._dice.choice(urls or self.urls)
                opening = Connection.open(url, f"/operations/{id}/stream", str(after))
                stream = await asyncio.wait_for(opening, PATIENCE)
            except (OSError, EOFError, TimeoutError):
                await asyncio.sleep(AGAIN)
                continue
            name, at = f"stream-{next(self._numbers)}", time.monotonic()
            try:
                if stream.status == 200:
                    self._recorder.note(history.Open(operation_id=id, connection=name, at=at, after=after))
                    after, over = await self._heard(stream, id, name, after)
            finally:
                self._recorder.note(history.Close(connection=name, at=time.monotonic()))
                stream.cut()
            over = over or stream.status == 204
            await asyncio.sleep(0 if over else AGAIN)

    async def _heard(self, stream: Connection, id: str, name: str, after: int) -> tuple[int, bool]:
        rest, over = b"", False
        async for part in stream.parts():
            *blocks, rest = (rest + part).split(b"\n\n")
            for block in blocks:
                fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and line[:1] != b":")
                if b"id" in fields:
                    state = str(msgspec.json.decode(fields[b"data"]).get("status", ""))
                    after, over = int(fields[b"id"]), over or state in ENDS
                    told = history.Told(
                        operation_id=id,
                        connection=name,
                        sequence=after,
                        at=time.monotonic(),
                        state=state,
                        reset=fields.get(b"event") == b"reset",
                    )
                    self._recorder.note(told)
        return after, over

    async def settled(self, patience: float) -> None:
        """Nothing waits or runs any more. TimeoutError if that does not come."""
        query: dict[str, Any] = {"status": ["PENDING", "PROCESSING"], "limit": 1}
        async with asyncio.timeout(patience):
            while await self._waiting(query):  # noqa: ASYNC110
                await asyncio.sleep(AGAIN)
            await self.watched()

    async def _waiting(self, query: dict[str, Any]) -> bool:
        try:
            answer = await self._client.get(f"{self.urls[0]}/jobs", params=query)
        except httpx2.TransportError:
            return True
        return answer.status_code != 200 or bool(answer.json()["pagination"]["totalElements"])

    async def inspected(self, at_most: int = 1_000) -> None:
        """The end of some operations, read on every node."""
        ids = sorted(self.acked)
        chosen = self._dice.sample(ids, min(at_most, len(ids)))
        for first in range(0, len(chosen), PAGE):
            some = chosen[first : first + PAGE]
            await asyncio.gather(*(self.read(id, url) for id in some for url in self.urls))


def order(key: str) -> tuple[str, Any]:
    """What is ordered under this key: some work, or work in steps."""
    number = int(key.rpartition("-")[2])
    return ("/steps", 3 + number % 5) if number % 4 == 0 else ("/notes", 2 + number % 40)
