"""Builds with a promise sawn through turn `check-history` red, each under the bad luck that the true one withstands."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from accepted.history import Verdict
from tests.processes.crowd import Crowd
from tests.processes.deadline import until
from tests.processes.diary import Diary
from tests.processes.evidence import listed
from tests.processes.process import kill
from tests.processes.recorder import Recorder
from tests.processes.serving import ACCEPTED, Program, Server, run
from tests.store.server import the_server

SABOTAGED = "tests.processes.sabotaged:app"
SHORT_LEASES = {"ACCEPTED_LEASE_TTL": "1s", "ACCEPTED_SCAN_INTERVAL": "200ms"}
WITHIN = 2.0  # seconds for an end to be told: twice the interval of looking


class Scene:
    """One database, what is seen of it, and servers of sabotaged builds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = the_server().database()
        self.recorder, self.diary = Recorder(folder / "seen"), Diary(folder / "diary")

    def serve(self, saws: str, workers: int = 2) -> Server:
        settings = {"ACCEPTED_DATABASE_URL": self.url, "TEST_SABOTAGE": saws, **SHORT_LEASES}
        return Server(self.folder, target=SABOTAGED, workers=workers, **settings)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def worker(self, saws: str) -> Iterator[Program]:
        settings = {"ACCEPTED_DATABASE_URL": self.url, "TEST_SABOTAGE": saws, "TEST_FOLDER": str(self.folder)}
        with Program([*ACCEPTED, "worker", SABOTAGED], self.folder, name="worker", settings=settings) as worker:
            yield worker

    async def verdict(self) -> Verdict:
        return self.recorder.judged(await listed(self.url), self.diary.records(), within=WITHIN)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def shown(verdict: Verdict, broken: set[str]) -> bool:
    """Whether these rules complain, others perhaps too; and where there is nothing to complain of, none."""
    rules = {violation.rule for violation in verdict.violations}
    return broken <= rules if broken else not rules


@pytest.mark.parametrize(("saws", "broken"), [("deaf", set()), ("deaf,unfenced", {"stale writes"})])
async def test_a_worker_that_wakes_up_too_late(scene: Scene, saws: str, broken: set[str]) -> None:
    """L2: it goes on with an operation that is somebody else's by now, and only the fence keeps it from writing."""
    with scene.serve(saws) as server, server.api() as api:
        operation = api.submit("/turns", "gate")
        first = until("the function runs", lambda: scene.diary.of(operation))[0]
        frozen = next(process for process in server.family("worker") if process.pid == first.pid)
        stopped = kill(frozen, signal.SIGSTOP)
        until("another worker has it", lambda: scene.diary.of(operation)[1:])
        (scene.folder / "gate-1").touch()
        kill(frozen, signal.SIGCONT)
        scene.recorder.frozen(frozen.pid, stopped.at, time.monotonic())
        until("the first attempt is over", lambda: len(scene.diary.of(operation)) == 3)
        (scene.folder / "gate-2").touch()
        api.ended(operation)
        until("both are done", lambda: len(scene.diary.of(operation)) == 4)
    assert shown(await scene.verdict(), broken)


@pytest.mark.parametrize(("saws", "broken"), [("", set()), ("early", {"nothing lost"})])
async def test_a_web_process_that_dies_after_its_202(scene: Scene, saws: str, broken: set[str]) -> None:
    """D1: who has read a 202 has an operation."""
    with scene.serve(saws, workers=1) as server:
        async with Crowd([server.url], scene.recorder, seed=1) as crowd:
            ids = await asyncio.gather(*(crowd.acknowledged("/notes", 1, f"key-{number}") for number in range(10)))
            kill(server.only("web"))
            await crowd.settled(20)
            for id in ids:
                await crowd.read(id, server.url)
    assert shown(await scene.verdict(), broken)


@pytest.mark.parametrize(("saws", "broken"), [("lossy", set()), ("lossy,blind", {"told in time"})])
async def test_hints_that_are_lost(scene: Scene, saws: str, broken: set[str]) -> None:
    """E8: with hints lost everything is told, a little later."""
    with scene.serve(saws, workers=1) as server:
        async with Crowd([server.url], scene.recorder, seed=1) as crowd:
            await _followed(crowd, 3)
    assert shown(await scene.verdict(), broken)


@pytest.mark.parametrize(("saws", "broken"), [("", set()), ("cursor", {"told in time"})])
async def test_commits_in_another_order_than_their_inserts(scene: Scene, saws: str, broken: set[str]) -> None:
    """E1, E8: one of two workers commits late, so that what it has written first is seen last."""
    connection = await asyncpg.connect(scene.url)
    await connection.execute("ALTER TABLE accepted.event ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY")
    await connection.close()
    with scene.serve(saws, workers=1) as server, scene.worker("slow"):
        with server.api() as api:
            until("both work", lambda: api.healthy()["checks"]["workers"]["alive"] == 2)
        async with Crowd([server.url], scene.recorder, seed=1) as crowd:
            await _followed(crowd, 40)
    assert shown(await scene.verdict(), broken)


async def _followed(crowd: Crowd, number: int) -> None:
    """Operations with a stream each, which is closed some time after their end however much it has told."""
    ids = await asyncio.gather(*(crowd.acknowledged("/notes", 200, f"key-{n}") for n in range(number)))
    streams = [asyncio.create_task(crowd.followed(id)) for id in ids]
    await asyncio.gather(*(crowd.polled(id) for id in ids))
    await asyncio.wait(streams, timeout=WITHIN + 1)
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    await asyncio.sleep(0)  # what was cut is closed in the next turn of the loop


async def test_the_command_says_so_too(scene: Scene) -> None:
    with scene.serve("early", workers=0) as server, server.api():
        async with Crowd([server.url], scene.recorder, seed=1) as crowd:
            id = await crowd.acknowledged("/notes", 1, "key-1")
            assert await crowd.read(id, server.url) == ""
    answer = run("check-history", str(scene.recorder.path))
    assert answer.returncode == 1
    assert f"D1  nothing lost: {id} was acknowledged, and a later read did not find it" in answer.stdout
