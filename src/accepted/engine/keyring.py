"""The API keys of a process: all of them, as the store has them, so that no request costs a query.

Every second it asks what has changed, which is one look at an index. So a revoked key is known as such within a
second on every node. A key that it does not know may have been made just now, and has it look at once; who guesses
keys makes it look again and again, but never twice at a time.
"""

from __future__ import annotations

import asyncio
import logging
import os

from ..contract.caller import Caller
from ..contract.credential import TICKET, TICKET_ENTROPY, TICKET_LIFE, ApiKey, Ticket, digest, key_id, new_ticket
from ..store.clock import Clock
from ..store.protocol import Store, StoreUnavailable

log = logging.getLogger("accepted.engine")

INTERVAL = 1.0  # seconds between looks
PATIENCE = 10.0  # seconds after which what is known of keys is too old to let anybody in


class Keyring:
    """Keys by id, and the store's time to judge them by."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._keys: dict[str, ApiKey] = {}
        self._callers: dict[str, Caller] = {}
        self._revision = 0
        self._turn = asyncio.Lock()
        self._began = -PATIENCE
        self._wall = 0

    async def run(self) -> None:
        """Look every second, for as long as the node lives."""
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                await self.look()
            except StoreUnavailable as error:
                log.warning("keys cannot be read; they are believed for %g s: %s", PATIENCE, error)

    async def look(self) -> None:
        """From here on everything is known that was changed before. Raises `StoreUnavailable`."""
        asked = self._clock.monotonic()
        async with self._turn:
            if self._began > asked:
                return  # somebody has looked since
            began = self._clock.monotonic()
            wall = (await self._store.now()).wall
            for key in await self._store.credentials.keys(self._revision):
                self._keys[key.id], self._callers[key.id] = key, key.caller
                self._revision = key.revision
            self._began, self._wall = began, wall

    @property
    def in_use(self) -> bool:
        """Whether there are keys, or were ever: who revokes the last one does not open the door."""
        return bool(self._keys)

    @property
    def is_fresh(self) -> bool:
        """Whether what is known may be believed."""
        return self._clock.monotonic() - self._began < PATIENCE

    def now(self) -> int:
        """The store's time in ms, as far as that is known without asking."""
        return self._wall + round((self._clock.monotonic() - self._began) * 1000)

    def find(self, token: str) -> Caller | None:
        """Whom a token shows; None where it shows nobody, or the key is not known (yet)."""
        key = self._keys.get(key_id(token) or "")
        return self._callers[key.id] if key is not None and key.opens(token) and key.is_valid(self.now()) else None

    def knows(self, token: str) -> bool:
        """Whether there is a key of this name."""
        return key_id(token) in self._keys

    def holds(self, caller: Caller) -> bool:
        """Whether somebody who was let in still would be."""
        if caller.expires_at is not None and self.now() >= caller.expires_at:
            return False
        key = self._keys.get(caller.key)
        return key is None or key.is_valid(self.now())

    async def give(self, caller: Caller, operation_id: str) -> tuple[str, int]:
        """A ticket for one stream of an operation, or of any of theirs (""), and until when (ms) it is good."""
        ticket = new_ticket(os.urandom(TICKET_ENTROPY))
        until = (await self._store.now()).wall + TICKET_LIFE
        await self._store.credentials.add_ticket(digest(ticket), Ticket(caller, until, operation_id))
        return ticket, until

    async def take(self, ticket: str) -> Ticket | None:
        """What a ticket is good for; it is used up by this, on whatever node."""
        return await self._store.credentials.take_ticket(digest(ticket)) if TICKET.fullmatch(ticket) else None
