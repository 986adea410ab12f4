"""The outbox: made with the end, claimed from host to host, gone with the operation (guarantees W1, W5, R1 and R4)."""

from __future__ import annotations

from collections import Counter

import pytest

from accepted.contract.delivery import SCHEDULE, VISIBILITY, Delivery, DeliveryStatus
from accepted.contract.problem import StaleAttempt
from accepted.contract.transition import Expire, PostponeDelivery, Redeliver, Retry, SettledDelivery
from accepted.contract.webhook import EVENTS
from accepted.store.protocol import Store
from tests.contract.given import (
    DAY,
    HOUR,
    SECOND,
    accept,
    cancel,
    claim_deliveries,
    complete,
    op_id,
    pending,
    settle_delivery,
    webhook,
)
from tests.store.asking import ask, ask_one, buried, found, running
from tests.store.clock import MovableClock
from tests.store.conftest import OpenStore


async def cancelled(store: Store, *numbers: int, host: str = "a.example") -> None:
    """Operations that have ended, each with a delivery that is due."""
    await ask(store, *(accept(number, webhook=webhook(host)) for number in numbers))
    await ask(store, *(cancel(pending(id=op_id(number))) for number in numbers))


async def claimed(store: Store, room: int = 100, share: int = 4, **members: object) -> list[Delivery]:
    return list((await ask_one(store, claim_deliveries(room, share, **members))).deliveries)


async def settled(store: Store, code: int | None = 204) -> Delivery:
    """The one that is due, claimed and answered so."""
    (one,) = await claimed(store)
    outcome = await ask_one(store, settle_delivery(one, code))
    assert isinstance(outcome, SettledDelivery)
    return outcome.delivery


async def delivery(store: Store, number: int = 1) -> Delivery:
    (one,) = await store.deliveries(op_id(number))
    return one


class TestRegistrations:
    async def test_it_is_kept_as_it_was_given(self, store: Store) -> None:
        given = webhook(secrets=("whsec_AAAA", "ein zweites Geheimnis „ü“"))
        await ask(store, accept(1, webhook=given), accept(2))
        assert await store.webhook(op_id(1)) == given
        assert await store.webhook(op_id(2)) is None
        assert await store.webhook(op_id(3)) is None

    async def test_a_retry_has_its_own(self, store: Store) -> None:
        await cancelled(store, 1)
        await ask(store, Retry(op_id(1), op_id(2)))
        assert await store.webhook(op_id(2)) == await store.webhook(op_id(1))
        assert await store.input(op_id(2)) == await store.input(op_id(1))

    async def test_it_is_not_given_to_attempts(self, store: Store) -> None:
        await ask(store, accept(1, webhook=webhook(secrets=("canary of a client",))))
        (operation,) = await running(store, 2)
        committed = await store.commit([complete(operation)])
        assert "canary" not in str(await found(store, op_id(1)))
        assert "canary" not in str(committed)


class TestMade:
    async def test_with_the_commit_that_ends_it_and_with_a_hint(self, store: Store) -> None:
        (one,) = await running(store, 1, webhook=webhook(events=EVENTS))
        committed = await store.commit([complete(one)])
        started, ended = await store.deliveries(op_id(1))
        assert (started.event, ended.event) == ("STARTED", "COMPLETED")
        assert [hint.delivering for hint in committed.hints] == [True]
        assert (await found(store, op_id(1))).undelivered == 2

    async def test_others_hear_of_it_without_being_told_what(self, store: Store) -> None:
        await cancelled(store, 1)
        assert [hint.delivering for hint in (await store.commit([accept(2)])).hints] == [False]
        await settled(store)
        committed = await store.commit([Redeliver(op_id(1), (await delivery(store)).id)])
        assert [hint.delivering for hint in committed.hints] == [True]

    async def test_the_next_one_is_known(self, store: Store, clock: MovableClock) -> None:
        assert await store.next_delivery() is None
        await cancelled(store, 1)
        due_at = clock.now().wall
        assert await store.next_delivery() == due_at
        (one,) = await claimed(store)
        assert await store.next_delivery() == due_at + VISIBILITY
        await ask(store, settle_delivery(one))
        assert await store.next_delivery() is None


class TestClaims:
    async def test_each_goes_to_one_of_many(self, store: Store, open_store: OpenStore) -> None:
        other = await open_store()
        await cancelled(store, *range(1, 9))
        taken = [each.id for some in (store, other, store, other) for each in await claimed(some, share=2)]
        assert len(set(taken)) == len(taken) == 8

    async def test_a_host_with_a_thousand_leaves_room_for_the_others(self, store: Store) -> None:
        await cancelled(store, *range(1, 1001), host="a.example")
        await cancelled(store, 2001, host="b.example")
        await cancelled(store, 2002, 2003, host="c.example")
        hosts = Counter(each.host for each in await claimed(store, room=20, share=4))
        assert hosts == {"a.example": 4, "b.example": 1, "c.example": 2}

    async def test_hosts_may_have_rooms_of_their_own(self, store: Store) -> None:
        for number, host in enumerate(("a.example", "b.example", "c.example"), 1):
            await cancelled(store, number * 10, number * 10 + 1, number * 10 + 2, host=host)
        rooms = {"a.example": 0, "b.example": 1}
        assert Counter(each.host for each in await claimed(store, share=2, rooms=rooms)) == {
            "b.example": 1,
            "c.example": 2,
        }

    async def test_it_goes_on_behind_the_last_host(self, store: Store) -> None:
        for number in range(1, 8):
            await cancelled(store, number, host=f"{number}.example")
        seen, after = [], ""
        while True:
            outcome = await ask_one(store, claim_deliveries(3, 1, after=after, hosts=2))
            seen += [each.host for each in outcome.deliveries]
            if outcome.resume is None:
                break
            after = outcome.resume
        assert seen == [f"{number}.example" for number in range(1, 8)]

    async def test_it_is_due_again_when_the_claim_is_over(self, store: Store, clock: MovableClock) -> None:
        await cancelled(store, 1)
        (first,) = await claimed(store, visibility=2 * SECOND)
        clock.advance(2 * SECOND - 1)
        assert await claimed(store) == []
        clock.advance(1)
        (second,) = await claimed(store)
        assert second.number == first.number + 1
        assert isinstance(await ask_one(store, settle_delivery(first)), StaleAttempt)
        assert isinstance(await ask_one(store, settle_delivery(second)), SettledDelivery)

    async def test_what_is_handed_back_is_there_for_others(self, store: Store) -> None:
        await cancelled(store, 1)
        (one,) = await claimed(store)
        await ask(store, PostponeDelivery(op_id(1), one.id, one.number))
        assert [each.id for each in await claimed(store)] == [one.id]

    async def test_what_has_failed_waits_for_its_time(self, store: Store, clock: MovableClock) -> None:
        await cancelled(store, 1)
        await settled(store, 500)
        clock.advance(SCHEDULE[0] - 1)
        assert await claimed(store) == []
        clock.advance(1)
        assert len(await claimed(store)) == 1


class TestExpiry:
    @pytest.mark.parametrize("code", [204, 410])
    async def test_it_waits_for_the_last_delivery(self, store: Store, clock: MovableClock, code: int) -> None:
        await cancelled(store, 1)
        clock.advance(2 * DAY)
        assert await ask_one(store, Expire()) == 0
        await settled(store, code)
        assert (await delivery(store)).status is not DeliveryStatus.PENDING
        assert await ask_one(store, Expire()) == 1
        await buried(store, op_id(1))
        assert await store.deliveries(op_id(1)) == []
        assert await store.webhook(op_id(1)) is None

    async def test_those_that_wait_do_not_hold_up_those_that_do_not(self, store: Store, clock: MovableClock) -> None:
        await cancelled(store, *range(1, 6))
        await ask(store, accept(9, retention=HOUR))
        await ask(store, cancel(pending(id=op_id(9))))
        clock.advance(2 * DAY)
        assert await ask_one(store, Expire(limit=1)) == 1
        await buried(store, op_id(9))

    async def test_runs_are_counted_once(self, store: Store, clock: MovableClock) -> None:
        """Settling a delivery changes its operation's row, and must not be taken for another end."""
        (one,) = await running(store, 1, webhook=webhook())
        clock.advance(1500)
        await ask(store, complete(one))
        await settled(store)
        assert await store.durations("report") == [1.5]
