"""When a delivery is made, when it is tried again and when it is given up (guarantees W1 to W4, W6 and R1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from accepted.contract.delivery import (
    JITTER,
    SCHEDULE,
    TRIES_KEPT,
    VISIBILITY,
    Delivery,
    DeliveryStatus,
    is_delivery_id,
)
from accepted.contract.operation import Now, Status
from accepted.contract.problem import DeliveryNotFound, OperationNotFound, StaleAttempt
from accepted.contract.transition import (
    Expire,
    PostponeDelivery,
    Redeliver,
    Renew,
    SettledDelivery,
    Transition,
)
from accepted.contract.webhook import EVENTS
from tests.contract.given import (
    BROKEN,
    BUSY,
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    WARNED,
    accept,
    after,
    cancel,
    claim,
    claim_deliveries,
    complete,
    fail,
    key,
    op_id,
    release,
    rescue,
    retry,
    settle,
    settle_delivery,
    webhook,
)
from tests.contract.memory import Memory


@pytest.fixture
def memory() -> Memory:
    memory = Memory()
    memory.ask([Renew("w1", DAY, True)], NOW)
    return memory


def submitted(memory: Memory, number: int = 1, host: str = "a.example", **changes: Any) -> str:
    memory.ask([accept(number, **{"webhook": webhook(host, EVENTS), **changes})], NOW)
    return op_id(number)


def events(memory: Memory, id: str = op_id(1)) -> list[str]:
    return [delivery.event for delivery in memory.deliveries_of(id)]


def run(memory: Memory, end: Callable[[Any], Transition], now: Now = NOW, **changes: Any) -> None:
    """A submit, a start and an end."""
    submitted(memory, **changes)
    memory.ask([claim()], now)
    memory.ask([end(memory.operations[op_id(1)])], now)


def taken(memory: Memory, now: Now = NOW, **changes: Any) -> list[Delivery]:
    (outcome,) = memory.ask([claim_deliveries(**changes)], now)
    return list(outcome.deliveries)


def one_due(memory: Memory) -> Delivery:
    """An operation that was cancelled before its start, and the delivery that tells of it."""
    submitted(memory)
    memory.ask([cancel(memory.operations[op_id(1)])], NOW)
    (delivery,) = memory.pending()
    return delivery


def tried(memory: Memory, now: Now, **answer: Any) -> Delivery:
    """The one delivery, claimed and settled."""
    (delivery,) = taken(memory, now)
    (outcome,) = memory.ask([settle_delivery(delivery, **answer)], now)
    assert isinstance(outcome, SettledDelivery), outcome
    return outcome.delivery


class TestWhenOneIsMade:
    @pytest.mark.parametrize(
        ("end", "event", "status"),
        [
            (complete, "COMPLETED", Status.COMPLETED),
            (lambda o: complete(o, report=WARNED), "COMPLETED", Status.COMPLETED_WITH_ERRORS),
            (lambda o: fail(o, BROKEN), "FAILED", Status.FAILED),
        ],
    )
    def test_each_end_is_told_in_its_own_commit(
        self, memory: Memory, end: Callable[[Any], Transition], event: str, status: Status
    ) -> None:
        run(memory, end)
        assert events(memory) == ["STARTED", event]
        operation = memory.operations[op_id(1)]
        assert operation.status is status
        started, ended = memory.deliveries_of(op_id(1))
        assert (started.sequence, ended.sequence) == (2, operation.sequence)
        assert ended.due_at == NOW.wall

    def test_a_cancel_before_the_start(self, memory: Memory) -> None:
        assert one_due(memory).event == "CANCELLED"

    def test_a_cancel_that_the_function_has_heeded_or_not(self, memory: Memory) -> None:
        submitted(memory)
        memory.ask([claim()], NOW)
        memory.ask([cancel(memory.operations[op_id(1)])], NOW)
        assert events(memory) == ["STARTED"]
        memory.ask([settle(memory.operations[op_id(1)])], after(3 * SECOND))
        assert events(memory) == ["STARTED", "CANCELLED"]

    def test_a_worker_that_died_once_too_often(self, memory: Memory) -> None:
        submitted(memory)
        memory.ask([claim()], NOW)
        memory.ask([rescue(1)], after(2 * DAY))
        assert events(memory) == ["STARTED", "FAILED"]

    def test_it_is_due_at_once_though_the_wall_clock_was_set_back(self, memory: Memory) -> None:
        submitted(memory)
        earlier = Now(NOW.wall - HOUR, NOW.tick + SECOND)
        memory.ask([cancel(memory.operations[op_id(1)])], earlier)
        assert len(taken(memory, earlier)) == 1

    def test_a_start_is_told_once_and_what_goes_back_is_no_end(self, memory: Memory) -> None:
        submitted(memory)
        memory.ask([claim()], NOW)
        memory.ask([release(memory.operations[op_id(1)])], NOW)
        memory.ask([claim()], NOW)
        memory.ask([fail(memory.operations[op_id(1)], BUSY, attempts=5)], NOW)
        assert events(memory) == ["STARTED"]

    def test_what_was_not_asked_for_is_not_told(self, memory: Memory) -> None:
        run(memory, complete, webhook=webhook(events=("FAILED",)))
        assert events(memory) == []
        run(memory, complete, webhook=None)
        assert events(memory) == []

    def test_a_retry_takes_the_webhook_along(self, memory: Memory) -> None:
        run(memory, lambda o: fail(o, BUSY))
        memory.ask([retry(memory.operations[op_id(1)])], NOW)
        assert memory.webhooks[op_id(2)] == memory.webhooks[op_id(1)]
        memory.ask([claim()], NOW)
        assert events(memory, op_id(2)) == ["STARTED"]

    def test_a_replay_registers_nothing(self, memory: Memory) -> None:
        submitted(memory, key=key())
        memory.ask([accept(2, key=key(), webhook=webhook("b.example"))], NOW)
        assert list(memory.webhooks) == [op_id(1)]

    def test_its_id_says_whose_it_is_and_does_not_change(self, memory: Memory) -> None:
        delivery = one_due(memory)
        assert delivery.id == "dlv-" + op_id(1)[3:] + "-2"
        assert is_delivery_id(delivery.id)
        assert not is_delivery_id(delivery.id + "x")
        assert not is_delivery_id("dlv-" + op_id(1)[3:] + "-0")
        again = tried(memory, NOW, code=500)
        assert again.id == delivery.id


class TestAnswers:
    @pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
    def test_2xx_is_delivered(self, memory: Memory, code: int) -> None:
        one_due(memory)
        delivery = tried(memory, NOW, code=code)
        assert delivery.status is DeliveryStatus.DELIVERED
        assert [answer.status_code for answer in delivery.tries] == [code]
        assert taken(memory, after(DAY)) == []

    @pytest.mark.parametrize("code", [101, 301, 302, 307, 308, 400, 401, 404, 409, 429, 500, 502, 503, None])
    def test_anything_else_is_tried_again(self, memory: Memory, code: int | None) -> None:
        one_due(memory)
        delivery = tried(memory, NOW, code=code, error=None if code else "timed-out")
        assert delivery.status is DeliveryStatus.PENDING
        assert delivery.due_at == NOW.wall + 5 * SECOND

    def test_410_stops_for_good(self, memory: Memory) -> None:
        one_due(memory)
        assert tried(memory, NOW, code=410).status is DeliveryStatus.FAILED
        assert taken(memory, after(365 * DAY)) == []

    @pytest.mark.parametrize("code", [429, 503])
    def test_retry_after_is_obeyed(self, memory: Memory, code: int) -> None:
        one_due(memory)
        delivery = tried(memory, NOW, code=code, retry_after=120)
        assert delivery.due_at == NOW.wall + 120 * SECOND
        assert delivery.tries[0].retry_after is None

    def test_but_never_brings_it_forward_nor_beyond_a_day(self, memory: Memory) -> None:
        one_due(memory)
        assert tried(memory, NOW, code=503, retry_after=1).due_at == NOW.wall + 5 * SECOND
        later = after(5 * SECOND)
        assert tried(memory, later, code=503, retry_after=10**9).due_at == later.wall + DAY

    def test_it_means_nothing_with_other_answers(self, memory: Memory) -> None:
        one_due(memory)
        assert tried(memory, NOW, code=500, retry_after=120).due_at == NOW.wall + 5 * SECOND

    @pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
    def test_the_whole_schedule(self, memory: Memory, chance: float) -> None:
        one_due(memory)
        now, waits = NOW, []
        while True:
            delivery = tried(memory, now, code=500, chance=chance)
            if delivery.status is not DeliveryStatus.PENDING:
                break
            waits.append(delivery.due_at - now.wall)
            now = Now(delivery.due_at, now.tick)
        assert delivery.status is DeliveryStatus.FAILED
        assert len(delivery.tries) == 10
        exact = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, *(hours * HOUR for hours in (2, 5, 10, 14, 20, 24))]
        assert list(SCHEDULE) == exact
        assert waits == [round(wait * (1 + JITTER * chance)) for wait in exact]


class TestClaims:
    def test_a_claim_hides_it_for_a_while_and_no_longer(self, memory: Memory) -> None:
        one_due(memory)
        assert len(taken(memory)) == 1
        assert taken(memory, after(VISIBILITY - 1)) == []
        (again,) = taken(memory, after(VISIBILITY))
        assert again.number == 2
        assert again.tries == ()

    def test_who_comes_back_too_late_changes_nothing(self, memory: Memory) -> None:
        one_due(memory)
        (first,) = taken(memory)
        (second,) = taken(memory, after(VISIBILITY))
        for late in (settle_delivery(first, 500), PostponeDelivery(op_id(1), first.id, first.number)):
            (outcome,) = memory.ask([late], after(VISIBILITY))
            assert isinstance(outcome, StaleAttempt)
        (outcome,) = memory.ask([settle_delivery(second)], after(VISIBILITY))
        assert isinstance(outcome, SettledDelivery)
        (outcome,) = memory.ask([settle_delivery(second)], after(VISIBILITY))
        assert isinstance(outcome, StaleAttempt)

    def test_what_is_handed_back_is_charged_nothing(self, memory: Memory) -> None:
        one_due(memory)
        (delivery,) = taken(memory)
        (back,) = memory.ask([PostponeDelivery(op_id(1), delivery.id, delivery.number, 30 * SECOND)], NOW)
        assert (back.failures, back.tries, back.due_at) == (0, (), NOW.wall + 30 * SECOND)

    def test_hosts_take_turns(self, memory: Memory) -> None:
        for number, host in enumerate(["a.example"] * 6 + ["b.example", "c.example"], 1):
            submitted(memory, number, host)
            memory.ask([cancel(memory.operations[op_id(number)])], NOW)
        hosts = [delivery.host for delivery in taken(memory, room=5, share=3)]
        assert hosts == ["a.example", "b.example", "c.example", "a.example", "a.example"]


class TestAgain:
    def test_one_that_was_given_up_begins_its_schedule_anew(self, memory: Memory) -> None:
        delivery = one_due(memory)
        tried(memory, NOW, code=410)
        (again,) = memory.ask([Redeliver(op_id(1), delivery.id)], after(HOUR))
        assert (again.status, again.due_at, again.failures) == (DeliveryStatus.PENDING, after(HOUR).wall, 0)
        later = tried(memory, after(HOUR), code=500)
        assert later.due_at == after(HOUR).wall + 5 * SECOND
        assert [answer.status_code for answer in later.tries] == [410, 500]

    def test_one_that_has_arrived_may_be_wanted_again(self, memory: Memory) -> None:
        delivery = one_due(memory)
        tried(memory, NOW)
        memory.ask([Redeliver(op_id(1), delivery.id)], NOW)
        assert tried(memory, NOW).status is DeliveryStatus.DELIVERED

    def test_one_that_waits_is_brought_forward(self, memory: Memory) -> None:
        delivery = one_due(memory)
        tried(memory, NOW, code=500)
        memory.ask([Redeliver(op_id(1), delivery.id)], after(SECOND))
        assert tried(memory, after(SECOND), code=500).failures == 2

    def test_one_that_is_being_sent_is_left_in_peace(self, memory: Memory) -> None:
        delivery = one_due(memory)
        (claimed,) = taken(memory)
        (outcome,) = memory.ask([Redeliver(op_id(1), delivery.id)], NOW)
        assert outcome == claimed
        assert taken(memory) == []

    def test_there_has_to_be_one(self, memory: Memory) -> None:
        delivery = one_due(memory)
        submitted(memory, 2)
        outcomes = memory.ask(
            [Redeliver(op_id(1), "dlv-x"), Redeliver(op_id(2), delivery.id), Redeliver(op_id(3), delivery.id)], NOW
        )
        assert [type(outcome) for outcome in outcomes] == [DeliveryNotFound, DeliveryNotFound, OperationNotFound]

    def test_the_record_of_tries_does_not_grow_for_ever(self, memory: Memory) -> None:
        delivery = one_due(memory)
        for _ in range(TRIES_KEPT + 10):
            memory.ask([Redeliver(op_id(1), delivery.id)], NOW)
            (kept,) = memory.deliveries_of(op_id(1))
            assert tried(memory, NOW, code=204).number == kept.number + 1
        assert len(memory.deliveries_of(op_id(1))[0].tries) == TRIES_KEPT


class TestExpiry:
    def test_an_operation_waits_for_its_deliveries(self, memory: Memory) -> None:
        one_due(memory)
        assert memory.ask([Expire()], after(30 * DAY)) == [0]
        assert not memory.operations[op_id(1)].expired(after(30 * DAY).wall)
        tried(memory, after(30 * DAY))
        assert memory.ask([Expire()], after(30 * DAY)) == [1]
        assert (memory.deliveries, memory.webhooks) == ({}, {})

    def test_also_where_one_was_wanted_again(self, memory: Memory) -> None:
        delivery = one_due(memory)
        tried(memory, NOW)
        memory.ask([Redeliver(op_id(1), delivery.id)], NOW)
        assert memory.ask([Expire()], after(30 * DAY)) == [0]

    def test_also_in_the_very_commit(self, memory: Memory) -> None:
        delivery = one_due(memory)
        tried(memory, NOW)
        late = after(30 * DAY)
        assert memory.ask([Redeliver(op_id(1), delivery.id), Expire()], late)[1] == 0

    def test_clients_see_nothing_of_the_counting(self, memory: Memory) -> None:
        one_due(memory)
        before = memory.operations[op_id(1)]
        tried(memory, NOW)
        now = memory.operations[op_id(1)]
        assert (before.undelivered, now.undelivered) == (1, 0)
        assert replace(now, undelivered=1) == before

    def test_the_record_of_an_operation_has_no_secret(self, memory: Memory) -> None:
        submitted(memory, webhook=webhook(secrets=("canary of a client",)))
        record = msgspec.json.encode(memory.operations[op_id(1)])
        assert b"canary" not in record
        assert b"/hooks" not in record
