"""A full disk: a definite refusal, nothing stored, and service again without a restart. Guarantee D5."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.api import Api
from tests.processes.deadline import until
from tests.processes.disk import WAYS, Fill, place
from tests.processes.evidence import integrity
from tests.processes.serving import served

REFUSALS = {503: "/problems/overloaded", 507: "/problems/storage-full"}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def home(way: str, tmp_path: Path) -> Iterator[Path]:
    """Where the database lies; logs, gates and diaries are elsewhere."""
    with place(way, tmp_path) as home:
        yield home


@pytest.fixture
def fill(way: str) -> Fill:
    return WAYS[way]


def test_submits_are_refused_and_leave_nothing_and_then_go_on(tmp_path: Path, home: Path, fill: Fill) -> None:
    with served(tmp_path, home=home) as (server, api):
        before = [api.submit("/notes", 1, key=f"before-{n}") for n in range(5)]
        documents = {operation: api.ended(operation) for operation in before}
        with fill(server, home):
            for number in range(5):
                answer = api.post("/notes", json=1, headers={"Idempotency-Key": f"full-{number}"})
                assert (answer.status_code, answer.json()["type"]) in REFUSALS.items(), answer.text
                assert int(answer.headers["Retry-After"]) > 0
            assert {operation: api.status(operation) for operation in before} == documents, "reading goes on"
            assert _total(api) == 5
        after = [api.submit("/notes", 1, key=f"full-{n}") for n in range(5)]
        assert {api.ended(operation)["status"] for operation in after} == {"COMPLETED"}
        assert _total(api) == 10
        family = server.family()
        server.end()
    assert {process.role for process in family} == {"web", "worker", "scribe"}
    assert integrity(server.database) == "ok"


def test_what_ends_on_a_full_disk_is_kept_until_there_is_room(tmp_path: Path, home: Path, fill: Fill) -> None:
    with served(tmp_path, home=home) as (server, api):
        operation = api.submit("/gates", "open")
        api.started(operation)
        with fill(server, home):
            (tmp_path / "open").touch()
            until("the worker was refused", lambda: "cannot commit" in server.logged())
            assert api.status(operation)["status"] == "PROCESSING"
        ended = api.ended(operation)
        server.end()
    assert (ended["status"], ended["attempt"]) == ("COMPLETED", 1), "the work is not done twice for that"


def _total(api: Api) -> int:
    return int(api.get("/jobs").json()["pagination"]["totalElements"])
