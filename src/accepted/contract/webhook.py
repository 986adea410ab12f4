"""A webhook: what a client registers, and the retry schedule its deliveries follow (contract, section 7).

Registered with a submit, stored beside the operation's input and never shown again: only the subscribed events and the
host are in the operation's record.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .address import Rules, Target, check_url
from .operation import Status, Subscription
from .problem import InvalidRequest
from .signature import LEAST, MOST, PREFIX, minted, standard_key

EVENTS = ("STARTED", "COMPLETED", "FAILED", "CANCELLED")
DEFAULT_EVENTS = ("COMPLETED", "FAILED", "CANCELLED")
EVENT_OF = {
    Status.PROCESSING: "STARTED",
    Status.COMPLETED: "COMPLETED",
    Status.COMPLETED_WITH_ERRORS: "COMPLETED",
    Status.FAILED: "FAILED",
    Status.CANCELLED: "CANCELLED",
}
_MEMBERS = frozenset({"url", "events", "secret", "secrets"})


class Registration(msgspec.Struct, frozen=True):
    """Where to deliver what, and how to sign it. `secrets` has one or, newest first, two; `base` begins all URLs.

    Where it is `sealed`, they are not what signs, but what the engine's vault makes of it to be stored.
    """

    url: str
    events: tuple[str, ...]
    secrets: tuple[str, ...]
    base: str
    authority: str
    sealed: bool = False

    def __repr__(self) -> str:
        """Without the secrets: a record may end up in a log."""
        return f"Registration({self.url!r}, {self.events!r})"

    @property
    def subscription(self) -> Subscription:
        """What of it may be known to everybody who sees the operation."""
        return Subscription(self.authority, self.events)


class Webhook(msgspec.Struct, frozen=True):
    """What came with one submit: the registration, where its URL leads, and whether its secret is of our making."""

    registration: Registration
    target: Target
    minted: bool


def webhook(value: object, base: str, rules: Rules, entropy: bytes) -> Webhook:
    """Reads the member `webhook` of a submit; `entropy`: 32 random bytes, for a secret where none is given.

    Raises `InvalidRequest` with pointers, or `WebhookUrlForbidden`.
    """
    if not isinstance(value, dict):
        raise _invalid("", "an object with a url")
    if unknown := sorted(set(value) - _MEMBERS):
        raise _invalid(f"/{_escaped(unknown[0])}", "one of url, events, secret and secrets")
    if not base.startswith(("https://", "http://")):
        raise _invalid("", "used where public_url is set, for a delivery needs absolute URLs")
    target = check_url(value.get("url"), rules)
    given = _secrets(value)
    secrets = given or (minted(entropy),)
    registration = Registration(value["url"], _events(value), secrets, base, target.authority)
    return Webhook(registration, target, not given)


def _events(value: dict[str, Any]) -> tuple[str, ...]:
    events = value.get("events", list(DEFAULT_EVENTS))
    if not isinstance(events, list) or not events:
        raise _invalid("/events", f"a list of some of {', '.join(EVENTS)}")
    for number, event in enumerate(events):
        if event not in EVENTS:
            raise _invalid(f"/events/{number}", f"one of {', '.join(EVENTS)}")
    return tuple(event for event in EVENTS if event in events)


def _secrets(value: dict[str, Any]) -> tuple[str, ...]:
    if value.get("secret") is not None and value.get("secrets") is not None:
        raise _invalid("/secrets", "left out where there is a secret")
    if value.get("secrets") is not None:
        secrets = value["secrets"]
        if not isinstance(secrets, list) or not 1 <= len(secrets) <= 2:
            raise _invalid("/secrets", "a list of one or two secrets, the newest first")
        return tuple(_secret(secret, f"/secrets/{number}") for number, secret in enumerate(secrets))
    return () if value.get("secret") is None else (_secret(value["secret"], "/secret"),)


def _secret(secret: object, pointer: str) -> str:
    if isinstance(secret, str) and LEAST <= len(_bytes(secret)) <= MOST:
        return secret
    raise _invalid(pointer, f"{LEAST} to {MOST} bytes of text, or {PREFIX} and base64 of so many")


def _bytes(secret: str) -> bytes:
    """What counts of a secret: the text, or what is encoded in it."""
    try:
        return standard_key(secret)
    except ValueError:  # no base64, or text that UTF-8 does not have
        return b""


def _escaped(member: str) -> str:
    return member.replace("~", "~0").replace("/", "~1")


def _invalid(pointer: str, detail: str) -> InvalidRequest:
    errors = [{"pointer": f"/webhook{pointer}", "detail": f"has to be {detail}"}]
    return InvalidRequest("The webhook does not fit.", errors=errors)
