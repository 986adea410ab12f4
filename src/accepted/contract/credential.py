"""What shows who somebody is: API keys, which last, and tickets, which are used once.

A key is `ak_`, 13 characters that name it, `_`, and 52 characters of secret: 256 random bits. A ticket is `tk_` and 52
characters. Both have a form that scanners for leaked secrets can be taught, and of both only the SHA-256 is kept: what
is random enough needs no slow hash, and nobody who reads the database can use what they find there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import msgspec

from .caller import Caller, Role

KEY = re.compile(r"ak_([0-9a-v]{13})_[0-9a-v]{52}")
TICKET = re.compile(r"tk_[0-9a-v]{52}")
KEY_ENTROPY = 40  # bytes: eight name the key, the others are its secret
TICKET_ENTROPY = 32
TICKET_LIFE = 30_000  # ms


class ApiKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """An API key, without its secret. Times are ms since the epoch.

    `revision` is the store's: each change of any key gets a greater one.
    """

    id: str
    owner: str
    roles: tuple[Role, ...]
    digest: bytes
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    name: str = ""
    revision: int = 0

    def opens(self, token: str) -> bool:
        """Whether this is its secret; as long for every answer."""
        return hmac.compare_digest(digest(token), self.digest)

    def is_valid(self, now: int) -> bool:
        """Whether it counts at this time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def state(self, now: int) -> str:
        """A word for people."""
        return "active" if self.is_valid(now) else "expired" if self.revoked_at is None else "revoked"

    @property
    def caller(self) -> Caller:
        """Whom it shows, while it is valid."""
        return Caller(self.owner, frozenset(self.roles), self.id, self.expires_at)

    def revoked(self, at: int) -> ApiKey:
        """The same, revoked now, or earlier."""
        return self if self.revoked_at is not None else msgspec.structs.replace(self, revoked_at=at)

    def ending(self, at: int) -> ApiKey:
        """The same, which ends at this time at the latest."""
        earlier = at if self.expires_at is None else min(at, self.expires_at)
        return msgspec.structs.replace(self, expires_at=earlier)


class Ticket(msgspec.Struct, frozen=True, omit_defaults=True):
    """Leave to open one stream: for whom, until when (ms), and of which operation; empty for any of theirs."""

    caller: Caller
    expires_at: int
    operation_id: str = ""


def new_key(
    owner: str, roles: frozenset[Role], entropy: bytes, at: int, *, expires_at: int | None = None, name: str = ""
) -> tuple[ApiKey, str]:
    """A key and its token, which nobody can tell again. `entropy` is `KEY_ENTROPY` random bytes."""
    id = "ak_" + _text(entropy[:8])
    token = f"{id}_{_text(entropy[8:KEY_ENTROPY])}"
    ordered = tuple(role for role in Role if role in roles)
    return ApiKey(id, owner, ordered, digest(token), at, expires_at, name=name), token


def key_id(token: str) -> str | None:
    """The name in a token that has the form of a key; None for anything else."""
    return token[:16] if KEY.fullmatch(token) else None


def new_ticket(entropy: bytes) -> str:
    """A ticket's text out of `TICKET_ENTROPY` random bytes."""
    return "tk_" + _text(entropy)


def digest(token: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(token.encode()).digest()


def _text(raw: bytes) -> str:
    return base64.b32hexencode(raw).decode().rstrip("=").lower()
