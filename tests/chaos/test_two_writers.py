"""A web process at full submit load and a worker at full completion load on one file: nobody starves.

SQLite's own busy handler lets one of two such writers wait for seconds (house, section 5). The bound here is lenient,
for the machine may be busy with other tests; the figure is what counts.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx2
import pytest

from tests.processes.api import Api
from tests.processes.deadline import PATIENCE, until
from tests.processes.figures import Figures, quantile
from tests.processes.serving import ACCEPTED, MENU, Program, served

pytestmark = pytest.mark.chaos

LINES = 4


async def test_no_submit_waits_long_behind_a_busy_worker(tmp_path: Path, scale: int, figures: Figures) -> None:
    measured = 400 if scale == 1 else 1000 * scale
    with served(tmp_path, workers=0) as (server, api):
        await _submit(server.url, 3 * measured, lines=32)  # so that it never runs out of work
        settings = {"ACCEPTED_DATABASE_URL": f"sqlite:///{server.database}", "TEST_FOLDER": str(tmp_path)}
        with Program([*ACCEPTED, "worker", MENU], tmp_path, name="worker", settings=settings) as worker:
            before = until("the worker at work", lambda: _completed(api))
            times = await _submit(server.url, measured, lines=LINES)
            done = _completed(api) - before
            worker.end()
        server.end()
    assert done > measured / 10, "the worker had its turns too"
    assert quantile(times, 0.99) < 1
    assert max(times) < 3
    figures.milliseconds(f"submits on {LINES} connections beside a busy worker", times)
    figures.note("completed meanwhile", done)


def _completed(api: Api) -> int:
    total: int = api.get("/jobs", params={"status": "COMPLETED", "limit": 1}).json()["pagination"]["totalElements"]
    return total


async def _submit(url: str, number: int, *, lines: int) -> list[float]:
    """Seconds that each submit took."""
    times: list[float] = []
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False) as client:

        async def line() -> None:
            for _ in range(number // lines):
                began = time.perf_counter()
                answer = await client.post("/noops")
                times.append(time.perf_counter() - began)
                assert answer.status_code == 202, answer.text

        async with asyncio.TaskGroup() as all_lines:
            for _ in range(lines):
                all_lines.create_task(line())
    return times
