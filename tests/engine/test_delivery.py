"""Deliveries on good days and bad ones: every endpoint that comes back is served (guarantees W1 to W8)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from standardwebhooks import Webhook

from accepted.contract.address import Address
from accepted.contract.delivery import SCHEDULE, DeliveryStatus
from accepted.engine.lane import AT_ONCE, COOL_DOWN, FAILURES
from accepted.engine.node import Node
from accepted.service import Service
from tests.clock import MovableClock
from tests.engine.gate import Gates
from tests.engine.outbox import DEVELOPMENT, SECRET, delivery_of, pass_time, pass_time_at_once, quiet, settled, told
from tests.engine.stage import Stage
from tests.webhooks.receiver import Receiver, Request, answer, drip, hang, raw

LOG = "accepted.operation"
HOUR = 3600.0


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that is there, and answers 204 until told otherwise."""
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def node(stage: Stage, gates: Gates) -> Node:
    """A node that delivers to the loopback; its operations end at once, or when the gates are opened."""
    register(stage, gates)
    return await stage.node(**DEVELOPMENT, webhook_timeout=0.3)


def register(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    def noop() -> dict[str, int]:
        return {"rows": 3}

    @stage.operation()
    async def held() -> None:
        await gates.held()


def in_time(request: Request) -> None:
    """Signed as the library of Standard Webhooks signs, whatever the time is on the clock of the test."""
    at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
    signature = Webhook(SECRET.encode()).sign(request.id, at, request.body.decode())
    assert request.headers["webhook-signature"] == signature


# --- good days


class TestDelivery:
    async def test_an_end_is_told_signed_and_once(self, node: Node, receiver: Receiver) -> None:
        id = await told(node, "noop", receiver.url + "?for=me")
        (request,) = await receiver.received(1)
        request.judge(SECRET)
        assert request.target == "/hooks?for=me"
        assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert request.headers["content-type"] == "application/json"
        assert (request.headers["x-webhook-event"], request.headers["x-operation-id"]) == ("COMPLETED", id)
        assert request.event["result"] == {"rows": 3, "url": f"https://api.example/operations/{id}/result"}
        await quiet(node, 1)
        delivery = await delivery_of(node, id)
        assert (delivery.status, delivery.id) == (DeliveryStatus.DELIVERED, request.id)
        assert settled(node) == 1

    async def test_with_two_secrets_either_fits(self, node: Node, receiver: Receiver) -> None:
        await told(node, "noop", receiver.url, secrets=("whsec_" + "A" * 32, SECRET))
        (request,) = await receiver.received(1)
        request.judge(SECRET)
        request.judge("whsec_" + "A" * 32)
        assert request.headers["x-webhook-signature"].count("sha256=") == 2

    async def test_connections_are_used_again(self, node: Node, receiver: Receiver) -> None:
        for number in range(1, 6):
            await told(node, "noop", receiver.url)
            await receiver.received(number)
            await quiet(node, number)
        assert receiver.connections == 1

    async def test_one_that_was_closed_meanwhile_costs_no_try(self, node: Node, receiver: Receiver) -> None:
        await told(node, "noop", receiver.url)
        await quiet(node, 1)
        await receiver.end()
        await receiver.begin()
        id = await told(node, "noop", receiver.url)
        await quiet(node, 2)
        assert [try_.status_code for try_ in (await delivery_of(node, id)).tries] == [204]

    async def test_a_log_line_and_a_metric_tell_of_it(
        self, node: Node, receiver: Receiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, LOG):
            id = await told(node, "noop", receiver.url)
            await quiet(node, 1)
        (line,) = [record for record in caplog.records if "delivered" in record.getMessage()]
        assert line.getMessage() == f"{id} delivered COMPLETED to 127.0.0.1:{receiver.port}"
        assert (line.operation_id, line.operation_type, line.attempt) == (id, "noop", 1)  # type: ignore[attr-defined]
        assert b'accepted_webhook_deliveries_total{outcome="delivered"} 1.0' in await node.metrics.exposition()

    async def test_two_nodes_send_each_once(self, stage: Stage, node: Node, receiver: Receiver) -> None:
        other = await stage.node(**DEVELOPMENT, working=False)
        ids = [await told(node, "noop", receiver.url) for _ in range(60)]
        await receiver.received(60)
        await quiet(node)
        await quiet(other)
        assert len(set(receiver.ids)) == len(receiver.ids) == 60
        assert settled(node) + settled(other) == 60
        assert all([(await delivery_of(node, id)).status is DeliveryStatus.DELIVERED for id in ids])

    async def test_without_any_hint_it_is_found_by_looking(
        self, stage: Stage, gates: Gates, clock: MovableClock, receiver: Receiver
    ) -> None:
        register(stage, gates)
        submitting = await stage.node(notify=False, working=False)
        submitting.deliverer._draining = True  # somebody else has to find it
        worker = await stage.node(notify=False, **DEVELOPMENT)
        await told(submitting, "noop", receiver.url)
        async with asyncio.timeout(10):
            while not receiver.requests:
                clock.advance(1)
                await asyncio.sleep(0.01)
        await quiet(worker)


# --- bad answers


class TestBadAnswers:
    @pytest.mark.parametrize("code", [302, 404, 500, 503])
    async def test_it_is_tried_again_after_five_seconds(
        self, node: Node, receiver: Receiver, clock: MovableClock, code: int
    ) -> None:
        async with Receiver() as elsewhere:
            receiver.behave = answer(code, f"Location: {elsewhere.url}")
            id = await told(node, "noop", receiver.url)
            await quiet(node, 1)
            delivery = await delivery_of(node, id)
            assert [try_.status_code for try_ in delivery.tries] == [code]
            assert 5_000 <= delivery.due_at - delivery.tries[0].at <= 5_500 + 1_000
            receiver.behave = answer(200)
            await pass_time(node, clock, 6)
            assert (await delivery_of(node, id)).status is DeliveryStatus.DELIVERED
            assert len(set(receiver.ids)) == 1, "the same webhook-id each time"
            assert elsewhere.connections == 0, "a redirect was followed"

    async def test_410_stops_for_good(self, node: Node, receiver: Receiver, clock: MovableClock) -> None:
        receiver.behave = answer(410)
        id = await told(node, "noop", receiver.url)
        await quiet(node, 1)
        assert (await delivery_of(node, id)).status is DeliveryStatus.FAILED
        await pass_time(node, clock, 20 * HOUR)
        assert len(receiver.requests) == 1

    async def test_429_with_retry_after_is_obeyed(self, node: Node, receiver: Receiver, clock: MovableClock) -> None:
        receiver.behave = answer(429, "Retry-After: 120")
        await told(node, "noop", receiver.url)
        await quiet(node, 1)
        receiver.behave = answer(204)
        await pass_time(node, clock, 119)
        assert len(receiver.requests) == 1
        await pass_time(node, clock, 15)
        assert len(receiver.requests) == 2

    @pytest.mark.parametrize(
        ("behave", "word"),
        [
            (hang, "timed-out"),
            (drip, "timed-out"),
            (raw(b""), "connection-closed"),
            (raw(b"HTTP/1.1 2"), "connection-closed"),
            (raw(b"SSH-2.0-OpenSSH\r\n"), "invalid-answer"),
            (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"), "invalid-answer"),
            (raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, close=False), "invalid-answer"),
        ],
    )
    async def test_what_is_no_answer_gets_a_word(
        self, node: Node, receiver: Receiver, behave: object, word: str
    ) -> None:
        receiver.behave = behave  # type: ignore[assignment]
        id = await told(node, "noop", receiver.url)
        await quiet(node, 1)
        assert [try_.error for try_ in (await delivery_of(node, id)).tries] == [word]

    @pytest.mark.parametrize(
        "behave",
        [
            raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it"),
            raw(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", close=False),
            raw(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"),
            raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 Split\r\n\r\n", close=False),
        ],
    )
    async def test_the_status_line_counts_whatever_comes_after_it(
        self, node: Node, receiver: Receiver, behave: object
    ) -> None:
        receiver.behave = behave  # type: ignore[assignment]
        id = await told(node, "noop", receiver.url)
        await quiet(node, 1)
        assert (await delivery_of(node, id)).status is DeliveryStatus.DELIVERED
        receiver.behave = answer(204)
        await told(node, "noop", receiver.url)
        await quiet(node, 2)
        assert settled(node) == len(receiver.requests) == 2

    async def test_of_ten_gibibytes_few_are_taken(self, node: Node, receiver: Receiver) -> None:
        receiver.behave = receiver.flood(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", 10 << 30)
        await told(node, "noop", receiver.url)
        await quiet(node, 1)
        async with asyncio.timeout(10):
            while receiver._writers:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert receiver.sent < 32 << 20  # what the kernel's buffers hold


# --- bad days


async def test_a_receiver_that_is_down_for_two_hours_gets_everything(
    node: Node, receiver: Receiver, clock: MovableClock
) -> None:
    await receiver.end()
    ids = [await told(node, "noop", receiver.url) for _ in range(12)]
    await pass_time(node, clock, 2 * HOUR)
    assert {(await delivery_of(node, id)).tries[-1].error for id in ids} == {"connection-failed"}
    await receiver.begin()
    await pass_time(node, clock, 2.5 * HOUR)
    assert {(await delivery_of(node, id)).status for id in ids} == {DeliveryStatus.DELIVERED}
    assert len(set(receiver.ids)) == len(receiver.ids) == 12
    for request in receiver.requests:
        in_time(request)


async def test_one_that_never_comes_back_is_given_up(node: Node, receiver: Receiver, clock: MovableClock) -> None:
    receiver.behave = answer(500)
    id = await told(node, "noop", receiver.url)
    await quiet(node, 1)
    for _ in SCHEDULE:
        due_at = await node.store.next_delivery()
        assert due_at is not None
        await pass_time_at_once(node, clock, due_at)
    delivery = await delivery_of(node, id)
    assert (delivery.status, len(delivery.tries)) == (DeliveryStatus.FAILED, 10)
    assert len({request.headers["webhook-timestamp"] for request in receiver.requests}) == 10


async def test_failures_in_a_row_count_though_there_are_pauses_between_them(node: Node, receiver: Receiver) -> None:
    receiver.behave = answer(500)
    for number in range(1, FAILURES + 1):
        await told(node, "noop", receiver.url)
        await quiet(node, number)
    await told(node, "noop", receiver.url)
    (lane,) = node.deliverer._lanes.values()
    assert lane.is_open(node.deliverer._clock.monotonic())
    assert len(receiver.requests) == FAILURES


async def test_a_dead_host_is_left_in_peace_and_then_asked_gently(
    node: Node, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.behave = answer(500)
    for _ in range(40):
        await told(node, "noop", receiver.url)
    async with asyncio.timeout(10):
        while len(receiver.requests) < FAILURES or node.deliverer._tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    asked = len(receiver.requests)
    assert asked < FAILURES + AT_ONCE
    receiver.behave = answer(204)
    clock.advance(COOL_DOWN + 1)
    await receiver.received(asked + 40 - FAILURES)
    await pass_time(node, clock, 6 * 60)
    assert len(set(receiver.ids)) == 40


@pytest.mark.parametrize("quick_before", [False, True])
async def test_one_dead_endpoint_does_not_delay_the_others(
    stage: Stage, gates: Gates, receiver: Receiver, quick_before: bool
) -> None:
    register(stage, gates)
    node = await stage.node(**DEVELOPMENT, webhook_timeout=5, webhook_concurrency=16)

    async def p99() -> float:
        begun: list[float] = []
        before = len(receiver.requests)
        for _ in range(100):
            begun.append(asyncio.get_running_loop().time())
            await told(node, "noop", receiver.url)
            await receiver.received(before + len(begun))
        came = [request.at for request in receiver.requests[before:]]
        return sorted(at - since for at, since in zip(came, begun, strict=True))[-2]

    async with Receiver() as dead:
        baseline = await p99()
        for number in range(100 if quick_before else 0):
            await told(node, "noop", dead.url)
            await dead.received(number + 1)
        dead.behave, before = hang, len(dead.requests)
        for _ in range(100):
            await told(node, "noop", dead.url)
        await dead.received(before + AT_ONCE)
        with_a_dead_one = min([await p99() for _ in range(3)])  # a hiccup of the machine is none of ours
    assert with_a_dead_one < 2 * baseline + 0.02


async def test_what_is_not_sent_when_the_node_stops_is_handed_back(stage: Stage, gates: Gates) -> None:
    register(stage, gates)
    node = await stage.node(**DEVELOPMENT, drain_timeout=0.2)
    async with Receiver(hang) as receiver:
        ids = [await told(node, "noop", receiver.url) for _ in range(AT_ONCE + 3)]
        await receiver.received(AT_ONCE)
        await stage.stop(node)
        heir = stage.store()
        await heir.open()
        now = (await heir.now()).wall
        for id in ids:
            (delivery,) = await heir.deliveries(id)
            assert (delivery.status, delivery.tries, delivery.claimed) == (DeliveryStatus.PENDING, (), False)
            assert delivery.due_at <= now
        await heir.close()


async def test_what_is_being_sent_may_end_before_the_node_does(stage: Stage, gates: Gates) -> None:
    register(stage, gates)
    node = await stage.node(**DEVELOPMENT, drain_timeout=5)
    go = asyncio.Event()

    async def wait(request: Request, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        await answer(204)(request, writer)

    async with Receiver(wait) as receiver:
        id = await told(node, "noop", receiver.url)
        await receiver.received(1)
        stopping = asyncio.create_task(stage.stop(node))
        go.set()
        await stopping
        heir = stage.store()
        await heir.open()
        (delivery,) = await heir.deliveries(id)
        assert delivery.status is DeliveryStatus.DELIVERED
        await heir.close()


# --- where it goes


class Names:
    """A name server that answers as it likes, each time."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[Address]:
        self.asked += 1
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [ip_address(text) for text in found]


@pytest.mark.parametrize(
    "at_connect", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"]]
)
async def test_a_name_that_turns_inside_after_registration_gets_no_packet(
    stage: Stage, gates: Gates, receiver: Receiver, at_connect: list[str]
) -> None:
    register(stage, gates)
    node = await stage.node(webhook_allow_http=True)  # ports and scheme alone
    node.deliverer.sender.resolve = Names(["8.8.8.8"], at_connect)
    url = f"http://rebound.example:{receiver.port}/hooks"
    await Service(node).webhook({"url": url}, "https://api.example")  # looks decent
    id = await told(node, "noop", url)
    await quiet(node, 1)
    assert [try_.error for try_ in (await delivery_of(node, id)).tries] == ["address-forbidden"]
    assert receiver.connections == 0


async def test_a_name_is_asked_for_once_for_each_connection(node: Node, receiver: Receiver) -> None:
    names = node.deliverer.sender.resolve = Names(["127.0.0.1"])
    await told(node, "noop", f"http://client.example:{receiver.port}/hooks")
    await quiet(node, 1)
    assert receiver.requests[0].headers["host"] == f"client.example:{receiver.port}"
    assert names.asked == 1


async def test_a_name_that_leads_nowhere_is_tried_again(node: Node) -> None:
    async def nowhere(host: str, port: int) -> list[Address]:
        raise OSError(host)

    node.deliverer.sender.resolve = nowhere
    id = await told(node, "noop", "http://nowhere.example/hooks")
    await quiet(node, 1)
    delivery = await delivery_of(node, id)
    assert (delivery.status, delivery.tries[0].error) == (DeliveryStatus.PENDING, "name-not-resolved")


async def test_rules_that_became_stricter_hold_for_what_was_registered_before(
    stage: Stage, gates: Gates, receiver: Receiver
) -> None:
    register(stage, gates)
    node = await stage.node()
    id = await told(node, "noop", receiver.url)
    await quiet(node, 1)
    assert [try_.error for try_ in (await delivery_of(node, id)).tries] == ["address-forbidden"]
    assert receiver.connections == 0


async def test_no_proxy_of_the_environment_is_asked(
    node: Node, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await told(node, "noop", receiver.url)
        await quiet(node, 1)
        assert (receiver.connections, proxy.connections) == (1, 0)


async def test_the_opt_outs_are_loud(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "accepted.webhook"):
        await stage.node(**DEVELOPMENT, working=False)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "127.0.0.0/8" in caplog.records[1].getMessage()
