"""Where a request may come from: its `Host` and `Origin` (safe defaults).

A server on a developer's machine is reachable from every page in that developer's browser. `Host` stops pages that
rebind DNS, `Origin` stops pages that post across sites. Both are checked before anything else.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from ..contract.problem import HostNotAllowed, OriginNotAllowed
from ..settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Access:
    """The checks in front of every route."""

    def __init__(self, settings: Settings) -> None:
        self._any_host = "*" in settings.allowed_hosts
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._origins = frozenset(settings.allowed_origins)
        if settings.public_url:
            self._hosts |= {(urlsplit(settings.public_url).hostname or "").lower()}
        self._known: set[bytes] = set()

    def check(self, method: str, headers: dict[bytes, bytes]) -> None:
        """Raises `HostNotAllowed` or `OriginNotAllowed`."""
        host = headers.get(b"host", b"")
        if host not in self._known:
            self._check_host(host)
        if b"origin" in headers and method not in SAFE_METHODS:
            self._check_origin(headers[b"origin"].decode("latin-1"), host.decode("latin-1"))

    def is_friend(self, origin: bytes) -> bool:
        """Whether pages from this origin are listed by name, so that they may read answers (CORS)."""
        return origin.decode("latin-1") in self._origins

    def _check_host(self, host: bytes) -> None:
        name = _name(host.decode("latin-1").lower())
        if not self._any_host and name not in self._hosts:
            raise HostNotAllowed(
                f"This server does not answer to {name[:100]!r}; the setting allowed_hosts names what it answers to."
            )
        if len(self._known) < 100:
            self._known.add(host)

    def _check_origin(self, origin: str, host: str) -> None:
        try:
            same = origin != "null" and urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:  # no URL at all, such as http://[
            same = False
        if not same and origin not in self._origins:
            raise OriginNotAllowed(
                f"Pages from {origin[:100]!r} may not ask for changes; allowed_origins names those that may."
            )


def _name(host: str) -> str:
    """The host without its port; IPv6 addresses keep their brackets."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
