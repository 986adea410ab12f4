"""Webhooks of real processes that are killed between sending and writing down (guarantees W1, W2 and W4)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.processes.deadline import until
from tests.processes.process import kill
from tests.processes.receiving import SECRET, Received, receiving
from tests.processes.serving import Server

KILLS = {5, 12, 20}
OPERATIONS = 30
DEVELOPMENT = {
    "ACCEPTED_WEBHOOK_ALLOW_HTTP": "true",
    "ACCEPTED_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
    "ACCEPTED_WEBHOOK_TIMEOUT": "1s",  # a claim lasts four times as long
    "ACCEPTED_LEASE_TTL": "2s",
}


def submit(server: Server, received: Received, path: str = "/noops") -> str:
    """An operation that tells of its end."""
    with server.api() as api:
        answer = api.post(path, json={"webhook": {"url": received.url, "secret": SECRET}})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["operationId"])


def test_each_kill_between_sending_and_writing_down_costs_one_more_sending_at_most(tmp_path: Path) -> None:
    with receiving() as received, Server(tmp_path, **DEVELOPMENT) as server:  # type: ignore[arg-type]
        kills: list[int] = []

        def between(number: int) -> None:
            if number in KILLS:
                victims = [process for process in server.family() if process.role in {"web", "worker"}]
                kills.extend(kill(victim).pid for victim in victims)

        received.between = between
        ids = [until("it is taken", lambda: _taken(server, received)) for _ in range(OPERATIONS)]
        until("all are told", lambda: set(received.operations) >= set(ids), 60)
        until("all are written down", lambda: _settled(server, ids), 60)
        assert received.wrong == []
        again = [id for id, times in Counter(received.ids).items() if times > 1]
        in_hand = 4 * 2  # what two processes may be sending to one host when they are killed
        assert len(received.ids) - len(set(received.ids)) <= len(KILLS) * in_hand
        assert len(again) <= len(KILLS) * in_hand
        assert kills


def test_a_single_sending_that_is_cut_off_comes_exactly_twice(tmp_path: Path) -> None:
    with receiving() as received, Server(tmp_path, **DEVELOPMENT) as server:  # type: ignore[arg-type]

        def between(number: int) -> None:
            if number == 1:
                for process in server.family():
                    if process.role in {"web", "worker"}:
                        kill(process)

        received.between = between
        id = submit(server, received)
        until("it is told again", lambda: len(received.ids) == 2, 30)
        until("it is written down", lambda: _settled(server, [id]), 30)
        assert len(received.ids) == 2
        assert len(set(received.ids)) == 1
        assert received.wrong == []


def _taken(server: Server, received: Received) -> str | None:
    try:
        return submit(server, received)
    except Exception:  # between two lives of the web process
        return None


def _settled(server: Server, ids: list[str]) -> bool:
    try:
        with server.api() as api:
            lists = [api.get(f"/operations/{id}/deliveries").json()["data"] for id in ids]
    except Exception:
        return False
    return all(deliveries and all(each["status"] == "DELIVERED" for each in deliveries) for deliveries in lists)
