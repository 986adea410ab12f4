"""Open requests must not hold up the end of a server.

A server ends its apps' lifespans only when all requests are answered, and a long poll may take a minute. So the signal
that stops the server also tells those who wait; whoever handles the signal goes on doing so.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def told_of_the_end(drain: Callable[[], None]) -> Iterator[None]:
    """Inside, `drain` is called on the running loop before SIGTERM and SIGINT do what they do anyway.

    Where signals are not ours to see, outside of the main thread, and where nobody handles them, nothing changes.
    """
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}

    def told(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(drain)
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    if threading.current_thread() is not threading.main_thread():
        handlers = {}
    for number in [number for number, handler in handlers.items() if callable(handler)]:
        signal.signal(number, told)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) is told:
                signal.signal(number, handler)


def notice_the_end(drain: Callable[[], None]) -> None:
    """The same for good, for an app whose lifespan nobody runs: it hears what its server hears, and lets it go on as it
    was.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        before = signal.getsignal(number)
        if callable(before) and before is not signal.default_int_handler:
            signal.signal(number, _Both(before, loop, drain))


class _Both:
    """A signal handler that drains, and then does what its predecessor did."""

    def __init__(self, before: Callable[..., Any], loop: asyncio.AbstractEventLoop, drain: Callable[[], None]) -> None:
        self._before = before
        self._loop = loop
        self._drain = drain

    def __call__(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone already
            self._loop.call_soon_threadsafe(self._drain)
        self._before(number, frame)
