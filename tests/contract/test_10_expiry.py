"""Retention: ended operations become tombstones, and tombstones are forgotten (contract, section 10; R1, R2)."""

from __future__ import annotations

from accepted.contract.ledger import Tombstone
from accepted.contract.operation import Operation, Status
from accepted.contract.policy import TOMBSTONE_LIFETIME_MS
from accepted.contract.problem import OperationNotFound
from accepted.contract.transition import Expire, Forget, Renew
from tests.contract.given import (
    BROKEN,
    DAY,
    HOUR,
    NOW,
    SECOND,
    accept,
    after,
    cancel,
    claim,
    complete,
    fail,
    op_id,
    pending,
)
from tests.contract.memory import Memory


def of_each_state(memory: Memory) -> list[Operation]:
    """Operations 1 to 5: completed, failed, cancelled, running and waiting; all kept for an hour."""
    submits = [accept(number, retention=HOUR) for number in range(1, 6)]
    memory.commit([*submits, Renew("w1", DAY, first=True), claim(room=4)], NOW)
    one, two, three, *_ = memory.operations.values()
    memory.commit([complete(one), fail(two, BROKEN), cancel(three)], after(SECOND))
    memory.commit([complete(three)], after(SECOND))
    return list(memory.operations.values())


def test_a_document_is_kept_for_its_retention_to_the_millisecond() -> None:
    memory = Memory()
    ended = [o for o in of_each_state(memory) if o.terminal]
    assert {o.expires_at for o in ended} == {after(SECOND + HOUR).wall}
    assert memory.ask([Expire()], after(SECOND + HOUR - 1)) == [0]
    assert memory.ask([Expire()], after(SECOND + HOUR)) == [3]
    assert memory.tombstones == {o.id: Tombstone(o.id, "ann", after(SECOND + HOUR).wall) for o in ended}


def test_what_has_not_ended_never_expires() -> None:
    memory = Memory()
    of_each_state(memory)
    memory.commit([Expire()], after(1000 * DAY))
    assert [o.status for o in memory.operations.values()] == [Status.PROCESSING, Status.PENDING]


def test_only_id_owner_and_time_remain() -> None:
    memory = Memory()
    of_each_state(memory)
    memory.commit([Expire()], after(DAY))
    assert memory.events.keys() == memory.inputs.keys() == {op_id(4), op_id(5)}


def test_it_goes_in_bites() -> None:
    memory = Memory()
    of_each_state(memory)
    assert memory.ask([Expire(limit=2), Expire(limit=2)], after(DAY)) == [2, 0]
    assert memory.ask([Expire(limit=2)], after(DAY)) == [1]


def test_what_has_expired_within_a_batch_is_gone_for_the_rest_of_it() -> None:
    memory = Memory()
    memory.commit([accept(retention=HOUR), cancel(pending())], NOW)
    _, outcome = memory.ask([Expire(), cancel(pending())], after(DAY))
    assert isinstance(outcome, OperationNotFound)


def test_tombstones_stand_for_thirty_days() -> None:
    memory = Memory()
    memory.commit([accept(retention=HOUR), cancel(pending())], NOW)
    memory.commit([Expire()], after(DAY))
    assert TOMBSTONE_LIFETIME_MS == 30 * DAY
    memory.commit([Forget()], after(HOUR + 30 * DAY - 1))
    assert len(memory.tombstones) == 1
    memory.commit([Forget()], after(HOUR + 30 * DAY))
    assert memory.tombstones == {}
