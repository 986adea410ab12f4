"""Only proxies that are trusted may say who asks, how and for which host (safe defaults)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from accepted.http.proxy import unproxied
from tests.http.api import problem
from tests.http.conftest import MakeApp, Start

TRUSTED = (ip_network("10.0.0.0/8"),)


def seen(client: str, *headers: tuple[str, str], kind: str = "http") -> tuple[str, str, str]:
    """Who asks, by which scheme, and for which host."""
    lines = [(b"host", b"inner"), *((name.encode(), value.encode()) for name, value in headers)]
    scope: dict[str, Any] = {"type": kind, "scheme": "http", "client": (client, 1), "headers": lines}
    found = unproxied(scope, TRUSTED)
    hosts = [value.decode() for name, value in found["headers"] if name == b"host"]
    assert len(hosts) == 1
    return found["client"][0], found["scheme"], hosts[0]


@pytest.mark.parametrize(
    "headers",
    [
        [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "api.example")],
        [("forwarded", 'for=192.0.2.7;proto=https;host="api.example"')],
        [("forwarded", 'for="192.0.2.7:4711";host=api.example, for=10.1.1.1;proto=https')],
        [("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.1.1.1"), ("x-forwarded-proto", "https"),
         ("x-forwarded-host", "api.example")],
    ],
)  # fmt: skip
def test_a_trusted_proxy_is_believed(headers: list[tuple[str, str]]) -> None:
    assert seen("10.0.0.1", *headers) == ("192.0.2.7", "https", "api.example")


def test_nobody_else_is() -> None:
    headers = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example")]
    assert seen("192.0.2.9", *headers) == ("192.0.2.9", "http", "inner")
    assert seen("192.0.2.9", ("forwarded", "for=1.1.1.1;host=evil.example")) == ("192.0.2.9", "http", "inner")


def test_what_the_client_put_there_itself_is_not() -> None:
    lies = ("forwarded", "for=6.6.6.6;host=evil.example;proto=http, for=192.0.2.7;proto=https;host=api.example")
    assert seen("10.0.0.1", lies) == ("192.0.2.7", "https", "api.example")


@pytest.mark.parametrize("family", ["for", "proto", "host"])
def test_a_client_cannot_speak_in_the_other_way(family: str) -> None:
    """A proxy that writes one of the two families passes on the other as its client wrote it."""
    proxys = {"for": "192.0.2.7", "proto": "https", "host": "api.example"}[family]
    lies = ("forwarded", "for=192.0.2.7;host=evil.example;proto=http")
    assert seen("10.0.0.1", (f"x-forwarded-{family}", proxys), lies) == ("10.0.0.1", "http", "inner")


@pytest.mark.parametrize("host", ["a b", "evil.example/path", "x\r\ny", "", "[::1", "a@b"])
def test_a_host_that_is_none_is_left_out(host: str) -> None:
    assert seen("10.0.0.1", ("x-forwarded-for", "192.0.2.7"), ("x-forwarded-host", host))[2] == "inner"


def test_sockets_get_their_scheme() -> None:
    assert seen("10.0.0.1", ("x-forwarded-proto", "https"), kind="websocket")[1] == "wss"


async def test_the_host_that_a_proxy_names_is_checked_like_any_other(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False, trusted_proxies="127.0.0.1"))
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "192.0.2.7"}
    problem(await api.get("/health", headers=headers), 421, "host-not-allowed")


@pytest.mark.parametrize("name", ["Host", "Origin", "Authorization", "Content-Type"])
async def test_what_can_be_said_once_is_not_said_twice(api: Any, name: str) -> None:
    twice = [(name, "testserver"), (name, "evil.example"), *([] if name == "Host" else [("Host", "testserver")])]
    problem(await api.post("/noops", headers=twice), 400, "bad-request")
