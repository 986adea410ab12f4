"""Workers that freeze, die and lose their writers: guarantees L1 to L6."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.processes.api import Api
from tests.processes.deadline import until
from tests.processes.diary import Diary
from tests.processes.figures import Figures, quantile
from tests.processes.process import kill
from tests.processes.serving import Server, served

SHORT_LEASES = {"ACCEPTED_LEASE_TTL": "1s", "ACCEPTED_SCAN_INTERVAL": "200ms"}


def test_a_frozen_worker_loses_its_operation_and_delays_nobody(tmp_path: Path, figures: Figures) -> None:
    diary = Diary(tmp_path / "diary")
    with served(tmp_path, workers=2, **SHORT_LEASES) as (server, api):
        operation = api.submit("/gates", "open")
        first = until("the function runs", lambda: diary.of(operation))[0]
        frozen = next(process for process in server.family("worker") if process.pid == first.pid)
        stopped = kill(frozen, signal.SIGSTOP)
        submits = [api.timed("POST", "/notes", json=1)[1] for _ in range(200)]
        second = until("another worker has it", lambda: diary.of(operation)[1:])[0]
        taken_over = second.at - stopped.at
        until("two lease times are over", lambda: second.pid != first.pid and _seconds_since(stopped.at) > 2)
        (tmp_path / "open").touch()
        ended = api.ended(operation)
        kill(frozen, signal.SIGCONT)
        until("the thawed function was stopped", lambda: len(diary.of(operation)) == 4)
        assert api.status(operation) == ended
        assert ended["result"]["pid"] == second.pid
        assert ended["attempt"] == second.attempt == 2
        assert quantile(submits, 0.99) < 0.25, "its scribe is a process of its own: nobody waits for a frozen worker"
        _serves_again(server, api, diary, frozen.pid)
        server.end()
    assert "lost its lease" in server.logged()
    figures.milliseconds("submits while a worker is frozen", submits)
    figures.note("worker frozen, lease 1 s: until another runs its operation", f"{taken_over:.2f} s")


def _serves_again(server: Server, api: Api, diary: Diary, pid: int) -> None:
    """The process goes on as another worker: operations run in it, and nothing of it was started anew."""
    others = [process for process in server.family("worker") if process.pid != pid]
    assert len(others) == 1, "no process was replaced"
    kill(others[0], signal.SIGSTOP)
    operation = api.submit("/notes", 1)
    api.ended(operation)
    assert [entry.pid for entry in diary.of(operation)] == [pid, pid]
    kill(others[0], signal.SIGCONT)


def _seconds_since(at: float) -> float:
    return time.monotonic() - at


def test_a_worker_that_dies_three_times_under_one_operation_ends_it(api: Api, server: Server) -> None:
    before = server.only("worker").pid
    operation = api.submit("/poisons")
    others = [api.submit("/notes", 1) for _ in range(20)]
    ended = api.ended(operation)
    assert (ended["status"], ended["attempt"]) == ("FAILED", 3)
    assert ended["error"]["type"].endswith("/worker-lost")
    assert ended["error"]["retryable"] is False
    assert "retry" not in ended["links"]
    assert {api.ended(other)["status"] for other in others} == {"COMPLETED"}
    assert server.only("worker").pid != before


def test_operations_that_kill_their_worker_do_not_end_the_server(api: Api, server: Server) -> None:
    for _ in range(2):  # six quick deaths
        assert api.ended(api.submit("/poisons"))["error"]["type"].endswith("/worker-lost")
    assert api.ended(api.submit("/notes", 1))["status"] == "COMPLETED"
    assert server.process.poll() is None


def test_what_a_dead_worker_held_runs_again_long_before_its_lease_is_over(
    api: Api, server: Server, diary: Diary, tmp_path: Path, figures: Figures
) -> None:
    operation = api.submit("/gates", "open")
    until("the function runs", lambda: diary.of(operation))
    killed = server.kill("worker")
    again = until("it runs again", lambda: diary.of(operation)[1:])[0]
    (tmp_path / "open").touch()
    assert api.ended(operation)["result"] == {"attempt": 2, "pid": again.pid, "url": f"/operations/{operation}/result"}
    figures.note("worker killed: until its operation runs again", f"{again.at - killed.at:.2f} s (lease 30 s)")


def test_a_successor_that_dies_at_once_leaves_its_task_to_the_next(
    api: Api, server: Server, diary: Diary, tmp_path: Path
) -> None:
    operation = api.submit("/gates", "open")
    until("the function runs", lambda: diary.of(operation))
    first = server.kill("worker").pid
    heir = until("a successor", lambda: [p for p in server.family("worker") if p.pid != first])[0]
    kill(heir)
    (tmp_path / "open").touch()
    assert api.ended(operation, patience=15)["attempt"] == 2


def test_what_was_reported_survives_the_death_of_the_writer(api: Api, server: Server, tmp_path: Path) -> None:
    operation = api.submit("/warnings", "open")
    api.started(operation)
    scribe = server.only("scribe")
    kill(scribe, signal.SIGSTOP)
    until("the function has reported", (tmp_path / "open-reported").exists)
    kill(scribe)
    until("a new scribe", lambda: [p for p in server.family("scribe") if p.pid != scribe.pid])
    (tmp_path / "open").touch()
    ended = api.ended(operation)
    assert ended["status"] == "COMPLETED_WITH_ERRORS"
    assert ended["attempt"] == 1, "a worker outlives its writer"
    assert [warning["code"] for warning in ended["result"]["warnings"]] == ["MISSING_DATA"]
    lines = api.get(f"/operations/{operation}".replace("operations/op-", "jobs/job-") + "/logs").json()["data"]
    assert [line["message"] for line in lines] == ["two are missing"]


def test_a_checkpoint_waits_for_a_new_writer(api: Api, server: Server) -> None:
    operation = api.submit("/steps", 400)
    api.started(operation)
    server.kill("scribe")
    ended = api.ended(operation)
    assert (ended["status"], ended["attempt"]) == ("COMPLETED", 1)
