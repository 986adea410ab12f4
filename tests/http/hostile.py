"""Values and exceptions that break what touches them."""

from typing import Any


def cycle() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


def pit(depth: int) -> list[Any]:
    """Lists within lists."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


class Silent:
    """A value that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class SilentError(Exception):
    """An exception that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Rude(BaseException):
    """No Exception at all."""
