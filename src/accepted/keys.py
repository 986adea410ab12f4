"""`Keys`: making, listing, replacing and revoking API keys, for commands and for code in the same process.

Every change is in the audit trail. A key's token is given once, when it is made; nobody can read it again.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from .contract.caller import Caller, roles
from .contract.credential import KEY_ENTROPY, ApiKey, new_key
from .contract.policy import Duration, seconds
from .engine import audit
from .store.protocol import Store

LONGEST_NAME = 255  # characters of an owner or a name


class NewKey(NamedTuple):
    """A key that was just made, and its token: the only time it is told."""

    key: ApiKey
    token: str


class Keys:
    """The API keys in a store. `by` stands in the audit trail for whoever changes them; `tell` hears first."""

    def __init__(self, store: Store, by: str, tell: Callable[[], Awaitable[None]] | None = None) -> None:
        self._store = store
        self._tell = tell
        self._by = Caller(by, frozenset())

    async def create(
        self, owner: str, role: Any = "submit,read", *, expires: Duration | None = None, name: str = ""
    ) -> NewKey:
        """A key for `owner` with these roles ("submit,read" or a list), for so long, or until it is revoked.

        Once there is a key, every request has to bear one. Raises ValueError for what cannot be.
        """
        if not 0 < len(owner) <= LONGEST_NAME or not owner.isprintable():
            raise ValueError(f"an owner is 1 to {LONGEST_NAME} printable characters, not {owner!r}")
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise ValueError(f"a name is at most {LONGEST_NAME} printable characters")
        if not (wanted := roles(role)):
            raise ValueError("a key without a role opens nothing; name one")
        at = (await self._store.now()).wall
        until = None if expires is None else at + round(seconds(expires) * 1000)
        made = NewKey(*new_key(owner, wanted, os.urandom(KEY_ENTROPY), at, expires_at=until, name=name))
        await self._store.credentials.add_key(made.key)
        await self._told()
        audit.note("create-key", self._by, about=f"{made.key.id} for {owner!r}: {', '.join(made.key.roles)}")
        return made

    async def all(self) -> list[ApiKey]:
        """All keys there are or were, the oldest first, without their secrets."""
        return sorted(await self._store.credentials.keys(), key=lambda key: (key.created_at, key.id))

    async def rotate(self, id: str, *, overlap: Duration = "24h") -> NewKey:
        """A new key in the place of another, which ends when `overlap` is over; the new one lives as long as it was
        to. Raises LookupError where there is none of this id, ValueError where it is not valid any more.
        """
        old = next((key for key in await self.all() if key.id == id), None)
        if old is None:
            raise LookupError(f"there is no key {id!r}")
        at = (await self._store.now()).wall
        if not old.is_valid(at):
            raise ValueError(f"key {id} is {old.state(at)}; create a new one")
        until = None if old.expires_at is None else at + old.expires_at - old.created_at
        entropy = os.urandom(KEY_ENTROPY)
        made = NewKey(*new_key(old.owner, frozenset(old.roles), entropy, at, expires_at=until, name=old.name))
        await self._store.credentials.add_key(made.key)
        await self._store.credentials.change_key(id, lambda key: key.ending(at + round(seconds(overlap) * 1000)))
        await self._told()
        audit.note("rotate-key", self._by, about=f"{id} to {made.key.id}")
        return made

    async def revoke(self, id: str) -> ApiKey:
        """End a key at once: within seconds on all nodes, open streams included. Raises LookupError."""
        at = (await self._store.now()).wall
        key = await self._store.credentials.change_key(id, lambda key: key.revoked(at))
        if key is None:
            raise LookupError(f"there is no key {id!r}")
        await self._told()
        audit.note("revoke-key", self._by, about=f"{id} of {key.owner!r}")
        return key

    async def _told(self) -> None:
        """Other processes hear of it within a second."""
        if self._tell is not None:
            await self._tell()
