"""Functions that block the interpreter of their worker: guarantee L7. HTTP does not notice; a lease is lost only to a
call that keeps the interpreter's lock for longer than the lease.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.processes.api import Api, Document
from tests.processes.diary import Diary
from tests.processes.figures import Figures, quantile
from tests.processes.serving import served

LOOSELY = 0.25  # seconds; on a quiet machine it is a few milliseconds

LONG = 4_500_000
"""7 to the power of this is one call into C that takes a second or more and lets no other thread of its process run."""


@pytest.mark.parametrize(
    ("path", "body"),
    [("/spins", 2.0), ("/naps", 2.0), ("/powers", [LONG])],
    ids=["python loop", "time.sleep", "C call"],
)
def test_a_blocked_worker_delays_no_request(tmp_path: Path, path: str, body: Any, figures: Figures) -> None:
    with served(tmp_path, ACCEPTED_LEASE_TTL="20s") as (_, api):
        operation = api.submit(path, body)
        api.started(operation)
        submits, polls, ended = _while_it_runs(api, operation)
    assert (ended["status"], ended["attempt"]) == ("COMPLETED", 1), "no lease was lost"
    assert len(submits) > 20
    assert quantile(submits, 0.99) < LOOSELY
    assert quantile(polls, 0.99) < LOOSELY
    name = path.strip("/")
    figures.milliseconds(f"submits while {name} block the worker", submits)
    figures.milliseconds(f"polls while {name} block the worker", polls)


def _while_it_runs(api: Api, operation: str) -> tuple[list[float], list[float], Document]:
    submits, polls = [], []
    while True:
        submits.append(api.timed("POST", "/noops")[1])
        answer, took = api.timed("GET", f"/operations/{operation}", params={"redirect": "false"})
        polls.append(took)
        if answer.json()["status"] != "PROCESSING":
            return submits, polls, answer.json()


@pytest.mark.parametrize("path", ["/spins", "/naps"])
def test_what_only_blocks_a_loop_outlasts_its_lease(tmp_path: Path, path: str) -> None:
    with served(tmp_path, ACCEPTED_LEASE_TTL="1s", ACCEPTED_SCAN_INTERVAL="200ms") as (_, api):
        ended = api.ended(api.submit(path, 2.5))
    assert (ended["status"], ended["attempt"], ended["result"]["value"]) == ("COMPLETED", 1, 1)


def test_a_c_call_longer_than_the_lease_is_fenced_and_runs_again(tmp_path: Path) -> None:
    with served(tmp_path, workers=2, ACCEPTED_LEASE_TTL="500ms", ACCEPTED_SCAN_INTERVAL="100ms") as (server, api):
        operation = api.submit("/powers", [LONG, 10])
        ended = api.ended(operation)
        first, second = [entry for entry in Diary(tmp_path / "diary").of(operation) if entry.edge == "start"][:2]
        server.end()
    assert (ended["status"], ended["attempt"], ended["result"]["value"]) == ("COMPLETED", 2, 2)
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.pid != second.pid
