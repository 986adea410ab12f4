"""Webhooks over HTTP: registering one, the log of deliveries, and the secret that nobody reads again (section 7)."""

import logging
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any

import httpx2
import pytest

from accepted.contract.address import Address
from tests.clock import MovableClock
from tests.http.api import Api, Document, eventually, problem
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates
from tests.webhooks.receiver import Receiver, answer

DEVELOPMENT: dict[str, Any] = {"webhook_allow_http": True, "webhook_allow_networks": ["127.0.0.0/8"]}
SECRET = "a secret of a client"
CANARY = "canary-of-a-client-0123"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def hooked(make_app: MakeApp, start: Start) -> Api:
    """A client of the whole menu, whose webhooks may go to this machine."""
    return await start(make_app(**DEVELOPMENT))


async def deliveries(api: Api, id: str) -> list[Document]:
    found = await api.get(f"/operations/{id}/deliveries")
    assert found.status_code == 200, found.text
    assert set(found.json()) == {"data"}
    listed: list[Document] = found.json()["data"]
    return listed


async def delivered(api: Api, id: str, status: str = "DELIVERED") -> Document:
    """The one delivery of an operation, once it has come so far."""
    found = await eventually(lambda: deliveries(api, id), lambda all: all and all[-1]["status"] == status)
    (delivery,) = found
    return delivery


def hook(receiver: Receiver, **members: Any) -> Document:
    return {"url": receiver.url, "secret": SECRET, **members}


class TestRegistering:
    async def test_the_202_says_so_and_shows_no_secret(self, hooked: Api, receiver: Receiver) -> None:
        accepted = await hooked.submit("/noops", {"webhook": hook(receiver, events=["FAILED", "COMPLETED"])})
        assert accepted["webhook"] == {"registered": True, "events": ["COMPLETED", "FAILED"]}
        assert accepted["links"]["deliveries"] == f"/operations/{accepted['operationId']}/deliveries"

    async def test_without_one_nothing_is_said(self, hooked: Api) -> None:
        accepted = await hooked.submit("/noops")
        assert "webhook" not in accepted
        assert "deliveries" not in accepted["links"]
        assert await deliveries(hooked, accepted["operationId"]) == []

    @pytest.mark.parametrize("body", [{"webhook": None}, {"webhook": None, "a": 1.50}])
    async def test_null_is_none(self, hooked: Api, body: Document) -> None:
        accepted = await hooked.submit("/echoes", body)
        assert "webhook" not in accepted

    async def test_the_function_does_not_see_it_and_sees_the_rest_as_it_was_written(
        self, hooked: Api, receiver: Receiver
    ) -> None:
        body = b'{"b": 1.10, "webhook": {"url": "%s"}, "a": {"x": [1.0, "\\u00fc"]}}' % receiver.url.encode()
        answered = await hooked.post("/echoes", content=body, headers={"Content-Type": "application/json"})
        id = answered.json()["operationId"]
        await hooked.ended(id)
        assert (await hooked.get(f"/operations/{id}/result")).json() == {"b": 1.1, "a": {"x": [1.0, "ü"]}}
        assert await hooked.app.node.store.input(id) == b'{"b":1.10,"a":{"x": [1.0, "\\u00fc"]}}'

    async def test_it_belongs_to_the_body_that_a_key_stands_for(self, hooked: Api, receiver: Receiver) -> None:
        body = {"webhook": hook(receiver)}
        first = await hooked.submit("/noops", body, idempotency_key="k")
        again = await hooked.submit("/noops", body, idempotency_key="k")
        assert again["operationId"] == first["operationId"]
        assert again["webhook"] == {"registered": True, "events": ["COMPLETED", "FAILED", "CANCELLED"]}
        other = await hooked.post(
            "/noops", json={"webhook": hook(receiver, events=["FAILED"])}, headers={"Idempotency-Key": "k"}
        )
        problem(other, 422, "idempotency-key-reused")

    @pytest.mark.parametrize(
        ("webhook", "slug", "pointer"),
        [
            ("https://client.example/", "invalid-request", "/webhook"),
            ({}, "invalid-request", "/webhook/url"),
            ({"url": "https://a.example/", "events": ["ALL"]}, "invalid-request", "/webhook/events/0"),
            ({"url": "https://a.example/", "secret": "short"}, "invalid-request", "/webhook/secret"),
            ({"url": "http://a.example/"}, "webhook-url-forbidden", "/webhook/url"),
            ({"url": "https://a.example:22/"}, "webhook-url-forbidden", "/webhook/url"),
            ({"url": "https://169.254.169.254/latest"}, "webhook-url-forbidden", "/webhook/url"),
            ({"url": "https://0x7f.1/"}, "webhook-url-forbidden", "/webhook/url"),
            ({"url": "https://localhost/"}, "webhook-url-forbidden", "/webhook/url"),
        ],
    )
    async def test_what_is_refused_is_not_stored(self, api: Api, webhook: Any, slug: str, pointer: str) -> None:
        refused = problem(await api.post("/noops", json={"webhook": webhook}), 422, slug)
        assert [error["pointer"] for error in refused["errors"]] == [pointer]
        assert await api.total() == 0

    async def test_a_name_that_leads_inside_is_refused_and_one_that_leads_nowhere_yet_is_not(self, api: Api) -> None:
        sender = api.app.node.deliverer.sender

        async def inside(host: str, port: int) -> list[Address]:
            return [ip_address("8.8.8.8"), ip_address("10.0.0.7")]

        async def nowhere(host: str, port: int) -> list[Address]:
            raise OSError(host)

        body = {"webhook": {"url": "https://client.example/hooks"}}
        sender.resolve = inside
        refused = await api.post("/noops", json=body)
        problem(refused, 422, "webhook-url-forbidden")
        assert "10.0.0.7" not in refused.text
        sender.resolve = nowhere
        await api.submit("/noops", body)

    async def test_a_host_that_makes_no_url_is_refused(self, make_app: MakeApp, start: Start) -> None:
        api = await start(make_app(**DEVELOPMENT, allowed_hosts=["*"]))
        body = {"webhook": {"url": "http://127.0.0.1:9/"}}
        problem(await api.post("/noops", json=body, headers={"Host": "a/b?c"}), 422, "invalid-request")


class TestSecrets:
    async def test_a_minted_one_is_shown_once(self, hooked: Api, receiver: Receiver) -> None:
        body = {"webhook": {"url": receiver.url}}
        accepted = await hooked.submit("/noops", body, idempotency_key="k")
        secret = accepted["webhook"]["secret"]
        assert secret.startswith("whsec_")
        again = await hooked.submit("/noops", body, idempotency_key="k")
        assert "secret" not in again["webhook"]
        (request,) = await receiver.received(1)
        request.judge(secret)

    async def test_it_is_shown_even_where_the_client_would_wait(self, hooked: Api, receiver: Receiver) -> None:
        accepted = await hooked.submit("/noops", {"webhook": {"url": receiver.url}}, prefer="wait=10")
        assert accepted["webhook"]["secret"].startswith("whsec_")
        waited = await hooked.post("/noops", json={"webhook": hook(receiver)}, headers={"Prefer": "wait=10"})
        assert waited.status_code == 303

    async def test_two_sign_while_one_is_replaced(self, hooked: Api, receiver: Receiver) -> None:
        webhook = {"url": receiver.url, "secrets": ["the new secret of it", SECRET]}
        await hooked.submit("/noops", {"webhook": webhook})
        (request,) = await receiver.received(1)
        request.judge(SECRET)
        request.judge("the new secret of it")

    async def test_nobody_ever_reads_one_again(
        self, make_app: MakeApp, start: Start, receiver: Receiver, clock: MovableClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Every route, the log and the metrics of operations of each kind, and errors about the secret itself."""
        caplog.set_level(logging.DEBUG)
        api = await start(make_app(**DEVELOPMENT))
        seen: list[str] = []

        async def look(response: httpx2.Response) -> None:
            await response.aread()
            seen.append(f"{response.headers} {response.text}")

        api.event_hooks["response"].append(look)
        receiver.behave = answer(404)
        webhook = {"url": receiver.url, "secrets": [CANARY, CANARY + "-older"], "events": ["STARTED", "COMPLETED"]}
        for path in ("/noops", "/failures", "/retryables", "/finals"):
            accepted = await api.submit(path, {"webhook": {**webhook, "events": ["FAILED", "COMPLETED"]}})
            id = accepted["operationId"]
            await api.ended(id)
            await eventually(lambda id=id: deliveries(api, id), lambda all: all and all[0]["attempts"])  # type: ignore[misc]
            for route in ("", "/result", "/deliveries"):
                await api.get(f"/operations/{id}{route}", params={"redirect": "false"})
            (delivery,) = await deliveries(api, id)
            await api.post(f"/operations/{id}/deliveries/{delivery['deliveryId']}/redeliver")
            await api.post(f"/operations/{id}/retry")
            await api.get(f"/jobs/{id.replace('op-', 'job-')}")
            await api.get(f"/jobs/{id.replace('op-', 'job-')}/logs")
        await api.post("/noops", json={"webhook": {**webhook, "secrets": [CANARY, CANARY, CANARY]}})
        await api.post("/noops", json={"webhook": {**webhook, "secret": CANARY}})
        await api.post("/noops", json={"webhook": {"url": receiver.url, "secret": CANARY * 10}})
        for path in ("/jobs", "/metrics", "/health", "/openapi.json"):
            await api.get(path)
        assert len(seen) > 30
        assert not [text for text in seen if "canary" in text]
        assert not [record for record in caplog.records if "canary" in f"{record.getMessage()} {record.__dict__}"]
        assert all("canary" not in f"{request.headers} {request.body!r}" for request in receiver.requests)


class TestDeliveries:
    async def test_the_list_tells_of_each_try(self, hooked: Api, receiver: Receiver) -> None:
        receiver.behave = answer(503)
        id = (await hooked.submit("/noops", {"webhook": hook(receiver)}))["operationId"]
        waiting = await eventually(lambda: deliveries(hooked, id), lambda all: all and all[0]["attempts"])
        (delivery,) = waiting
        assert set(delivery) == {"deliveryId", "event", "status", "attempts", "nextAttempt"}
        assert (delivery["event"], delivery["status"]) == ("COMPLETED", "PENDING")
        assert [set(each) for each in delivery["attempts"]] == [{"time", "statusCode"}]
        assert delivery["attempts"][0]["time"] < delivery["nextAttempt"]
        receiver.behave = answer(204)
        hooked.app._clock.advance(6)  # type: ignore[attr-defined]
        arrived = await delivered(hooked, id)
        assert [each["statusCode"] for each in arrived["attempts"]] == [503, 204]
        assert "nextAttempt" not in arrived

    async def test_where_there_was_no_answer_a_word_says_why(self, hooked: Api, receiver: Receiver) -> None:
        await receiver.end()
        id = (await hooked.submit("/noops", {"webhook": hook(receiver)}))["operationId"]
        (delivery,) = await eventually(lambda: deliveries(hooked, id), lambda all: all and all[0]["attempts"])
        assert [each["error"] for each in delivery["attempts"]] == ["connection-failed"]

    async def test_each_event_is_told_in_order(self, hooked: Api, receiver: Receiver, gates: Gates) -> None:
        webhook = hook(receiver, events=["STARTED", "COMPLETED", "FAILED", "CANCELLED"])
        id = (await hooked.submit("/slows", {"webhook": webhook}))["operationId"]
        (started,) = await receiver.received(1)
        gates.open_all()
        _, completed = await receiver.received(2)
        assert (started.event["event"], started.event["status"]) == ("STARTED", "PROCESSING")
        assert completed.event["event"] == completed.event["status"] == "COMPLETED"
        assert started.event["sequence"] < completed.event["sequence"]
        assert [each["event"] for each in await deliveries(hooked, id)] == ["STARTED", "COMPLETED"]

    @pytest.mark.parametrize(
        ("path", "event", "status", "member"),
        [
            ("/noops", "COMPLETED", "COMPLETED", "result"),
            ("/warnings", "COMPLETED", "COMPLETED_WITH_ERRORS", "result"),
            ("/failures", "FAILED", "FAILED", "error"),
        ],
    )
    async def test_what_an_end_says(
        self, hooked: Api, receiver: Receiver, path: str, event: str, status: str, member: str
    ) -> None:
        id = (await hooked.submit(path, {"webhook": hook(receiver)}))["operationId"]
        (request,) = await receiver.received(1)
        told, document = request.event, await hooked.ended(id)
        assert list(told) == ["event", "operationId", "status", "timestamp", "sequence", member]
        assert (told["event"], told["status"], told["operationId"]) == (event, status, id)
        assert told["timestamp"] == document["updatedAt"]
        where = told[member]["url" if member == "result" else "instance"]
        assert where.startswith(f"http://testserver/operations/{id}")
        assert request.headers["x-webhook-event"] == event

    async def test_a_cancel_says_why(self, hooked: Api, receiver: Receiver, gates: Gates) -> None:
        id = (await hooked.submit("/slows", {"webhook": hook(receiver)}))["operationId"]
        await gates.started.passed()
        await hooked.post(f"/operations/{id}/cancel", json={"reason": "enough"})
        (request,) = await receiver.received(1)
        assert request.event["reason"] == "enough"
        assert request.event["event"] == "CANCELLED"

    async def test_urls_begin_with_the_public_url_or_where_it_was_mounted(
        self, make_app: MakeApp, start: Start, receiver: Receiver
    ) -> None:
        public = await start(make_app(**DEVELOPMENT, public_url="https://api.example.com"))
        await public.submit("/noops", {"webhook": hook(receiver)})
        (first,) = await receiver.received(1)
        assert first.event["result"]["url"].startswith("https://api.example.com/operations/op-")
        await public.app.stop()
        mounted = await start(make_app(**DEVELOPMENT), root_path="/ops")
        await mounted.post("/ops/noops", json={"webhook": hook(receiver)})
        second = (await receiver.received(2))[1]
        assert second.event["result"]["url"].startswith("http://testserver/ops/operations/op-")

    async def test_a_manual_retry_is_told_as_well(self, hooked: Api, receiver: Receiver) -> None:
        id = (await hooked.submit("/retryables", {"webhook": hook(receiver)}))["operationId"]
        await hooked.ended(id)
        retried = await hooked.post(f"/operations/{id}/retry")
        assert retried.json()["webhook"] == {"registered": True, "events": ["COMPLETED", "FAILED", "CANCELLED"]}
        await hooked.post(f"/operations/{retried.json()['operationId']}/cancel")
        requests = await receiver.received(2)
        assert requests[1].event["operationId"] == retried.json()["operationId"]
        requests[1].judge(SECRET)


class TestAgain:
    async def test_a_delivery_may_be_wanted_again(self, hooked: Api, receiver: Receiver) -> None:
        receiver.behave = answer(410)
        id = (await hooked.submit("/noops", {"webhook": hook(receiver)}))["operationId"]
        given_up = await delivered(hooked, id, "FAILED")
        receiver.behave = answer(204)
        again = await hooked.post(f"/operations/{id}/deliveries/{given_up['deliveryId']}/redeliver")
        assert again.status_code == 202
        assert again.json()["status"] == "PENDING"
        arrived = await delivered(hooked, id)
        assert [each["statusCode"] for each in arrived["attempts"]] == [410, 204]
        assert receiver.ids == [given_up["deliveryId"]] * 2

    async def test_there_has_to_be_one(self, hooked: Api, receiver: Receiver) -> None:
        id = (await hooked.submit("/noops", {"webhook": hook(receiver)}))["operationId"]
        delivery = (await delivered(hooked, id))["deliveryId"]
        other = (await hooked.submit("/noops"))["operationId"]
        for owner, name in ((id, "dlv-x"), (id, delivery[:-1] + "9"), (other, delivery)):
            answered = await hooked.post(f"/operations/{owner}/deliveries/{name}/redeliver")
            problem(answered, 404, "delivery-not-found")
        nobody = "op-" + "0" * 26
        problem(await hooked.get(f"/operations/{nobody}/deliveries"), 404, "operation-not-found")
        answered = await hooked.post(f"/operations/{nobody}/deliveries/{delivery}/redeliver")
        problem(answered, 404, "operation-not-found")


class TestExpiry:
    async def test_it_waits_for_the_last_delivery_and_then_all_is_gone(
        self, hooked: Api, receiver: Receiver, clock: MovableClock
    ) -> None:
        receiver.behave = answer(500)
        id = (await hooked.submit("/noops", {"webhook": hook(receiver)}))["operationId"]
        await eventually(lambda: deliveries(hooked, id), lambda all: all and all[0]["attempts"])
        hooked.app.node.sweeper.dates_hold()
        for _ in range(30):
            clock.advance(hours=1)
            await hooked.sweep()
        assert (await hooked.status(id))["expiresAt"]
        receiver.behave = answer(204)
        (delivery,) = await deliveries(hooked, id)
        if delivery["status"] == "PENDING":
            await hooked.post(f"/operations/{id}/deliveries/{delivery['deliveryId']}/redeliver")
        await eventually(lambda: _gone(hooked, id), lambda gone: gone)
        problem(await hooked.get(f"/operations/{id}/deliveries"), 410, "operation-expired")
        answered = await hooked.post(f"/operations/{id}/deliveries/{delivery['deliveryId']}/redeliver")
        problem(answered, 410, "operation-expired")
        await hooked.sweep()
        assert await hooked.app.node.store.webhook(id) is None
        assert await hooked.app.node.store.deliveries(id) == []


async def _gone(api: Api, id: str) -> bool:
    return (await api.get(f"/operations/{id}/deliveries")).status_code == 410


class TestInProcess:
    async def test_a_submit_in_process_may_bring_one(self, make_app: MakeApp, receiver: Receiver) -> None:
        async with make_app(**DEVELOPMENT, public_url="https://api.example.com") as app:
            handle = await app.submit("noop", webhook={"url": receiver.url})
            (request,) = await receiver.received(1)
            assert handle.webhook_secret is not None
            request.judge(handle.webhook_secret)
            own = await app.submit("noop", webhook=hook(receiver))
            assert own.webhook_secret is None

    async def test_it_is_part_of_what_a_key_stands_for(self, make_app: MakeApp, receiver: Receiver) -> None:
        async with make_app(**DEVELOPMENT, public_url="https://api.example.com") as app:
            first = await app.submit("noop", idempotency_key="k", webhook=hook(receiver))
            again = await app.submit("noop", idempotency_key="k", webhook=hook(receiver))
            assert (again.id, again.replayed) == (first.id, True)
