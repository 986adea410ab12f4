"""Sends one request to where a stranger wished it, and to nowhere else (guarantee W7; safe defaults).

The name is resolved here, every address is held against the deny table, and the connection is made to one of the
addresses that were looked at, by number: nobody gets a chance to say something else in between. TLS is verified by the
name. Redirects are not followed, proxies and other words of the environment are not heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from ..contract.address import Address, Rules, Target, check_address, forbidden
from .exchange import Connection, Head, Undelivered

CONNECT_PATIENCE = 5.0
KEEP_ALIVE = 10.0  # less than what servers usually grant, so that it is mostly us who close
IDLE_OF_HOST, IDLE = 4, 64
ADDRESSES_TRIED = 4
RESOLVERS = 32  # threads: one that waits for a dead name server holds up nobody else

UNRESOLVED, FORBIDDEN, UNREACHABLE = "name-not-resolved", "address-forbidden", "connection-failed"
UNTRUSTED, LATE = "tls-failed", "timed-out"

Resolve = Callable[[str, int], Awaitable[list[Address]]]
Dial = Callable[[Address, int], Awaitable[socket.socket]]
_Place = tuple[str, str, int]


class Sender:
    """Connections to receivers. `resolve`, `dial` and `tls` are seams: a test puts its own name server, network and
    authority there.
    """

    def __init__(self, rules: Rules, timeout: float) -> None:
        self.rules = rules
        self.timeout = timeout
        self.resolve: Resolve = self._resolved
        self.dial: Dial = _dialled
        self.tls: ssl.SSLContext | None = None
        self._pool = ThreadPoolExecutor(RESOLVERS, "accepted-resolver")
        self._idle: dict[_Place, list[Connection]] = {}
        self._places: dict[Connection, _Place] = {}

    async def send(self, target: Target, headers: Mapping[str, str], body: bytes) -> Head:
        """POST `body`, and the head of the answer. Raises `Undelivered`."""
        lines = [f"POST {target.path} HTTP/1.1", f"Host: {target.authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = ("\r\n".join(lines) + f"\r\nContent-Length: {len(body)}\r\n\r\n").encode("ascii") + body
        try:
            async with asyncio.timeout(self.timeout):
                return await self._send(target, request)
        except TimeoutError:
            raise Undelivered(LATE) from None

    async def check(self, target: Target, patience: float) -> None:
        """Raises `WebhookUrlForbidden` where the name leads to a forbidden address now; one that leads nowhere yet is
        looked at again with each connect.
        """
        if target.address is not None:
            return
        try:
            async with asyncio.timeout(patience):
                addresses = await self.resolve(target.host, target.port)
        except (TimeoutError, OSError, ValueError):
            return
        for address in addresses:
            check_address(address, self.rules)

    def close(self) -> None:
        """Let go of everything."""
        with contextlib.suppress(RuntimeError):  # their loop may be gone, and they with it
            for connection in list(self._places):
                connection.abort()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _send(self, target: Target, request: bytes) -> Head:
        place = (target.scheme, target.host, target.port)
        while (connection := self._used(place)) is not None:
            try:
                return await connection.exchange(request)
            except Undelivered as error:
                if not error.untouched:
                    raise
        return await (await self._connected(target, place)).exchange(request)

    # --- connections

    def _used(self, place: _Place) -> Connection | None:
        """A connection that waits for the next request."""
        waiting = self._idle.get(place)
        if not waiting:
            return None
        connection = waiting.pop()
        if not waiting:
            del self._idle[place]
        connection.wake()
        return connection

    def _keep(self, connection: Connection) -> None:
        place = self._places[connection]
        waiting = self._idle.setdefault(place, [])
        if len(waiting) >= IDLE_OF_HOST or sum(map(len, self._idle.values())) >= IDLE:
            connection.abort()
            if not waiting:
                del self._idle[place]
            return
        waiting.append(connection)
        connection.rest(KEEP_ALIVE)

    def _forget(self, connection: Connection) -> None:
        place = self._places.pop(connection, None)
        if place is not None and connection in (waiting := self._idle.get(place, [])):
            waiting.remove(connection)
            if not waiting:
                del self._idle[place]

    async def _connected(self, target: Target, place: _Place) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                context = await self._context() if target.scheme == "https" else None
                peer = await self._peer(target)
                name = target.host if context is not None else None
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._keep, self._forget), sock=peer, ssl=context, server_hostname=name
                )
        except TimeoutError:
            raise Undelivered(LATE) from None
        except ssl.SSLError:
            raise Undelivered(UNTRUSTED) from None
        except (OSError, ValueError):
            raise Undelivered(UNREACHABLE) from None
        self._places[connection] = place
        return connection

    async def _peer(self, target: Target) -> socket.socket:
        """A socket that is connected to an address of the target."""
        trouble: OSError = ConnectionError("no address")
        for address in (await self._addresses(target))[:ADDRESSES_TRIED]:
            try:
                return await self.dial(address, target.port)
            except OSError as error:
                trouble = error
        raise trouble

    async def _addresses(self, target: Target) -> list[Address]:
        """Where the target leads now; every one of them has to be decent. Raises `Undelivered`."""
        try:
            found = [target.address] if target.address is not None else await self.resolve(target.host, target.port)
        except (OSError, ValueError):
            raise Undelivered(UNRESOLVED) from None
        if any(forbidden(address, self.rules) is not None for address in found):
            raise Undelivered(FORBIDDEN)
        return found

    async def _resolved(self, host: str, port: int) -> list[Address]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._pool, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(ip_address(peer[0]) for *_, peer in found))

    async def _context(self) -> ssl.SSLContext:
        if self.tls is None:
            self.tls = await asyncio.to_thread(_trusting)
        return self.tls


async def _dialled(address: Address, port: int) -> socket.socket:
    """A socket that is connected to exactly this address."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    peer = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(peer, (str(address), port))
    except BaseException:
        peer.close()
        raise
    return peer


def _trusting() -> ssl.SSLContext:
    """The system's authorities; reading them takes a while."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
