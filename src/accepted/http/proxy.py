"""What proxies say about a request: who asked, by which scheme and for which host.

Anybody can write these headers, so only what comes from an address in `trusted_proxies` is believed, and of a chain of
proxies only what trusted ones have added: from the end of the list, as far as each was told by one that is trusted.

They say it in `Forwarded` (RFC 7239) or in `X-Forwarded-For`, `-Proto` and `-Host`. A proxy writes one of the two and
passes on the other as its client wrote it, so where both are there, neither is believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from starlette.types import Scope

from ..contract.address import Network

_PAIR = re.compile(r'\s*(for|proto|host)\s*=\s*(?:"([^"]*)"|([^\s";,]+))\s*', re.IGNORECASE)
_OLD = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
_SCHEMES = {"http": "ws", "https": "wss"}
_HOST = re.compile(r"[\w.-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?")

Hop = tuple[str, str, str]
"""What one proxy added: for whom, by which scheme, for which host; empty where it does not say."""


def unproxied(scope: Scope, trusted: Sequence[Network]) -> Scope:
    """The scope as it would be without the proxies that are trusted; the same one where there are none."""
    address = (scope.get("client") or ("",))[0]
    if not _is_trusted(address, trusted) or _two_voices(scope["headers"]):
        return scope
    client, proto, host = address, "", ""
    for told_for, told_proto, told_host in _hops(scope["headers"]):
        client, proto, host = told_for or client, told_proto or proto, told_host or host
        if not _is_trusted(told_for, trusted):
            break
    changes: Scope = {"client": (client, 0)}
    if proto.lower() in _SCHEMES:
        changes["scheme"] = _SCHEMES[proto.lower()] if scope["type"] == "websocket" else proto.lower()
    if _HOST.fullmatch(host):
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        changes["headers"] = [(b"host", host.encode("latin-1")), *others]
    return {**scope, **changes}


def _two_voices(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    names = {name for name, _ in headers}
    return b"forwarded" in names and not names.isdisjoint(_OLD)


def _hops(headers: Sequence[tuple[bytes, bytes]]) -> Iterator[Hop]:
    """From the proxy next to us outwards."""
    if forwarded := _listed(headers, b"forwarded"):
        for element in reversed(forwarded):
            told = {match[1].lower(): match[2] or match[3] or "" for match in _PAIR.finditer(element)}
            yield _bare(told.get("for", "")), told.get("proto", ""), told.get("host", "")
        return
    addresses = [_bare(address) for address in _listed(headers, b"x-forwarded-for")] or [""]
    protos, hosts = _listed(headers, b"x-forwarded-proto"), _listed(headers, b"x-forwarded-host")
    for address in reversed(addresses):
        yield address, protos.pop() if protos else "", hosts.pop() if hosts else ""


def _listed(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    whole = ",".join(value.decode("latin-1") for name, value in headers if name == wanted)
    return [part.strip() for part in whole.split(",") if part.strip()]


def _bare(address: str) -> str:
    """An address without its port and brackets."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in trusted)
