"""Gates between a test and the functions it has ordered, which run on another loop or in a thread.

A test waits until a function has come to a place, and lets it go on when it likes; so nothing sleeps.
"""

import asyncio
import contextlib
from concurrent.futures import Future, InvalidStateError

PATIENCE = 10.0  # seconds; only a test that fails waits for so long


class Gate:
    """Closed at first, open for good once opened; may be used from any loop and any thread."""

    def __init__(self) -> None:
        self._opened: Future[None] = Future()

    def open(self) -> None:
        with contextlib.suppress(InvalidStateError):
            self._opened.set_result(None)

    @property
    def is_open(self) -> bool:
        return self._opened.done()

    def wait(self) -> None:
        """In a thread: TimeoutError where it stays closed."""
        self._opened.result(PATIENCE)

    async def passed(self) -> None:
        """In a coroutine: the same."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(asyncio.wrap_future(self._opened))


class Gates:
    """What most slow functions of these tests need: they open `started` and end once `go` is open."""

    def __init__(self) -> None:
        self.started = Gate()
        self.go = Gate()

    def hold(self) -> None:
        """In a thread: say that it has started, and wait."""
        self.started.open()
        self.go.wait()

    async def held(self) -> None:
        """The same in a coroutine."""
        self.started.open()
        await self.go.passed()
