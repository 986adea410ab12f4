"""Many nodes on one PostgreSQL database: two servers of two workers and one web process each way in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.processes.api import Api
from tests.processes.deadline import until
from tests.processes.diary import Diary
from tests.processes.figures import Figures
from tests.processes.process import kill
from tests.processes.serving import run, served
from tests.sse import Event, Parser, parsed
from tests.store.pooler import the_pooler
from tests.store.server import the_server
from tests.store.wire import Wire


@pytest.fixture
def url() -> str:
    return the_server().database()


def test_two_servers_are_one_service(url: str, tmp_path: Path, figures: Figures) -> None:
    diary = Diary(tmp_path / "diary")
    settings = {"ACCEPTED_DATABASE_URL": url}
    with served(tmp_path, workers=2, **settings) as (one, near), served(tmp_path, workers=0, **settings) as (two, far):
        _what_one_accepts_all_know(near, far)
        operation = near.submit("/gates", "open")
        first = until("the function runs", lambda: diary.of(operation))[0]
        assert far.status(operation)["status"] == "PROCESSING"
        killed = kill(next(process for process in one.family("worker") if process.pid == first.pid))
        again = until("it runs again", lambda: diary.of(operation)[1:])[0]
        (tmp_path / "open").touch()
        ended = far.ended(operation)
        assert (ended["status"], ended["attempt"]) == ("COMPLETED", 2)
        assert near.status(operation) == ended
        assert _streamed(near, operation) == _streamed(far, operation)
        _a_stream_elsewhere_follows(near, far, tmp_path)
        figures.note("PostgreSQL, worker killed: until its operation runs again", f"{again.at - killed.at:.2f} s")
        two.end()
        one.end()
    assert "Traceback" not in one.logged() + two.logged()


def _what_one_accepts_all_know(near: Api, far: Api) -> None:
    submitted = [near.submit("/notes", number) for number in range(50)]
    assert all(far.status(operation)["operationId"] == operation for operation in submitted)
    assert {far.ended(operation)["status"] for operation in submitted} == {"COMPLETED"}


def _a_stream_elsewhere_follows(near: Api, far: Api, folder: Path) -> None:
    """It is opened on a node that did not accept the operation, and open before the operation goes on."""
    operation = near.submit("/gates", "door")
    parser = Parser()
    events: list[Event] = []
    with far.stream("GET", f"/operations/{operation}/stream", headers={"Last-Event-ID": "0"}) as stream:
        assert stream.status_code == 200
        (folder / "door").touch()
        for chunk in stream.iter_bytes():
            events += parser.feed(chunk)
    assert [event.id for event in events] == [str(number) for number in range(1, len(events) + 1)]
    assert events[-1].document["status"] == "COMPLETED"


def _streamed(api: Api, operation: str) -> list[Event]:
    return parsed(api.get(f"/operations/{operation}/stream", headers={"Last-Event-ID": "0"}).content)


def test_the_schema_is_made_by_who_operates_it() -> None:
    url = the_server().blank()
    settings = {"ACCEPTED_DATABASE_URL": url}
    refused = run("serve", "tests.processes.menu:app", "--port", "0", settings=settings | {"TEST_FOLDER": "."})
    assert (refused.returncode, "run accepted migrate" in refused.stderr) == (2, True), refused.stderr
    assert run("migrate", "--check", settings=settings).returncode == 1
    assert "CREATE TABLE accepted.operation" in run("migrate", "--sql", settings=settings).stdout
    assert "applied: 0001_operations" in run("migrate", settings=settings).stdout
    assert run("migrate", settings=settings).stdout == "The schema is up to date.\n"
    assert run("migrate", "--check", settings=settings).returncode == 0


def test_the_doctor_names_what_loses_a_202(url: str) -> None:
    """The server of these tests does not sync, and that has to be said (guarantee D2)."""
    answer = run("doctor", settings={"ACCEPTED_DATABASE_URL": url})
    assert answer.returncode == 1
    assert "WRONG   database: fsync is off" in answer.stdout
    assert "schema: up to date" in answer.stdout
    assert "workers: 0 alive" in answer.stdout


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_database_that_loses_what_it_has_promised_is_refused(command: str, url: str, tmp_path: Path) -> None:
    """Guarantee D2. Told that it is meant so, the other tests of this file are served by it."""
    safe = {"ACCEPTED_DATABASE_URL": url, "ACCEPTED_UNSAFE_DATABASE": "false", "TEST_FOLDER": str(tmp_path)}
    options = ["--port", "0"] if command == "serve" else []
    refused = run(command, "tests.processes.menu:app", *options, settings=safe)
    assert refused.returncode == 2, refused.stderr
    assert "PostgreSQL runs with fsync and full_page_writes off" in refused.stderr
    assert "ACCEPTED_UNSAFE_DATABASE=true" in refused.stderr


@pytest.mark.parametrize("command", ["migrate", "doctor", "serve", "worker"])
async def test_a_server_that_is_too_old_is_refused(command: str, tmp_path: Path) -> None:
    """By every command and before anything is made there: a real one of 12 takes the schema, and then no commit."""
    url = the_server().blank()
    arguments = [command, "tests.processes.menu:app"] if command in {"serve", "worker"} else [command]
    async with Wire(url, major="12").laid() as wire:
        settings = {"ACCEPTED_DATABASE_URL": wire.url, "TEST_FOLDER": str(tmp_path)}
        answer = await asyncio.to_thread(run, *arguments, settings=settings)
    assert answer.returncode == 1
    said = answer.stdout + answer.stderr
    assert "the database is PostgreSQL 12." in said
    assert ", and 13 or newer is needed" in said
    assert "Traceback" not in said
    assert the_server().run(url, "SELECT 1 FROM pg_namespace WHERE nspname = 'accepted'") == []


def test_behind_a_pooler(url: str, tmp_path: Path) -> None:
    """The doctor says what is to be set, and is content once it is; then a server and its workers serve."""
    pooled = {"ACCEPTED_DATABASE_URL": the_pooler().url(url)}
    said = run("doctor", settings=pooled).stdout
    assert "warning pooler: one stands before the database" in said
    assert "warning hints: nothing is heard from LISTEN" in said
    pooled |= {"ACCEPTED_PREPARED_STATEMENTS": "off", "ACCEPTED_LISTEN_URL": url}
    said = run("doctor", settings=pooled).stdout
    assert "pooler:" not in said
    assert "hints:" not in said
    with served(tmp_path, workers=2, **pooled) as (server, api):
        submitted = [api.submit("/notes", number) for number in range(50)]
        assert {api.ended(operation)["status"] for operation in submitted} == {"COMPLETED"}
        server.end()
    assert "Traceback" not in server.logged()
    assert "LISTEN" not in server.logged()


@pytest.mark.parametrize("command", ["migrate", "doctor"])
def test_a_database_that_is_not_there_is_said_without_its_password(command: str) -> None:
    url = "postgresql://me:opensesame@127.0.0.1:1/none"
    answer = run(command, settings={"ACCEPTED_DATABASE_URL": url})
    assert answer.returncode == 1
    assert "the database cannot be used" in answer.stdout + answer.stderr
    assert "opensesame" not in answer.stdout + answer.stderr
