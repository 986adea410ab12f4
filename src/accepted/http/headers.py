"""Request headers as values.

What a client may send wrongly is either refused clearly or, where its RFC says so, ignored.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import msgspec

from ..contract.problem import InvalidIdempotencyKey

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Preferences(msgspec.Struct, frozen=True):
    """`Prefer` (RFC 7240): how long to wait, in seconds, and whether an asynchronous answer was asked for aloud."""

    wait: int | None = None
    respond_async: bool = False

    def applied(self, waited: bool) -> str:
        """`Preference-Applied`: what was honoured."""
        words = [f"wait={self.wait}"] if waited and self.wait is not None else []
        return ", ".join(words + (["respond-async"] if self.respond_async else []))


NO_PREFERENCES = Preferences()


def preferences(value: str, limit: float) -> Preferences:
    """Reads `Prefer`; what is not understood is ignored (RFC 7240, section 2). `wait` is capped by `limit`."""
    wait, respond_async = None, False
    for part in value.split(","):
        name, _, argument = part.partition(";")[0].partition("=")
        match name.strip().lower(), argument.strip().strip('"'):
            case "wait", number if number.isascii() and number.isdigit() and wait is None:
                wait = int(min(int(number[:9]), limit))
            case "respond-async", "":
                respond_async = True
    return Preferences(wait, respond_async)


def idempotency_key(value: str) -> str:
    """The key of `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07). Raises `InvalidIdempotencyKey`."""
    text = value.strip()
    if text.startswith('"'):
        match = _QUOTED.fullmatch(text)
        text = re.sub(r'\\(["\\])', r"\1", match[1]) if match else ""
    if not _KEY.fullmatch(text):
        raise InvalidIdempotencyKey("The key is 1 to 255 visible ASCII characters, quoted or bare.")
    return text


def matches(if_none_match: str, etag: str) -> bool:
    """Whether `If-None-Match` names this entity tag, compared weakly (RFC 9110, section 13.1.2)."""
    opaque = etag.removeprefix("W/")
    return any(tag.strip().removeprefix("W/") in {opaque, "*"} for tag in if_none_match.split(","))


def traceparent(value: str) -> str | None:
    """A W3C trace context, or None for anything that is not one."""
    text = value.strip().lower()
    return text if _TRACEPARENT.fullmatch(text) else None


def byte_range(value: str, size: int) -> tuple[int, int] | None:
    """(start, stop) of a single byte range (RFC 9110, section 14.1.2); None to ignore the header.

    Raises ValueError if it lies outside.
    """
    match = _RANGE.fullmatch(value.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, stop = max(size - int(match[2]), 0), size
    else:
        start, stop = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= size or start >= stop:
        raise ValueError("outside")
    return start, stop


def accepts(accept: str, offered: tuple[str, ...]) -> str | None:
    """The offered media type that `Accept` likes best (RFC 9110, section 12.5.1), the first one where it does not
    care; None for none.
    """
    if not accept.strip():
        return offered[0]
    ranked = [(quality, -offered.index(media), media) for media in offered if (quality := _quality(accept, media)) > 0]
    return max(ranked)[2] if ranked else None


def _quality(accept: str, media: str) -> float:
    best = (-1, 0.0)
    for part in accept.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        specificity = {media: 2, media.split("/", 1)[0] + "/*": 1, "*/*": 0}.get(name.lower())
        if specificity is not None:
            best = max(best, (specificity, _weight(parameters)))
    return best[1]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.lower().startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def disposition(filename: str) -> str:
    """`Content-Disposition` for a download (RFC 6266), safe for any file name."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in filename)
    header = f'attachment; filename="{plain}"'
    if plain != filename:
        header += f"; filename*=UTF-8''{quote(filename, safe='')}"
    return header
