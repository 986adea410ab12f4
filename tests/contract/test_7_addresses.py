"""Where webhooks may go: URLs as they are written, and addresses as they are connected to (guarantee W7)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accepted.contract.address import DENIED, Rules, check_url, forbidden
from accepted.contract.problem import InvalidRequest, Refusal, WebhookUrlForbidden

STRICT = Rules()
DEVELOPMENT = Rules(True, (ip_network("127.0.0.0/8"), ip_network("::1/128")))

INSIDE = [
    "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "::ffff:a00:1", "::127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
    "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:c0a8:101::1", "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:127.0.0.1",
    "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd00::1", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1", "ff0e::1", "1::1", "e000::1",
]  # fmt: skip
OUTSIDE = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "2606:4700:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
    "2a00:1450:4001::5efe:8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("text", INSIDE)
def test_an_address_that_is_not_public_is_forbidden(text: str) -> None:
    assert forbidden(ip_address(text), STRICT) is not None


@pytest.mark.parametrize("text", OUTSIDE)
def test_a_public_one_is_not(text: str) -> None:
    assert forbidden(ip_address(text), STRICT) is None


@pytest.mark.parametrize("network", DENIED)
def test_every_network_of_the_table_is_forbidden_from_end_to_end(network: str) -> None:
    found = ip_network(network)
    for address in (found.network_address, found.broadcast_address):
        assert forbidden(address, STRICT) is not None


@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_forbidden(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert forbidden(address, STRICT) is not None


@given(st.ip_addresses(v=6))
def test_the_same_of_the_newer_kind(address: IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert forbidden(address, STRICT) is not None


@given(st.ip_addresses(v=4))
def test_an_address_is_the_same_however_it_is_wrapped(address: IPv4Address) -> None:
    plain = forbidden(address, STRICT) is None
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert (forbidden(ip_address(wrapped), STRICT) is None) == plain
    six_to_four = IPv6Address(0x2002 << 112 | int(address) << 80 | 1)
    assert (forbidden(six_to_four, STRICT) is None) == plain


def test_a_network_may_be_allowed_and_no_other_is() -> None:
    assert forbidden(ip_address("127.0.0.1"), DEVELOPMENT) is None
    assert forbidden(ip_address("::1"), DEVELOPMENT) is None
    assert forbidden(ip_address("::ffff:127.0.0.1"), DEVELOPMENT) is None
    assert forbidden(ip_address("10.0.0.1"), DEVELOPMENT) is not None
    assert forbidden(ip_address("2002:7f00:1::"), DEVELOPMENT) is not None


# --- URLs

LOOPBACK = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F.0.0.1", "0x7f.1", "0177.0.0.1", "017700000001",
    "0177.0.0x1", "127.0.0.1.", "0x7f000001.", "127.00.00.01", "0", "0x", "0.0.0.0", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
]  # fmt: skip
METADATA = [
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376", "169.254.43518",
    "169.16689662", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[fe80::a9fe:a9fe]", "[64:ff9b::169.254.169.254]",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOPBACK + METADATA)
def test_no_spelling_of_an_inner_address_gets_through(host: str) -> None:
    with pytest.raises(WebhookUrlForbidden) as refused:
        check_url(f"https://{host}/hooks", STRICT)
    assert refused.value.members["errors"][0]["pointer"] == "/webhook/url"
    assert "loopback" not in str(refused.value.members), "nothing is said about what is inside"


@pytest.mark.parametrize(
    "url",
    [
        "http://client.example.com/",
        "ftp://client.example.com/",
        "file:///etc/passwd",
        "//client.example.com/",
        "gopher://client.example.com:443/_",
        "HTTP://client.example.com/",
        "https://user@client.example.com/",
        "https://user:password@client.example.com/",
        "https://client.example.com@127.0.0.1/",
        "https://client.example.com:443@127.0.0.1/",
        "https://@client.example.com/",
        "https://client.example.com:80/",
        "https://client.example.com:22/",
        "https://client.example.com:6379/",
        "https://client.example.com:65535/",
    ],
)
def test_what_is_no_decent_url_is_refused(url: str) -> None:
    with pytest.raises(Refusal):
        check_url(url, STRICT)


@pytest.mark.parametrize(
    "url",
    [
        None,
        7,
        "",
        "client.example.com/hooks",
        "https:///hooks",
        "https://",
        "https:client.example.com",
        "https://client.example.com/#top",
        "https://client.example.com/#",
        "https://client.example.com:0/",
        "https://client.example.com:port/",
        "https://client.example.com:99999/",
        "https://client example.com/",
        "https://client.example.com/a b",
        "https://client.example.com/\r\nX-Header: 1",
        "https://client.example.com/\n",
        "\thttps://client.example.com/",
        " https://client.example.com/",
        "https://client.example.com\\@127.0.0.1/",
        "https://client.example.com/\0",
        "https://ｌocalhost/",  # noqa: RUF001  (a letter of another width)
        "https://①②⑦.0.0.1/",
        "https://127。0。0。1/",
        "https://bücher.example/",
        "https://client..example.com/",
        "https://.client.example.com/",
        "https://client.example.com../",
        "https://-client.example.com/",
        "https://client_-.example.com/",
        "https://client%2eexample.com/",
        "https://client.example.com%00.evil.example/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://[127.0.0.1]/",
        "https://[client.example.com]/",
        "https://256.0.0.1/",
        "https://1.2.3.4.5/",
        "https://127.0.0.0x100/",
        "https://4294967296/",
        "https://0xfffffffff/",
        "https://09.1.1.1/",
        "https://1.2.3.08/",
        "https://99999999999999999999999999/",
        f"https://{'a' * 64}.example/",
        f"https://{'a.' * 130}example/",
        f"https://client.example.com/{'a' * 2048}",
    ],
)
def test_what_is_no_url_is_invalid(url: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_url(url, STRICT)
    assert refused.value.members["errors"][0]["pointer"] == "/webhook/url"


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://client.example.com", "client.example.com", "/"),
        ("https://Client.Example.COM/Hooks?a=B", "client.example.com", "/Hooks?a=B"),
        ("https://client.example.com./hooks", "client.example.com", "/hooks"),
        ("https://client.example.com:8443/hooks", "client.example.com:8443", "/hooks"),
        ("https://client.example.com:443/hooks", "client.example.com", "/hooks"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
        ("https://_dmarc.example/", "_dmarc.example", "/"),
        ("https://8.8.8.8/", "8.8.8.8", "/"),
        ("https://0x08080808/", "8.8.8.8", "/"),
        ("https://[2606:4700:4700:0::1111]:8443/", "[2606:4700:4700::1111]:8443", "/"),
    ],
)
def test_a_decent_url_is_read(url: str, authority: str, path: str) -> None:
    target = check_url(url, STRICT)
    assert (target.authority, target.path, target.scheme) == (authority, path, "https")


def test_development_lifts_the_scheme_the_port_and_its_networks() -> None:
    assert check_url("http://127.0.0.1:9000/hooks", DEVELOPMENT).authority == "127.0.0.1:9000"
    assert check_url("http://localhost/hooks", DEVELOPMENT).port == 80
    for url in ("http://10.0.0.1/", "ftp://127.0.0.1/", "http://user@127.0.0.1/"):
        with pytest.raises(WebhookUrlForbidden):
            check_url(url, DEVELOPMENT)


@given(st.text(max_size=60))
def test_nothing_else_than_a_refusal_comes_of_any_text(text: str) -> None:
    for url in (text, f"https://{text}", f"https://a.example/{text}"):
        try:
            target = check_url(url, STRICT)
        except Refusal:
            continue
        assert "\n" not in target.path
        assert target.host
