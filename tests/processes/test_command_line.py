"""What `accepted` refuses, in a sentence and with exit code 2, before anything runs; and what it says when it runs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.api import Api
from tests.processes.deadline import until
from tests.processes.serving import ACCEPTED, MENU, Program, run, served

APP = "from accepted import Accepted\napp = Accepted({})\n\n@app.operation('/noops')\nasync def noop() -> None: ...\n"
REFUSED = 2


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules to name on the command line."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name, source in {
        "fine": APP.format(""),
        "number": "app = 3\n",
        "wrong": APP.format("lease_ttl='soon'"),
        "elsewhere": APP.format(f"database='sqlite:///{tmp_path}/elsewhere.db', log_format='json', drain_timeout=0.2"),
        "empty": "from accepted import Accepted\napp = Accepted()\n",
        "broken": "import no_such_module_anywhere\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")


@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("nowhere_to_be_found:app", "There is no module 'nowhere_to_be_found' here or among the installed packages."),
        ("fine", "Name the app as module:name, such as reports:app, not 'fine'."),
        ("number:app", "number:app is a int; it has to be an Accepted app."),
        ("number:api", "number:api is nothing; it has to be an Accepted app."),
        ("wrong:app", "wrong:app: lease_ttl: not a duration: 'soon'"),
    ],
)
def test_a_target_that_is_no_app(command: str, target: str, sentence: str) -> None:
    _refused(run(command, target), sentence)


@pytest.mark.parametrize("command", [("serve", "fine:app", "--port", "0"), ("worker", "fine:app"), ("migrate",)])
@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("LEASE_TTL", "soon", "ACCEPTED_LEASE_TTL: not a duration: 'soon'"),
        ("LEASE_TTL", "0.1", "a lease under 0.5 s"),
        ("SLOTS", "0", "ACCEPTED_SLOTS: not a whole number from 1"),
        ("LOG_FORMAT", "xml", "is text or json"),
        ("DATABASE_URL", "mysql://host/name", "starts with sqlite:/// or postgresql://"),
        ("DATABASE_URL", "sqlite:///:memory:", "The database has to be a file"),
        ("DATABASE_URL", "sqlite:////no/such/folder/a.db", "There is no folder /no/such/folder for the database."),
    ],
)
def test_a_bad_setting_in_the_environment(command: tuple[str, ...], name: str, value: str, sentence: str) -> None:
    _refused(run(*command, settings={f"ACCEPTED_{name}": value}), sentence)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_an_open_door_is_refused_unless_it_is_meant(host: str) -> None:
    _refused(run("serve", "fine:app", "--host", host), "--insecure-no-auth")


def test_an_open_door_that_is_meant_is_said_aloud() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that the door does not really open
        port = str(taken.getsockname()[1])
        answer = run("serve", "fine:app", "--host", "0.0.0.0", "--port", port, "--insecure-no-auth")
    assert "WARNING: listening on 0.0.0.0 without authentication" in answer.stderr
    assert f"Cannot listen on 0.0.0.0:{port}" in answer.stderr


@pytest.mark.parametrize("how", ["key", "revoked", "required", "token", "own"])
def test_a_door_that_asks_who_is_there_may_be_open(tmp_path: Path, how: str) -> None:
    settings = {"ACCEPTED_DATABASE_URL": f"sqlite:///{tmp_path}/accepted.db"}
    match how:
        case "key" | "revoked":
            made = run("keys", "create", "--owner", "acme", settings=settings)
            assert made.returncode == 0
            if how == "revoked":
                assert run("keys", "revoke", made.stdout[:16], settings=settings).returncode == 0
        case "required":
            settings["ACCEPTED_REQUIRE_AUTH"] = "true"
        case "token":
            settings["ACCEPTED_JWT_KEY"] = "k" * 32
        case "own":
            source = APP.format("authenticate=lambda request: None")
            (tmp_path / "fine.py").write_text(source, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that the door does not really open
        port = str(taken.getsockname()[1])
        settings["ACCEPTED_TRUSTED_PROXIES"] = "10.0.0.1"
        answer = run("serve", "fine:app", "--host", "0.0.0.0", "--port", port, settings=settings)
    assert f"Cannot listen on 0.0.0.0:{port}" in answer.stderr
    assert "--insecure" not in answer.stderr


@pytest.mark.parametrize("how", ["nothing", "proxy", "certificate", "said"])
def test_keys_are_not_sent_over_lines_that_anybody_reads(tmp_path: Path, how: str) -> None:
    """Section 2 of the guarantees: beyond this machine only with TLS, or behind a proxy that is declared."""
    settings, words = {"ACCEPTED_REQUIRE_AUTH": "true"}, list[str]()
    match how:
        case "proxy":
            settings["ACCEPTED_TRUSTED_PROXIES"] = "10.0.0.1"
        case "certificate":
            words = ["--tls-cert", __file__, "--tls-key", __file__]
        case "said":
            words = ["--insecure-no-tls"]
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that the door does not really open
        port = str(taken.getsockname()[1])
        answer = run("serve", "fine:app", "--host", "0.0.0.0", "--port", port, *words, settings=settings)
    if how == "nothing":
        _refused(answer, "or say --insecure-no-tls")
    else:
        assert f"Cannot listen on 0.0.0.0:{port}" in answer.stderr
        assert ("WARNING: listening on 0.0.0.0 without TLS" in answer.stderr) == (how == "said")


def test_no_authentication_is_not_excused_by_tls() -> None:
    secured = ["--insecure-no-tls", "--tls-cert", __file__, "--tls-key", __file__]
    answer = run("serve", "fine:app", "--host", "0.0.0.0", *secured)
    _refused(answer, "or say --insecure-no-auth")


def test_keys_are_made_listed_replaced_and_revoked(tmp_path: Path) -> None:
    settings = {"ACCEPTED_DATABASE_URL": f"sqlite:///{tmp_path}/accepted.db"}

    def keys(*words: str, code: int = 0) -> str:
        answer = run("keys", *words, settings=settings)
        assert answer.returncode == code, answer.stderr
        return answer.stdout if code == 0 else answer.stderr

    first = keys("create", "--owner", "acme", "--role", "read", "--expires", "90d", "--name", "ci").strip()
    second = keys("rotate", first[:16], "--overlap", "1h").strip()
    assert first != second
    keys("revoke", second[:16])
    rows = json.loads(keys("list", "--json"))
    assert [(row["state"], row["owner"], row["roles"], row["name"]) for row in rows] == [
        ("active", "acme", ["read"], "ci"),
        ("revoked", "acme", ["read"], "ci"),
    ]
    listed = keys("list") + keys("list", "--json")
    assert first[17:] not in listed
    assert second[17:] not in listed
    assert "there is no key" in keys("revoke", "ak_0000000000000", code=1)
    assert "roles are submit, read, cancel, admin" in keys("create", "--owner", "acme", "--role", "root", code=1)
    for file in tmp_path.iterdir():
        assert first[17:].encode() not in file.read_bytes()


def test_a_database_that_the_app_names_itself_is_not_overruled(tmp_path: Path) -> None:
    answer = run("serve", "elsewhere:app", "--port", "0", "--database", f"sqlite:///{tmp_path}/other.db")
    _refused(answer, f"The app names its own database, sqlite:///{tmp_path}/elsewhere.db; leave out --database.")


def test_what_the_app_sets_itself_holds_in_all_processes(tmp_path: Path) -> None:
    with served(tmp_path, target="elsewhere:app") as (server, api):
        api.ended(api.submit("/noops"))
        said = server.output.read_text()
        server.end()
    assert "elsewhere.db" in said
    assert (tmp_path / "elsewhere.db").exists()
    assert not server.database.exists()
    assert server.logged().startswith('{"timestamp":')


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = run("serve", "fine:app", "--port", str(port))
    assert answer.returncode == 1
    assert answer.stderr == f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use.\n"


def test_a_module_that_cannot_be_imported_shows_why() -> None:
    answer = run("serve", "broken:app", "--port", "0")
    assert answer.returncode == 1
    assert "no_such_module_anywhere" in answer.stderr


def test_a_server_that_cannot_start_gives_up_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "accepted.db").write_text("this is no database, and long enough to be told apart from one" * 100)
    answer = run(
        "serve", "fine:app", "--port", "0", settings={"ACCEPTED_DATABASE_URL": f"sqlite:///{tmp_path}/accepted.db"}
    )
    assert answer.returncode == 1
    assert "cannot start: the database cannot be used" in answer.stderr


def _refused(answer: subprocess.CompletedProcess[str], sentence: str) -> None:
    assert sentence in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.returncode == REFUSED


# --- the parts, started by hand


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[tuple[Api, Program]]:
    """A web process without workers, and a worker that somebody started beside it."""
    with served(tmp_path, workers=0) as (server, api):
        assert server.family("worker") == []
        settings = {"ACCEPTED_DATABASE_URL": f"sqlite:///{server.database}", "TEST_FOLDER": str(tmp_path)}
        with Program([*ACCEPTED, "worker", MENU], tmp_path, name="worker", settings=settings) as worker:
            yield api, worker
        server.end()


def test_a_worker_apart(apart: tuple[Api, Program]) -> None:
    api, worker = apart
    ended = api.ended(api.submit("/notes", 1))
    assert (ended["status"], ended["result"]["pid"]) == ("COMPLETED", worker.pid)
    assert api.healthy()["checks"]["workers"] == {"status": "UP", "alive": 1}
    assert worker.end() < 2
    until("it has signed off", lambda: api.healthy()["checks"]["workers"]["alive"] == 0)
    assert api.healthy()["status"] == "UP", "no worker is no outage of the web process"


def test_without_workers_everything_waits(tmp_path: Path) -> None:
    with served(tmp_path, workers=0) as (server, api):
        operation = api.submit("/notes", 1)
        assert api.status(operation)["status"] == "PENDING"
        assert api.healthy()["checks"]["workers"] == {"status": "NONE", "alive": 0}
        server.end()


def test_the_command_has_a_name_of_its_own() -> None:
    command = Path(sys.executable).with_name("accepted")
    answer = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=20, check=True)
    assert answer.stdout.startswith("accepted, version ")
