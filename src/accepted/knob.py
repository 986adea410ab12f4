"""How settings are written, read, and warned of: sizes, rates, lists, keys."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import msgspec

from .contract.address import Network
from .contract.policy import seconds

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_FACTORS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size(value: str | int) -> int:
    """Bytes of "64KiB", "1MiB", "1GiB" or a number."""
    match = _SIZE.fullmatch(str(value).strip())
    if match is None or isinstance(value, bool):
        raise ValueError(f'not a size: {value!r}; write it as "64KiB", "1MiB" or a number of bytes')
    return int(match[1]) * _FACTORS[match[2]]


def flag(value: str | bool) -> bool:
    """True or False, as people write it."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    word = str(value).strip().lower()
    if word not in words:
        raise ValueError(f"not yes or no: {value!r}")
    return words[word]


def count(value: str | int) -> int:
    """A whole number, at least 1."""
    number = int(value)
    if isinstance(value, bool) or number < 1 or number != float(value):
        raise ValueError(f"not a whole number from 1: {value!r}")
    return number


class Rate(msgspec.Struct, frozen=True):
    """So many, at most, in so many seconds; a quota of 0 is no limit."""

    quota: int
    window: float

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.quota}/{self.window:g}s" if self.quota else "off"


def rate(value: str | Rate) -> Rate:
    """A rate of "600/1m", a count and a time; "off" for none."""
    if isinstance(value, Rate):
        return value
    quota, slash, window = str(value).strip().partition("/")
    if quota == "off":
        return Rate(0, 1.0)
    if not slash or not 1 <= (span := seconds(window)) <= 86_400:
        raise ValueError(f'not a rate: {value!r}; write it as "600/1m" with a time from 1 s to a day, or off')
    return Rate(count(quota), span)


class SecretKey(msgspec.Struct, frozen=True):
    """32 bytes that nobody is shown."""

    value: bytes

    def __repr__(self) -> str:
        """Without the key: settings may end up in a log."""
        return "SecretKey(***)"


def secret_keys(value: str | list[str] | tuple[str | SecretKey, ...]) -> tuple[SecretKey, ...]:
    """Keys in base64, 32 bytes each. ValueError says which one is none, but never what it was."""
    given = value.split(",") if isinstance(value, str) else value
    return tuple(key if isinstance(key, SecretKey) else _secret_key(key, n) for n, key in enumerate(given, 1) if key)


def _secret_key(text: str, number: int) -> SecretKey:
    try:
        key = base64.b64decode(text.strip().translate(str.maketrans("-_", "+/")), validate=True)
    except (ValueError, TypeError):
        key = b""
    if len(key) != 32:
        raise ValueError(f"key {number} is not 32 bytes in base64; `openssl rand -base64 32` makes one")
    return SecretKey(key)


def names(value: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """A list of words."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part.strip())


def networks(value: str | list[str] | tuple[str, ...]) -> tuple[Network, ...]:
    """A list of networks such as 10.0.0.0/8."""
    return tuple(ip_network(name) for name in names(value))


def url(value: str) -> str:
    """A text without a slash at its end."""
    return str(value).rstrip("/")


class Danger(msgspec.Struct, frozen=True):
    """Which values of a setting are unsafe, why, and one of them as it may be written."""

    found: Callable[[Any], object]
    why: str
    example: str


class Knob(msgspec.Struct, frozen=True):
    """How a setting is read, what it means in one sentence, and what `accepted doctor` warns of."""

    read: Callable[[Any], Any]
    meaning: str
    danger: Danger | None = None


def off(what: str) -> Danger:
    """Of a rate: that there is none."""
    return Danger(lambda rate: not rate.quota, f"nothing keeps {what}", "off")


def longer(limit: float, what: str) -> Danger:
    """Of a deadline: that it is longer than `limit` seconds."""
    why = f"{what} may hold a connection for so long; thousands of them leave no room for others"
    return Danger(lambda value: value > limit, why, f"{limit + 1:g}s")
