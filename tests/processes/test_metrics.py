"""One scrape of the web process sees what all processes have done, also those that are dead by now."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.processes.api import Api
from tests.processes.deadline import until
from tests.processes.serving import Server, served

Samples = dict[tuple[str, str], float]


def scrape(api: Api) -> Samples:
    """Values by the name of a sample and its labels."""
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_workers_do_is_seen_in_the_web_process(tmp_path: Path) -> None:
    with served(tmp_path, workers=2) as (server, api):
        for _ in range(5):
            api.ended(api.submit("/notes", 1))
        api.ended(api.submit("/screams", "no"))
        until("all of it is counted", lambda: scrape(api).get(COMPLETED) == 5)
        seen = scrape(api)
        assert seen["accepted_submissions_total", "outcome=accepted,type=note"] == 5
        assert seen["accepted_attempts_total", "outcome=completed,type=note"] == 5
        assert seen["accepted_operations_total", "status=FAILED,type=scream"] == 1
        assert seen["accepted_run_seconds_count", "type=note"] == 5
        assert seen["accepted_wait_seconds_count", "type=note"] == 5
        assert seen["accepted_commit_seconds_count", ""] >= 6
        assert sum(value for (name, _), value in seen.items() if name == "accepted_invariant_violations_total") == 0
        server.end()


def test_counters_do_not_fall_when_processes_die(api: Api, server: Server) -> None:
    api.ended(api.submit("/notes", 1))
    until("it is counted", lambda: scrape(api).get(COMPLETED) == 1)
    _replaced(server, "worker")
    _replaced(server, "web")
    with server.api() as fresh:
        fresh.ended(fresh.submit("/notes", 1))
        until("both are counted", lambda: scrape(fresh).get(COMPLETED) == 2)


def _replaced(server: Server, role: str) -> None:
    before = server.kill(role)
    until(f"another {role}", lambda: server.only(role).pid != before.pid)


def test_the_queue_is_told_as_it_is(tmp_path: Path) -> None:
    with served(tmp_path, workers=0) as (server, api):
        for _ in range(3):
            api.submit("/notes", 1)
        seen = scrape(api)
        assert seen["accepted_queue_depth", "type=note"] == 3
        assert 0 <= seen["accepted_queue_oldest_seconds", "type=note"] < 30
        server.end()


COMPLETED = ("accepted_operations_total", "status=COMPLETED,type=note")
