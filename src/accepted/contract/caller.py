"""Who asks, what they may do, and what a route asks of them.

Four roles. `submit` starts operations, cancels them and tries them again: who may start work may stop it. `read` sees
operations. `cancel` only stops them, for a watchdog that starts nothing. `admin` may do everything and sees the
operations of all owners. Nobody else sees anything but their own (guarantee I5, and section 3 of the contract: what is
somebody else's looks like nothing).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

NOBODY = ""
"""The owner of everything while no authentication is configured."""


class Role(StrEnum):
    """What somebody may do."""

    SUBMIT = "submit"
    READ = "read"
    CANCEL = "cancel"
    ADMIN = "admin"

    __hash__ = str.__hash__  # that of Enum is written in Python, and these are looked up with each request


class Rule(StrEnum):
    """What a route asks of its caller: nothing at all (`PUBLIC`), to be known (`KNOWN`), or to be allowed."""

    PUBLIC = "public"
    KNOWN = "known"
    SUBMIT = "submit"
    READ = "read"
    CANCEL = "cancel"
    ADMIN = "admin"

    __hash__ = str.__hash__


GRANTS: dict[Role, frozenset[Rule]] = {
    Role.SUBMIT: frozenset({Rule.SUBMIT, Rule.CANCEL}),
    Role.READ: frozenset({Rule.READ}),
    Role.CANCEL: frozenset({Rule.CANCEL}),
    Role.ADMIN: frozenset(Rule),
}
"""**The table**: which role satisfies which rule."""

_ASKS_NO_ROLE = frozenset({Rule.PUBLIC, Rule.KNOWN})


@functools.cache
def _open_to(roles: frozenset[Role]) -> frozenset[Rule]:
    """All rules that somebody with these roles satisfies; there are not many sets of four."""
    return _ASKS_NO_ROLE.union(*(GRANTS[role] for role in roles))


def roles(given: Any) -> frozenset[Role]:
    """Roles out of words: a list of them, or a text with commas or spaces between. Raises ValueError for others."""
    words: Iterable[Any] = given.replace(",", " ").split() if isinstance(given, str) else given
    try:
        return frozenset(Role(word) for word in words)
    except (ValueError, TypeError):
        raise ValueError(f"roles are {', '.join(Role)}, not {given!r}") from None


class Caller(msgspec.Struct, frozen=True):
    """Somebody who asks.

    `owner` is whose operations are theirs; `roles` are words of `Role`. `key` names what has shown who they are, such
    as the id of an API key: it stands in the audit trail, so it is no secret. After `expires_at` (ms since the epoch)
    they are known no more, and their open streams end.
    """

    owner: str
    roles: frozenset[Role] = frozenset({Role.SUBMIT, Role.READ})
    key: str = ""
    expires_at: int | None = None

    def __post_init__(self) -> None:
        if type(self.roles) is not frozenset or not all(type(role) is Role for role in self.roles):
            msgspec.structs.force_setattr(self, "roles", roles(self.roles))

    def may(self, rule: Rule) -> bool:
        """Whether a route with this rule is open to them."""
        return rule in _open_to(self.roles)

    @property
    def is_admin(self) -> bool:
        """Whether they see the operations of all owners."""
        return Role.ADMIN in self.roles

    @property
    def sees(self) -> str | None:
        """Whose operations they see; None for everybody's."""
        return None if Role.ADMIN in self.roles else self.owner


ANYBODY = Caller(NOBODY, frozenset({Role.SUBMIT, Role.READ, Role.CANCEL}))
"""Who asks while no authentication is configured. No rule is applied to them, and they see what is nobody's."""
