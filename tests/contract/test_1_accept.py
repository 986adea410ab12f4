"""Submitting and idempotency keys (contract, section 1; guarantees I1 to I6)."""

from __future__ import annotations

import pytest

from accepted.contract.operation import Status
from accepted.contract.policy import DAY_MS, KEY_LIFETIME_MS
from accepted.contract.problem import IdempotencyKeyReused, OperationExpired
from accepted.contract.progress import announced
from accepted.contract.transition import Accepted, Expire, Forget, Renew
from tests.contract.given import DAY, HOUR, NOW, SECOND, accept, after, cancel, claim, complete, key, op_id
from tests.contract.memory import Memory


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_an_accept_is_pending_and_due_at_once(memory: Memory) -> None:
    (outcome,) = memory.ask([accept(trace="00-1-2-01", progress=announced(["LOAD"]))], NOW)
    operation = outcome.operation
    assert not outcome.replayed
    assert (operation.status, operation.version, operation.sequence, operation.attempt) == (Status.PENDING, 1, 1, 0)
    assert operation.created_at == operation.updated_at == operation.due_at == NOW.wall
    assert (operation.type, operation.owner, operation.trace) == ("report", "ann", "00-1-2-01")
    assert memory.inputs == {op_id(): b'{"n":1}'}
    (event,) = memory.events[op_id()]
    assert (event.sequence, event.at, event.status) == (1, NOW.wall, Status.PENDING)
    assert event.progress == announced(["LOAD"])


def test_the_same_key_and_body_give_the_same_operation(memory: Memory) -> None:
    memory.commit([accept(1, key=key())], NOW)
    changes = memory.commit([accept(2, key=key())], after(HOUR))
    assert changes.outcomes == [Accepted(memory.operations[op_id(1)], replayed=True)]
    assert (changes.created, changes.events, changes.inputs, changes.keys) == ({}, [], {}, {})


def test_64_racing_submits_with_one_key_make_one_operation(memory: Memory) -> None:
    outcomes = memory.ask([accept(number, key=key()) for number in range(64)], NOW)
    assert [outcome.replayed for outcome in outcomes] == [False] + [True] * 63
    assert {outcome.operation.id for outcome in outcomes} == memory.operations.keys() == {op_id(0)}


def test_a_replay_gives_the_operation_as_it_is_now(memory: Memory) -> None:
    memory.commit([accept(1, key=key()), Renew("w1", 30 * SECOND, first=True), claim()], NOW)
    (outcome,) = memory.ask([accept(2, key=key())], after(SECOND))
    assert outcome.operation.status is Status.PROCESSING
    memory.commit([complete(outcome.operation)], after(2 * SECOND))
    (outcome,) = memory.ask([accept(3, key=key())], after(3 * SECOND))
    assert (outcome.replayed, outcome.operation.status) == (True, Status.COMPLETED)


@pytest.mark.parametrize("batches", [1, 2])
def test_another_body_under_the_same_key_is_refused(memory: Memory, batches: int) -> None:
    submits = [accept(1, key=key(body="one")), accept(2, key=key(body="two"))]
    size = len(submits) // batches
    outcomes = [outcome for n in range(batches) for outcome in memory.ask([*submits[n * size :][:size]], NOW)]
    assert isinstance(outcomes[1], IdempotencyKeyReused)
    assert memory.operations.keys() == {op_id(1)}
    assert memory.inputs.keys() == {op_id(1)}


@pytest.mark.parametrize(
    "other",
    [
        accept(2, owner="bob", key=key()),
        accept(2, key=key(route="/imports")),
        accept(2, key=key("k2")),
        accept(2, owner="bob", key=key(body="another")),
        accept(2),
    ],
    ids=["owner", "route", "key", "owner and body", "no key"],
)
def test_keys_of_different_callers_and_paths_do_not_touch(memory: Memory, other: object) -> None:
    outcomes = memory.ask([accept(1, key=key()), other], NOW)  # type: ignore[list-item]
    assert [outcome.replayed for outcome in outcomes] == [False, False]


def test_a_refused_submit_stores_no_key_and_spoils_nothing_around_it(memory: Memory) -> None:
    memory.commit([accept(1, key=key(body="one"))], NOW)
    row = dict(memory.keys)
    refused, fine = memory.ask([accept(2, key=key(body="two")), accept(3)], after(HOUR))
    assert isinstance(refused, IdempotencyKeyReused)
    assert isinstance(fine, Accepted)
    assert memory.keys == row


def test_submits_without_a_key_are_all_new(memory: Memory) -> None:
    memory.commit([accept(1), accept(2)], NOW)
    assert memory.operations.keys() == {op_id(1), op_id(2)}


class TestKeyLifetime:
    """A key lives until its operation's `expiresAt`, at least 24 h."""

    def test_a_day_is_the_least(self) -> None:
        assert key().lifetime == KEY_LIFETIME_MS == DAY_MS

    def test_it_outlives_an_operation_that_expires_early(self, memory: Memory) -> None:
        self.end(memory, retention=HOUR)
        memory.commit([Expire()], after(2 * HOUR))
        (outcome,) = memory.ask([accept(2, key=key())], after(DAY - 1))
        assert isinstance(outcome, OperationExpired)
        (outcome,) = memory.ask([accept(2, key=key(body="another"))], after(DAY - 1))
        assert isinstance(outcome, IdempotencyKeyReused)

    def test_then_it_is_free_even_before_it_is_swept_away(self, memory: Memory) -> None:
        self.end(memory, retention=HOUR)
        memory.commit([Expire()], after(2 * HOUR))
        (outcome,) = memory.ask([accept(2, key=key(body="another"))], after(DAY))
        assert (outcome.operation.id, outcome.replayed) == (op_id(2), False)

    def test_an_operation_that_is_over_counts_as_expired_before_it_is_swept(self, memory: Memory) -> None:
        self.end(memory, retention=HOUR)
        (outcome,) = memory.ask([accept(2, key=key())], after(HOUR))
        assert isinstance(outcome, OperationExpired)
        (outcome,) = memory.ask([accept(2, key=key())], after(DAY))
        assert (outcome.operation.id, outcome.replayed) == (op_id(2), False)
        memory.commit([Expire(), Forget()], after(3 * DAY))
        (outcome,) = memory.ask([accept(3, key=key())], after(3 * DAY))
        assert (outcome.operation.id, outcome.replayed) == (op_id(2), True)

    def test_it_lives_as_long_as_its_operation(self, memory: Memory) -> None:
        self.end(memory, retention=3 * DAY)
        memory.commit([Forget()], after(2 * DAY))
        (outcome,) = memory.ask([accept(2, key=key())], after(2 * DAY))
        assert (outcome.operation.id, outcome.replayed) == (op_id(1), True)

    def test_it_lives_while_its_operation_has_not_ended(self, memory: Memory) -> None:
        memory.commit([accept(1, key=key())], NOW)
        (_, outcome) = memory.ask([Expire(), accept(2, key=key())], after(90 * DAY))
        assert (outcome.operation.id, outcome.replayed) == (op_id(1), True)

    def test_it_may_be_swept_away_once_both_times_are_over(self, memory: Memory) -> None:
        self.end(memory, retention=HOUR)
        memory.commit([Expire(), Forget()], after(2 * HOUR))
        assert len(memory.keys) == 1
        memory.commit([Forget()], after(DAY))
        assert memory.keys == {}

    def test_a_key_taken_over_as_its_operation_expires_belongs_to_the_new_one(self, memory: Memory) -> None:
        self.end(memory, retention=DAY)
        (_, outcome) = memory.ask([Expire(), accept(2, key=key())], after(2 * DAY))
        assert (outcome.operation.id, outcome.replayed) == (op_id(2), False)
        memory.commit([Forget()], after(4 * DAY))
        (outcome,) = memory.ask([accept(3, key=key())], after(4 * DAY))
        assert (outcome.operation.id, outcome.replayed) == (op_id(2), True)

    @staticmethod
    def end(memory: Memory, retention: int) -> None:
        submit = accept(1, key=key(), retention=retention)
        memory.commit([submit, cancel(memory.ask([submit], NOW)[0].operation)], NOW)
