"""Which addresses and URLs a server may be sent to at a client's wish: the deny table, as data.

A webhook lets strangers choose where this server connects to. So only public addresses are decent, whatever they are
spelled like and whatever they are embedded in: an IPv4 address inside of an IPv6 one (mapped, translated, tunnelled)
is unpacked and looked at by itself. `check_url` looks at what is written, `forbidden` at the address that is about to
be connected to; a name is known by its addresses alone (guarantee W7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import msgspec

from .problem import InvalidRequest, WebhookUrlForbidden

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

POINTER = "/webhook/url"
LONGEST_URL = 2048
PORTS = frozenset({443, 8443})
DEFAULT_PORTS = {"https": 443, "http": 80}

# IANA's special-purpose registries (RFC 6890 and its updates), and what is public by registry but never a receiver.
DENIED: dict[str, str] = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local, with the clouds' metadata services",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments, with a cloud's metadata service",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT",
    "192.88.99.0/24": "6to4 relays",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarks",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved, with the broadcast address",
    "100.100.100.200/32": "a cloud's metadata service",
    "168.63.129.16/32": "a cloud's host services",
    "::/96": "unspecified, loopback, or an IPv4 address in an old dress",
    "::ffff:0:0:0/96": "translated (SIIT)",
    "64:ff9b:1::/48": "local NAT64",
    "100::/64": "discard",
    "100:0:0:1::/64": "dummy",
    "2001::/23": "protocol assignments: Teredo, ORCHID, benchmarks",
    "2001:db8::/32": "documentation",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "unique local, with a cloud's metadata service",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_DENIED = [(ip_network(network), reason) for network, reason in DENIED.items()]
_GLOBAL = IPv6Network("2000::/3")  # all that IANA has given out; the rest of IPv6 is reserved

_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})

_VISIBLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")


class Rules(msgspec.Struct, frozen=True):
    """What this server lifts of the rules: plain http, and networks that are decent here (for development)."""

    allow_http: bool = False
    allow_networks: tuple[Network, ...] = ()

    @property
    def strict(self) -> bool:
        """Whether nothing is lifted; otherwise any port will do as well."""
        return not (self.allow_http or self.allow_networks)


class Target(msgspec.Struct, frozen=True):
    """Where a URL leads, in parts. `host` is a name or an address in its usual spelling, `path` with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def address(self) -> Address | None:
        """The address, where the URL names one rather than a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """`host` or `host:port`, as in a `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


# --- addresses


def forbidden(address: Address, rules: Rules) -> str | None:
    """Why nothing may be sent to this address; None for one that is decent."""
    if any(address in network for network in rules.allow_networks):
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return "link-local"
        inner = next(_embedded(address), None)
        if inner is not None and (address in _MAPPED or address in _NAT64):
            return forbidden(inner, rules)  # these are other spellings of the IPv4 address
        for inner in _embedded(address):
            if (reason := forbidden(inner, Rules())) is not None:
                return reason
        if (reason := _denied(address)) is not None:
            return reason
        return None if address in _GLOBAL else "reserved"
    return _denied(address)


def _denied(address: Address) -> str | None:
    return next((reason for network, reason in _DENIED if address in network), None)


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """IPv4 addresses that a packet to this address would end at."""
    number = int(address)
    if address in _MAPPED or address in _NAT64:
        yield IPv4Address(number & 0xFFFF_FFFF)
    if address in _SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & 0xFFFF_FFFF)
    if number >> 32 & 0xFFFF_FFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFF_FFFF)


# --- URLs


def check_url(url: object, rules: Rules) -> Target:
    """Where `url` leads. Raises `WebhookUrlForbidden`, or `InvalidRequest` for what is no URL at all."""
    parts = _split(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and rules.allow_http):
        raise _refused("only https URLs")
    if "@" in parts.netloc:
        raise _refused("no user name and no password in the URL")
    host = _host(parts)
    try:
        port = parts.port if parts.port is not None else DEFAULT_PORTS[parts.scheme]
    except ValueError:
        raise _invalid("a port from 1 to 65535") from None
    if port == 0:
        raise _invalid("a port from 1 to 65535")
    if rules.strict and port not in PORTS:
        raise _refused("only the ports 443 and 8443")
    target = Target(parts.scheme, host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    if target.address is not None:
        check_address(target.address, rules)
    return target


def check_address(address: Address, rules: Rules) -> None:
    """Raises `WebhookUrlForbidden` for an address that nothing may be sent to; it does not say what is there."""
    if forbidden(address, rules) is not None:
        raise _refused("only public addresses")


def _split(url: object) -> SplitResult:
    if not isinstance(url, str) or not url:
        raise _invalid("an https URL")
    if len(url) > LONGEST_URL:
        raise _invalid(f"at most {LONGEST_URL} characters")
    if not _VISIBLE.fullmatch(url) or "\\" in url:  # what parsers disagree about is how filters are deceived
        raise _invalid("visible ASCII characters; names in Punycode, everything else percent-encoded")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _invalid("an https URL") from None
    if "#" in url:
        raise _invalid("no fragment")
    if not parts.netloc or not parts.hostname:
        raise _invalid("an https URL with a host")
    return parts


def _host(parts: SplitResult) -> str:
    """The host in its usual spelling. A name whose last label is a number is an address, as browsers and resolvers
    have it: `0x7f.1`, `2130706433` and `017700000001` are all 127.0.0.1.
    """
    host = (parts.hostname or "").lower()
    if parts.netloc.rpartition("@")[2].startswith("["):
        try:
            return str(IPv6Address(host if "%" not in host else ""))
        except ValueError:
            raise _invalid("an IPv6 address in brackets, without a zone") from None
    host = host.removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return str(_ipv4(labels))
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _invalid("a host name or an address")
    return host


def _ipv4(labels: list[str]) -> IPv4Address:
    """As `inet_aton` reads it: one to four parts, each decimal, octal or hexadecimal, the last one filling up."""
    try:
        *heads, last = [_number(label) for label in labels]
    except ValueError:
        raise _invalid("a host name or an address") from None
    if len(labels) > 4 or any(part > 255 for part in heads) or last >= 256 ** (5 - len(labels)):
        raise _invalid("a host name or an address")
    return IPv4Address(sum(part << 8 * (3 - place) for place, part in enumerate(heads)) + last)


def _number(label: str) -> int:
    if len(label) > 20 or not _NUMBER.fullmatch(label):
        raise ValueError(label)
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    return int(label, 8) if label.startswith("0") else int(label)


def _invalid(detail: str) -> InvalidRequest:
    return InvalidRequest(
        "The webhook's URL does not fit.", errors=[{"pointer": POINTER, "detail": f"wanted: {detail}"}]
    )


def _refused(detail: str) -> WebhookUrlForbidden:
    return WebhookUrlForbidden(f"Webhooks go to {detail}.", errors=[{"pointer": POINTER, "detail": detail}])
