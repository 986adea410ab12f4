"""`accepted doctor` finds what is wrong with a set-up, and `accepted migrate` brings a file up to date."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import apsw
import pytest

from tests.processes.deadline import until
from tests.processes.serving import MENU, run, served

FINE, FAILURE = 0, 1


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A migrated file."""
    path = tmp_path / "accepted.db"
    assert run("migrate", "--database", f"sqlite:///{path}").returncode == FINE
    return path


def findings(
    *arguments: str,
    code: int = FINE,
    database: Path | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """What the doctor says, once it has been seen to end with this code."""
    named = [] if database is None else ["--database", f"sqlite:///{database}"]
    answer = run("doctor", *arguments, *named, settings=settings)
    assert (answer.returncode, answer.stderr) == (code, ""), answer.stdout + answer.stderr
    assert all(re.match(r"ok      |warning |WRONG   ", line) for line in answer.stdout.splitlines())
    return answer.stdout


def test_a_sound_set_up(tmp_path: Path) -> None:
    with served(tmp_path) as (server, _):
        said = findings(MENU, database=server.database, settings={"TEST_FOLDER": str(tmp_path)})
    assert "WRONG" not in said
    assert "note at POST /notes" in said
    assert "schema: up to date; integrity: ok" in said
    assert "workers: 1 alive, 0 silent" in said
    assert "mode 0600" in said


def test_workers_that_are_silent(tmp_path: Path) -> None:
    with served(tmp_path, ACCEPTED_LEASE_TTL="1s") as (server, _):
        server.close()
    until("the lease is over", lambda: "warning workers: 0 alive" in findings(database=server.database))


@pytest.mark.parametrize(
    ("name", "value", "finding"),
    [
        ("LEASE_TTL", "soon", "WRONG   settings: ACCEPTED_LEASE_TTL: not a duration"),
        ("DATABASE_URL", "sqlite:////no/such/folder/a.db", "WRONG   database: There is no folder /no/such/folder"),
        ("DATABASE_URL", "postgresql://127.0.0.1:1/name", "WRONG   database: the database cannot be used"),
    ],
)
def test_settings_that_cannot_work(name: str, value: str, finding: str) -> None:
    assert finding in findings(code=FAILURE, settings={f"ACCEPTED_{name}": value})


@pytest.mark.parametrize(
    ("name", "value", "finding"),
    [
        ("LEASE_TTL", "1s", "warning lease_ttl is 1 s"),
        ("ALLOWED_HOSTS", "*", "warning allowed_hosts is *"),
        ("SCAN_INTERVAL", "60s", "warning scan_interval is longer than lease_ttl"),
    ],
)
def test_settings_that_are_unwise(name: str, value: str, finding: str, database: Path) -> None:
    assert finding in findings(database=database, settings={f"ACCEPTED_{name}": value})


@pytest.mark.parametrize("target", ["nowhere_to_be_found:app", "tests.processes.menu:diary", "tests.processes.menu"])
def test_an_app_that_is_none(target: str, database: Path, tmp_path: Path) -> None:
    assert "WRONG   app: " in findings(target, code=FAILURE, database=database, settings={"TEST_FOLDER": str(tmp_path)})


def test_the_database_that_the_app_names_is_the_one_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.db"
    (tmp_path / "named.py").write_text(f"from accepted import Accepted\napp = Accepted(database='sqlite:///{own}')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = findings("named:app")
    assert f"{own} does not exist yet" in said
    assert "warning app: it has no operations" in said


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "accepted.db"
    path.write_text("this is no database, and long enough to be told apart from one" * 100)
    assert "WRONG   database: " in findings(code=FAILURE, database=path)
    answer = run("migrate", "--database", f"sqlite:///{path}")
    assert (answer.returncode, "Traceback" in answer.stderr) == (FAILURE, False)


def test_a_damaged_database(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    assert "WRONG   " in findings(code=FAILURE, database=database)


def test_a_file_that_others_may_read(database: Path) -> None:
    database.chmod(0o644)
    assert "warning database: " in findings(database=database)


def test_a_database_of_a_newer_version(database: Path) -> None:
    connection = apsw.Connection(str(database))
    connection.execute("INSERT INTO migration (version, name, checksum) VALUES (999, 'later', 'x')")
    connection.close()
    assert "WRONG   " in findings(code=FAILURE, database=database)
    for command in (["migrate"], ["migrate", "--check"]):
        answer = run(*command, "--database", f"sqlite:///{database}")
        assert answer.returncode == FAILURE
        assert answer.stderr.startswith("Error: ")
        assert "newer than this version" in answer.stderr


def test_opt_outs_of_webhooks(database: Path) -> None:
    lifted = {"ACCEPTED_WEBHOOK_ALLOW_HTTP": "true", "ACCEPTED_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8, 10.0.0.0/8"}
    said = findings(database=database, settings=lifted)
    assert "warning webhook_allow_http is on" in said
    assert "webhook_allow_networks is 127.0.0.0/8, 10.0.0.0/8: clients can make this server send" in said
    assert "webhook_allow" not in findings(database=database)


def test_a_disk_in_memory() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        said = findings(database=Path(folder) / "accepted.db")
    assert f"warning disk: {folder} is in memory (tmpfs): a 202 does not survive a reboot" in said


def test_migrations_can_be_asked_for_and_made(tmp_path: Path) -> None:
    named = ["--database", f"sqlite:///{tmp_path}/accepted.db"]
    before = run("migrate", "--check", *named)
    assert (before.returncode, before.stdout.startswith("missing: 0001_")) == (FAILURE, True)
    assert not (tmp_path / "accepted.db").exists(), "asking changes nothing"
    made = run("migrate", *named)
    assert (made.returncode, made.stdout) == (FINE, before.stdout.replace("missing: ", "applied: "))
    for command in (["migrate"], ["migrate", "--check"]):
        again = run(*command, *named)
        assert (again.returncode, again.stdout) == (FINE, "The schema is up to date.\n")
