"""A crash at every sync of submit, complete, cancel and retry, over real HTTP: guarantees D1, D4, S2, I4."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from accepted import history
from tests.processes.api import Api
from tests.processes.crash_points import Death, die, survivor
from tests.processes.customer import Customer
from tests.processes.evidence import integrity, listed
from tests.processes.figures import Figures
from tests.processes.recorder import sentences
from tests.programs import program

pytestmark = pytest.mark.chaos

LAST = 24  # syncs: more than a start and a whole round of the customer make
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
    there = [_named(found, customer) for found in await listed(f"sqlite:///{tmp_path}/accepted.db")]
    assert sentences(history.judge([*customer.acks, *there])) == []
    assert len(there) == 3 * customer.rounds
    figures.note(f"deaths at a sync ({', '.join(ways)})", f"{died}, operations {len(there)}")


def _named(found: history.Entry, customer: Customer) -> history.Entry:
    """A retry has no key of its own: it goes by the step that asked for it."""
    names = {id: step.removesuffix("-told-again") for step, id in customer.promised.items()}
    assert isinstance(found.record, history.Listed)
    key = found.record.key or names.get(found.record.operation_id, "")
    return found._replace(record=replace(found.record, key=key))
