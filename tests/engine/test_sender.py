"""The HTTP side of a delivery: TLS by name, connections that are kept, addresses that are asked for once."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from accepted.contract.address import Address, Rules, check_url
from accepted.contract.problem import WebhookUrlForbidden
from accepted.engine.exchange import Undelivered
from accepted.engine.sender import IDLE_OF_HOST, Sender, _trusting
from tests.webhooks.authority import Authority
from tests.webhooks.receiver import Receiver, Request, answer, hang

LOOPBACK = Rules(True, (ip_network("127.0.0.0/8"),))
HEADERS = {"webhook-id": "dlv-1"}
NAME = "client.example"


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    """One that knows a single name, which leads to this machine."""
    sender = Sender(LOOPBACK, timeout=2.0)

    async def here(host: str, port: int) -> list[Address]:
        return [ip_address("127.0.0.1")]

    sender.resolve = here
    yield sender
    sender.close()


async def sent(sender: Sender, url: str) -> int:
    """The status code that a POST there is answered with."""
    return (await sender.send(check_url(url, sender.rules), HEADERS, b"{}")).status_code


class TestTls:
    async def test_the_receiver_is_known_by_its_name(self, sender: Sender, tmp_path: Path) -> None:
        authority = Authority(tmp_path)
        sender.tls = authority.trusted()
        async with Receiver(tls=authority.server(NAME)) as receiver:
            assert await sent(sender, f"https://{NAME}:{receiver.port}/hooks") == 204
            assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"

    async def test_another_name_is_another_receiver(self, sender: Sender, tmp_path: Path) -> None:
        authority = Authority(tmp_path)
        sender.tls = authority.trusted()
        async with Receiver(tls=authority.server("other.example")) as receiver:
            with pytest.raises(Undelivered, match="tls-failed"):
                await sent(sender, f"https://{NAME}:{receiver.port}/hooks")
            assert receiver.requests == []

    async def test_who_is_vouched_for_by_nobody_known_gets_nothing(self, sender: Sender, tmp_path: Path) -> None:
        async with Receiver(tls=Authority(tmp_path).server(NAME)) as receiver:
            with pytest.raises(Undelivered, match="tls-failed"):
                await sent(sender, f"https://{NAME}:{receiver.port}/hooks")
            assert receiver.requests == []

    async def test_a_server_without_tls_gets_nothing(self, sender: Sender) -> None:
        sender.timeout = 0.2  # it waits for a request, and gets none
        async with Receiver() as receiver:
            with pytest.raises(Undelivered, match="timed-out"):
                await sent(sender, f"https://{NAME}:{receiver.port}/hooks")
            assert receiver.requests == []

    def test_what_is_trusted_otherwise_is_what_the_system_trusts(self) -> None:
        context = _trusting()
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


class TestConnections:
    async def test_few_are_kept(self, sender: Sender) -> None:
        async with Receiver() as receiver:
            async with asyncio.TaskGroup() as sending:
                for _ in range(20):
                    sending.create_task(sent(sender, receiver.url))
            async with asyncio.timeout(10):
                while len(sender._places) > IDLE_OF_HOST:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            assert sum(map(len, sender._idle.values())) == IDLE_OF_HOST
        async with asyncio.timeout(10):
            while sender._places:  # noqa: ASYNC110  (the receiver has gone)
                await asyncio.sleep(0.005)
        assert sender._idle == {}

    async def test_what_was_not_asked_for_closes_one(self, sender: Sender) -> None:
        async def talkative(request: Request, writer: asyncio.StreamWriter) -> None:
            await answer(204)(request, writer)
            await writer.drain()
            writer.write(b"HTTP/1.1 500 Unasked\r\n\r\n")

        async with Receiver(talkative) as receiver:
            for _ in range(3):
                assert await sent(sender, receiver.url) == 204

    async def test_one_that_was_given_up_is_not_used_again(self, sender: Sender) -> None:
        sender.timeout = 0.05
        async with Receiver(hang) as receiver:
            with pytest.raises(Undelivered, match="timed-out"):
                await sent(sender, receiver.url)
            receiver.behave = answer(204)
            sender.timeout = 2.0
            assert await sent(sender, receiver.url) == 204
            assert receiver.connections == 2

    async def test_the_next_address_is_tried_where_one_is_dead(self, sender: Sender) -> None:
        async def two(host: str, port: int) -> list[Address]:
            return [ip_address("127.0.0.2"), ip_address("127.0.0.1")]

        sender.resolve = two
        async with Receiver() as receiver:
            assert await sent(sender, f"http://{NAME}:{receiver.port}/") == 204

    async def test_nobody_listens(self, sender: Sender) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(Undelivered, match="connection-failed"):
                await sent(sender, f"http://127.0.0.1:{taken.getsockname()[1]}/")


class TestNames:
    async def test_the_system_is_asked(self) -> None:
        sender = Sender(LOOPBACK, timeout=2.0)
        async with Receiver() as receiver:
            assert await sent(sender, f"http://localhost:{receiver.port}/") == 204
        sender.close()

    async def test_a_name_that_leads_inside_is_refused_at_once(self) -> None:
        sender = Sender(Rules(), timeout=2.0)
        with pytest.raises(WebhookUrlForbidden) as refused:
            await sender.check(check_url("https://localhost/hooks", Rules()), 2.0)
        assert "127.0.0.1" not in str(refused.value.members)
        sender.close()

    async def test_one_that_leads_nowhere_now_or_too_late_is_not(self, sender: Sender) -> None:
        async def unknown(host: str, port: int) -> list[Address]:
            raise OSError(host)

        async def never(host: str, port: int) -> list[Address]:
            await asyncio.Event().wait()
            return []

        for resolve in (unknown, never):
            sender.resolve = resolve
            await sender.check(check_url("https://client.example/", Rules()), 0.01)
