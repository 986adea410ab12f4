"""A crash at every sync of submit, complete, cancel and retry, over real HTTP: guarantees D1, D4, S2, I4."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.api import Api
from tests.processes.crash_points import Death, die, survivor
from tests.processes.customer import Customer
from tests.processes.evidence import integrity, stored
from tests.processes.figures import Figures
from tests.processes.history import (
    History,
    Stored,
    complaints,
    ended_once,
    none_stuck,
    nothing_lost,
    numbered_without_gaps,
    one_key_one_operation,
)
from tests.programs import program

pytestmark = pytest.mark.chaos

LAST = 24  # syncs: more than a start and a whole round of the customer make
RULES = (nothing_lost, one_key_one_operation, none_stuck, numbered_without_gaps, ended_once)
WAYS = [("before", "after"), ("strace",)]


@pytest.mark.parametrize("ways", WAYS, ids="-".join)
async def test_a_crash_at_a_sync_loses_nothing(
    tmp_path: Path, ways: tuple[str, ...], scale: int, figures: Figures
) -> None:
    if "strace" in ways:
        program("strace")
    every = max(1, 10 // scale)
    deaths = [Death(at, way) for number, way in enumerate(ways) for at in range(1 + number * every // 2, LAST, every)]
    customer = Customer()
    died = die(tmp_path, customer, deaths)
    assert died == len(deaths), "each of them was met"
    with survivor(tmp_path) as server:
        server.wait_until_ready_or_dead()
        with Api(server.url) as api:
            customer.round(api)
            for id in customer.promised.values():
                api.ended(id)
            assert customer.changed(api) == []
    assert integrity(tmp_path / "accepted.db") == "ok"
    day = History(customer.acks, [_named(found, customer) for found in await stored(tmp_path / "accepted.db")])
    assert complaints(day, RULES) == []
    assert len(day.operations) == 3 * customer.rounds
    figures.note(f"deaths at a sync ({', '.join(ways)})", f"{died}, operations {len(day.operations)}")


def _named(operation: Stored, customer: Customer) -> Stored:
    """A retry has no key of its own: it goes by the step that asked for it."""
    names = {id: step.removesuffix("-told-again") for step, id in customer.promised.items()}
    return operation._replace(key=names.get(operation.id, operation.key))
