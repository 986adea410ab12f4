"""`accepted migrate --from`: a service goes from its file to PostgreSQL, and its clients see nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.api import Api
from tests.processes.deadline import until
from tests.processes.diary import Diary
from tests.processes.serving import run, served
from tests.sse import Event, parsed
from tests.store.server import the_server

KEY = {"Idempotency-Key": "nightly"}


def test_clients_go_on_where_they_were(tmp_path: Path) -> None:
    """The same ends, byte for byte (S2), the same streams (E2) and keys (I1); what ran runs again (D1)."""
    diary = Diary(tmp_path / "diary")
    with served(tmp_path) as (server, api):
        ended = api.submit("/notes", 1)
        api.ended(ended)
        keyed = api.post("/notes", json=2, headers=KEY).json()["operationId"]
        running = api.submit("/gates", "open")
        until("it runs", lambda: diary.of(running))
        before = seen(api, ended)
        in_use = run("migrate", "--from", source(tmp_path), settings=target(url := the_server().blank()))
        assert (in_use.returncode, "is in use" in in_use.stderr) == (1, True), in_use.stderr
        server.close()  # nothing is handed back: the hard case
    moved = run("migrate", "--from", source(tmp_path), settings=target(url))
    assert moved.returncode == 0, moved.stderr
    assert "3 operations are now in postgresql://" in moved.stdout
    with served(tmp_path, **target(url), ACCEPTED_SCAN_INTERVAL="200ms") as (_, api):
        assert seen(api, ended) == before
        assert api.post("/notes", json=2, headers=KEY).json()["operationId"] == keyed
        (tmp_path / "open").touch()
        assert api.ended(running)["attempt"] == 2
    again = run("migrate", "--from", source(tmp_path), settings=target(url))
    assert (again.returncode, "is not empty" in again.stderr) == (1, True), again.stderr


@pytest.mark.parametrize(
    ("origin", "settings"),
    [("postgresql://db/accepted", {}), ("sqlite:///a.db", {"ACCEPTED_DATABASE_URL": "sqlite:///{}/b.db"})],
)
def test_only_from_a_file_into_postgresql(tmp_path: Path, origin: str, settings: dict[str, str]) -> None:
    named = {name: value.format(tmp_path) for name, value in settings.items()} or target(the_server().blank())
    refused = run("migrate", "--from", origin, settings=named)
    assert (refused.returncode, "--from names a SQLite file" in refused.stderr) == (2, True), refused.stderr


def seen(api: Api, operation: str) -> tuple[list[bytes], list[Event]]:
    """What clients read of an operation that has ended: its documents, and its events."""
    answers = [api.get(f"/operations/{operation}{path}") for path in ("?redirect=false", "/result", "/deliveries")]
    return [answer.content for answer in answers], parsed(api.get(f"/operations/{operation}/stream?after=0").content)


def source(folder: Path) -> str:
    return f"sqlite:///{folder / 'accepted.db'}"


def target(url: str) -> dict[str, str]:
    return {"ACCEPTED_DATABASE_URL": url}
