"""Hints between nodes: LISTEN on a connection of one's own, NOTIFY after the commit and apart from it.

A commit that notifies takes a lock over the whole server, so no commit of ours does. What was committed while the last
notification was under way goes out with the next one. A payload is bounded (8,000 bytes is PostgreSQL's limit); where
too much has changed to say it, "something" has. Whatever is lost here is found by looking.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import msgspec

from .clock import Clock
from .postgres_connect import FAREWELL, LOST, Door, hang_up, unavailable
from .postgres_read import Reader
from .protocol import Hint, StoreUnavailable

CHANNEL = "accepted"
PAYLOAD = 7_900  # bytes
PAYLOADS = 16  # at once; beyond it nobody is served by details
ANSWER = 3.0  # seconds until a listening connection that does not answer counts as dead
REST = 0.5  # seconds before it is made anew

_decode = msgspec.json.Decoder(tuple[str, list[Hint]]).decode

News = Sequence[Hint] | None


class Announcer:
    """Tells other nodes, one notification at a time."""

    def __init__(self, reader: Reader, name: str) -> None:
        self._reader = reader
        self._name = name
        self._waiting: list[Hint] = []
        self._task: asyncio.Task[None] | None = None

    def tell(self, hints: Sequence[Hint]) -> None:
        """Soon, and without waiting for it."""
        self._waiting.extend(hints)
        if self._waiting and self._task is None:
            self._task = asyncio.create_task(self._send())

    async def stop(self) -> None:
        """Send what waits, if it goes quickly."""
        if (sending := self._task) is not None:
            await asyncio.wait({sending}, timeout=FAREWELL)
            sending.cancel()

    async def _send(self) -> None:
        try:
            while self._waiting:
                hints, self._waiting = self._waiting, []
                with contextlib.suppress(StoreUnavailable):  # whoever listens looks for itself
                    await self._reader.rows("notify", CHANNEL, payloads(self._name, hints))
        finally:
            self._task = None


def payloads(name: str, hints: Sequence[Hint]) -> list[str]:
    """What to send: hints in bounded portions, or none of them for "anything may have changed"."""
    found: list[str] = []
    portion: list[str] = []
    room = PAYLOAD - len(name) - 8
    for hint in hints:
        text = msgspec.json.encode(hint).decode()
        size = len(text.encode()) + 1
        if size > PAYLOAD // 2 or len(found) == PAYLOADS:
            return [_payload(name, [])]
        if size > room:
            found.append(_payload(name, portion))
            portion, room = [], PAYLOAD - len(name) - 8
        portion.append(text)
        room -= size
    return [*found, _payload(name, portion)]


def _payload(name: str, hints: Sequence[str]) -> str:
    return f'["{name}",[{",".join(hints)}]]'


class Listener:
    """Hears what others tell, and keeps its connection alive."""

    def __init__(self, door: Door, hear: Callable[[News], None], heartbeat: float) -> None:
        self.name = secrets.token_hex(4)
        self._door = door
        self._hear = hear
        self._heartbeat = heartbeat
        self._connection: Any = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, reader: Reader) -> bool:
        """Listen, if what `reader` tells can be heard, and say whether it can: a pooler answers LISTEN and passes
        nothing on. Raises `StoreUnavailable`.
        """
        await self._listen()
        hears = False
        try:
            hears = await self._hears(reader)
        finally:
            if not hears:
                await self._hang_up()
        if hears:
            self._task = asyncio.create_task(self._stay())
        return hears

    async def _hears(self, reader: Reader) -> bool:
        """Tried on a channel of its own, so that nobody else has to look."""
        heard, own = asyncio.Event(), f"{CHANNEL}_{self.name}"

        def hear(*_: object) -> None:
            heard.set()

        with unavailable():
            await self._connection.add_listener(own, hear)
            await reader.rows("notify", own, [""])
        try:
            async with asyncio.timeout(ANSWER):
                await heard.wait()
        except TimeoutError:
            return False
        with unavailable():
            await self._connection.remove_listener(own, hear)
        return True

    async def stop(self) -> None:
        """Hear nothing any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._hang_up()

    async def _listen(self) -> None:
        connection = await self._door.connect()
        try:
            with unavailable():
                await connection.add_listener(CHANNEL, self._heard)
        except BaseException:
            await hang_up(connection)
            raise
        self._connection = connection

    async def _stay(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat if self._connection is not None else REST)
            try:
                if self._connection is None:
                    await self._listen()
                    self._hear(None)  # what was told meanwhile nobody has heard
                else:
                    async with asyncio.timeout(ANSWER):
                        await self._connection.execute("SELECT 1")
            except (StoreUnavailable, TimeoutError, *LOST, asyncpg.PostgresError):
                await self._hang_up()

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await hang_up(connection)

    def _heard(self, connection: Any, pid: int, channel: str, payload: object) -> None:
        try:
            name, hints = _decode(str(payload))
        except msgspec.MsgspecError:
            self._hear(None)  # of another version, perhaps: something has changed
            return
        if name != self.name:
            self._hear(hints or None)


async def audible(url: str, listen_url: str) -> bool:
    """Whether what is told through `url` is heard through `listen_url`. Raises `StoreUnavailable`."""
    reader = Reader(Door(url, prepared_statements=False), Clock())
    await reader.open()
    listener = Listener(Door(listen_url, prepared_statements=False), lambda _: None, heartbeat=ANSWER)
    try:
        return await listener.start(reader)
    finally:
        await listener.stop()
        await reader.close()
