"""Calls from other threads into an event loop, with one wake-up for all that wait.

Waking a loop costs a system call and a switch of threads; under load many calls share one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any


class Mailbox:
    """Callbacks for one loop, run there in the order in which they were posted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._posted: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._awake = False
        self._due = False

    def post(self, callback: Callable[..., Any], *arguments: Any) -> None:
        """Have `callback(*arguments)` called on the loop; may be called from any thread.

        A loop that is gone hears nothing.
        """
        self._posted.append((callback, arguments))
        self._wake()

    def post_in_turn(self, callback: Callable[..., Any], *arguments: Any) -> None:
        """The same from another running loop: what it posts within one of its turns shares a wake-up at the end of it.

        A thread that is woken takes the interpreter lock away at once; it should find all there is to do.
        """
        self._posted.append((callback, arguments))
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._due = False
        self._wake()

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self._awake = False  # before the first callback: what is posted from here on wakes the loop again
        while self._posted:
            callback, arguments = self._posted.popleft()
            callback(*arguments)
