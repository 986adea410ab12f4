"""Waiting for something that another process does: look again and again until it is so, and give up aloud."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TypeVar

T = TypeVar("T")

PATIENCE = 20.0  # seconds; only a test that fails waits for so long
LOOK = 0.01


def until(what: str, look: Callable[[], T | Literal[False] | None], patience: float = PATIENCE) -> T:
    """What `look` gives as soon as it is neither None nor False nor empty. AssertionError names `what`."""
    deadline = time.monotonic() + patience
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"after {patience:g} s still not: {what}"
        time.sleep(LOOK)
