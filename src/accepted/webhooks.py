"""For programs that receive webhooks: check the signature, and get the event.

    from accepted import webhooks

    event = webhooks.verify(request.headers, body, "whsec_...")    # the body's very bytes, before anybody parses them

Only the signature of Standard Webhooks counts here, because it covers the time: whoever records a request cannot send
it again later. A delivery may come twice; `event.id` is the same each time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from .contract.signature import signed_by

__all__ = ["Event", "InvalidSignature", "verify"]

TOLERANCE = 300.0  # what the libraries of Standard Webhooks allow

Text = str | bytes


class InvalidSignature(Exception):
    """This request does not come, fresh and unchanged, from somebody who knows the secret. Answer it with 400."""


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What has happened to an operation.

    `id` is the same whenever this delivery comes again. `event` is STARTED, COMPLETED, FAILED or CANCELLED, `status`
    the operation's own; `sequence` orders the events of one operation. `result`, `error` (a problem) or `reason` are
    there as the event has them.
    """

    id: str = ""
    event: str
    operation_id: str
    status: str
    timestamp: datetime
    sequence: int
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    reason: str | None = None
    work_stopped: bool | None = None


_decode = msgspec.json.Decoder(Event).decode


def verify(
    headers: Mapping[str, str] | Iterable[tuple[Text, Text]],
    body: Text,
    secret: str | Sequence[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Event:
    """The event that `body` tells of. Raises `InvalidSignature`.

    `headers` is any mapping, or pairs as ASGI has them; upper and lower case make no difference. While a secret is
    replaced by another, give both. `tolerance` is how many seconds the sender's clock and yours may be apart; `now`
    (seconds since the epoch) is the present unless given. ValueError for `whsec_` before what is no base64.
    """
    found = _lowered(headers)
    body = body.encode() if isinstance(body, str) else body
    id, at = found.get("webhook-id", ""), _seconds(found.get("webhook-timestamp", ""))
    if abs((time.time() if now is None else now) - at) > tolerance:
        raise InvalidSignature("webhook-timestamp is too far from now")
    secrets = (secret,) if isinstance(secret, str) else secret
    given = found.get("webhook-signature", "")
    if not id or not any(signed_by(given, id, at, body, each) for each in secrets):
        raise InvalidSignature("webhook-signature does not fit")
    try:
        event = _decode(body)
    except msgspec.MsgspecError as error:  # signed by somebody who knows the secret, but not by Accepted
        raise InvalidSignature(f"the body is no event: {error}") from None
    return msgspec.structs.replace(event, id=id)


def _lowered(headers: Mapping[str, str] | Iterable[tuple[Text, Text]]) -> dict[str, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {_text(name).lower(): _text(value) for name, value in pairs}


def _text(value: Text) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 13):
        raise InvalidSignature("webhook-timestamp is missing or no number of seconds")
    return int(text)
