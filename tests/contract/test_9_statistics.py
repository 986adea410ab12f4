"""Statistics: counts that add up over processes, percentiles that hold, and the document (contract, section 9)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accepted.contract.operation import Status
from accepted.contract.statistic import (
    EVERYBODY,
    HISTORY,
    MINUTE,
    Snapshot,
    StatisticRow,
    Tallies,
    WorkerState,
    bucket,
    percentile,
    scope_of,
    statistics_document,
)
from tests.contract.given import processing

AT = 1_767_225_600_000  # 2026-01-01T00:00:00Z
LAST = AT // MINUTE


def counted(*milliseconds: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for time in milliseconds:
        found[bucket(time)] = found.get(bucket(time), 0) + 1
    return found


@given(st.lists(st.integers(1, 10**8), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_within_nine_percent(times: list[int], share: float) -> None:
    exact = sorted(times)[max(-(-len(times) * round(share * 100) // 100) - 1, 0)] / 1000
    found = percentile(counted(*times), share)
    assert found is not None
    assert exact / 1.0906 - 0.0001 <= found <= exact * 1.0906 + 0.0001


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile({}, 0.5) is None


def test_processes_add_up_in_any_order() -> None:
    parts = [
        Tallies(submitted=2, ended={"COMPLETED": 1}, waited={3: 1}, ran={8: 1}),
        Tallies(submitted=1, ended={"COMPLETED": 1, "FAILED": 1}, waited={3: 2}),
        Tallies(ended={"CANCELLED": 5}, ran={8: 2, 9: 1}),
    ]
    sums = []
    for _ in range(3):
        random.Random(1).shuffle(parts)
        total = Tallies()
        for part in parts:
            total.add(part)
        sums.append(total)
    whole = Tallies(3, {"COMPLETED": 2, "FAILED": 1, "CANCELLED": 5}, {3: 3}, {8: 3, 9: 1})
    assert sums == [whole] * 3


def test_an_owner_cannot_be_called_everybody() -> None:
    assert scope_of(None) == EVERYBODY
    assert scope_of(EVERYBODY) != EVERYBODY


def snapshot(*, operator: bool = True) -> Snapshot:
    rows = [
        StatisticRow(EVERYBODY, LAST, "report", "a", Tallies(3, {"COMPLETED": 2, "FAILED": 1}, counted(100), {})),
        StatisticRow(EVERYBODY, LAST, "report", "b", Tallies(0, {"CANCELLED": 4}, {}, counted(2000))),
        StatisticRow(EVERYBODY, LAST - HISTORY + 1, "import", "a", Tallies(1)),
    ]
    counts = {("report", Status.PENDING): 2, ("report", Status.PROCESSING): 1, ("import", Status.PENDING): 1}
    oldest = {"report": AT - 5000, "import": AT + 5000}
    workers = [WorkerState("w1", True, {"host": "h", "pid": 7, "secret": "x"}, [processing()])]
    return Snapshot(AT, counts, oldest, rows, workers if operator else None)


def test_the_document_has_every_minute_of_the_last_hour() -> None:
    minutes = statistics_document(snapshot())["minutes"]
    assert len(minutes) == HISTORY
    assert minutes[0] == {"at": "2025-12-31T23:01:00.000Z", "submitted": 1}
    assert minutes[1] == {"at": "2025-12-31T23:02:00.000Z"}
    last = minutes[-1]
    assert last["at"] == "2026-01-01T00:00:00.000Z"
    assert last["ended"] == {"COMPLETED": 2, "FAILED": 1, "CANCELLED": 4}
    assert last["wait"]["p50"] == pytest.approx(0.1, rel=0.09)


def test_success_is_judged_without_what_was_cancelled() -> None:
    assert statistics_document(snapshot())["lastHour"]["successRate"] == pytest.approx(2 / 3, abs=0.001)
    nothing = Snapshot(AT, {}, {}, [StatisticRow(EVERYBODY, LAST, "r", "a", Tallies(ended={"CANCELLED": 1}))], None)
    assert "successRate" not in statistics_document(nothing)["lastHour"]


def test_the_queue_is_as_old_as_the_first_whose_turn_it_is() -> None:
    document = statistics_document(snapshot())
    assert document["queue"] == {"depth": 3, "oldestDueAt": "2025-12-31T23:59:55.000Z"}
    import_, report = document["types"]
    assert import_["queue"] == {"depth": 1}, "its turn comes later"
    assert report["operations"]["PROCESSING"] == 1


def test_workers_are_told_to_operators_with_what_is_meant_to_be_told() -> None:
    (worker,) = statistics_document(snapshot())["workers"]
    assert {name: worker[name] for name in ("workerId", "alive", "host", "pid")} == {
        "workerId": "w1", "alive": True, "host": "h", "pid": 7,
    }  # fmt: skip
    assert "secret" not in worker
    assert [running["type"] for running in worker["running"]] == ["report"]
    assert "workers" not in statistics_document(snapshot(operator=False))
