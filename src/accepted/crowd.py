"""All connections of a web process: how many there may be, and how long each of them may keep us waiting.

uvicorn waits for ever for a head that comes byte by byte, for a body that never ends and for a reader that does not
read. Here each connection that owes us something stands in a queue, in the order in which it began to; one timer looks
at the fronts of the queues once a second, so that ten thousand connections cost no more than the late ones. Where there
is no room, who only keeps a connection open makes place for who has something to ask.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Protocol

import msgspec

from .contract.address import Network
from .settings import Settings

SPARE_FILES = 100  # descriptors that are left to the database, to webhooks and to the process itself
TICK = 1.0  # seconds between two looks


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a crowd holds its connections to, in seconds, bytes and connections; `base` begins links to problems."""

    head: float = 10.0
    body: float = 30.0
    send: float = 30.0
    connections: int = 10_000
    per_address: int = 1_000
    trusted: tuple[Network, ...] = ()
    head_size: int = 16 * 1024
    head_lines: int = 64
    base: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Those of the settings, within what the system lets this process open."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls(
            head=settings.head_timeout,
            body=settings.body_timeout,
            send=settings.send_timeout,
            connections=max(min(settings.connection_limit, soft - SPARE_FILES), 1),
            per_address=settings.connections_per_address,
            trusted=settings.trusted_proxies,
            head_size=settings.head_limit,
            head_lines=settings.head_lines,
            base=settings.public_url,
        )


class Member(Protocol):
    """A connection, as its crowd sees it."""

    queue: Queue | None

    def late(self, queue: Queue) -> None:
        """It has kept us waiting for too long."""

    def leave(self) -> None:
        """Make place for somebody else."""


class Queue:
    """Connections that keep us waiting for one thing, the longest waiting first; nobody is late without a `limit`."""

    __slots__ = ("limit", "since")

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.since: dict[Member, float] = {}

    def late(self, now: float) -> Iterator[Member]:
        """Who has waited too long."""
        if self.limit is not None:
            for member, since in self.since.items():
                if now - since < self.limit:
                    return
                yield member


class Crowd:
    """The connections of this process. `idle`, `head`, `body` and `unread` are what they may keep us waiting for."""

    def __init__(self, limits: Limits, time: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.idle = Queue(None)  # uvicorn's own timer ends these
        self.head = Queue(limits.head)
        self.body = Queue(limits.body)
        self.unread = Queue(limits.send)
        self._time = time
        self._number = 0
        self._by_address: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, member: Member, address: str) -> bool:
        """Whether there is room for one more from this address; who is let in is waited for to say something."""
        if self._by_address[address] >= self.limits.per_address and not self._is_proxy(address):
            return False
        if self._number >= self.limits.connections:
            longest = next(iter(self.idle.since), None)
            if longest is None:
                return False
            self.wait(longest, None)
            longest.leave()
        self._number += 1
        self._by_address[address] += 1
        self.wait(member, self.head)
        if self._timer is None and self._number:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        return True

    def left(self, address: str) -> None:
        """One that was let in from this address is gone."""
        self._number -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def wait(self, member: Member, queue: Queue | None) -> None:
        """From now on we wait for this; being in the same queue already changes nothing: bytes buy no time."""
        before = member.queue
        if before is queue:
            return
        if before is not None:
            before.since.pop(member, None)
        member.queue = queue
        if queue is not None:
            queue.since[member] = self._time()

    def look(self) -> None:
        """Send away who is late."""
        now = self._time()
        for queue in (self.head, self.body, self.unread):
            for member in list(queue.late(now)):
                self.wait(member, None)
                member.late(queue)

    def _tick(self) -> None:
        self.look()
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick) if self._number else None

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self.limits.trusted)
