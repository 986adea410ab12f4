"""The fixture `trial`, as pytest gives it to whoever has Accepted installed; here without a coroutine anywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from accepted import Accepted
from accepted.testing import SyncTrial
from tests.testing.menu import HOOK, SECRET, YEAR, menu

ROOT = Path(__file__).parents[2]


@pytest.fixture
def accepted_app() -> Accepted:
    return menu()[0]


def test_submit_and_result(trial: SyncTrial) -> None:
    operation = trial.client.submit("/reports", YEAR)
    assert operation.result() == {"year": 2017, "months": 12}
    assert trial.http.get("/jobs").json()["pagination"]["totalElements"] == 1


def test_events_come_one_by_one(trial: SyncTrial) -> None:
    operation = trial.client.submit("/waits")
    events = operation.events(after="0")
    first = next(events)
    operation.cancel("enough")
    assert (first.name, [event.name for event in events][-1]) == ("status-update", "cancelled")


def test_a_file(trial: SyncTrial, tmp_path: Path) -> None:
    path = trial.client.submit("/files").download(tmp_path)
    assert (path.name, path.read_bytes()) == ("table.csv", b"a,b\n1,2\n")


def test_time_and_webhooks(trial: SyncTrial) -> None:
    trial.inbox.answer(500)
    operation = trial.client.submit("/reports", YEAR, webhook=HOOK)
    operation.result()
    trial.advance("1h")
    assert [one.answered for one in trial.inbox.of(operation.id)] == [500, 204]
    assert trial.inbox.received[0].verify(SECRET).operation_id == operation.id
    trial.advance("30h")
    assert trial.http.get(f"/operations/{operation.id}").status_code == 410


class TestSettings:
    @pytest.fixture
    def accepted_settings(self) -> dict[str, Any]:
        return {"body_limit": "100"}

    def test_they_hold_for_a_test(self, trial: SyncTrial) -> None:
        assert trial.http.post("/reports", json="x" * 200).status_code == 413


def test_without_an_app_it_says_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(trial):\n    pass\n", encoding="utf-8")
    answer = pytested(tmp_path)
    assert "define a fixture `accepted_app`" in answer.stdout
    assert answer.returncode == 1


def test_pytest_loads_nothing_of_it_unasked(tmp_path: Path) -> None:
    text = "import sys\ndef test_it():\n    assert 'accepted.app' not in sys.modules\n"
    (tmp_path / "test_it.py").write_text(text, encoding="utf-8")
    assert pytested(tmp_path).returncode == 0


def test_the_example_for_fastapi() -> None:
    """What docs/testing.md shows runs as it stands."""
    answer = pytested(ROOT / "examples", "test_fastapi_app.py")
    assert answer.returncode == 0, answer.stdout
    assert " passed" in answer.stdout


def pytested(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Another pytest, as a user calls it."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        "-c",
        "/dev/null",
    ]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
