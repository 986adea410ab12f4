"""Gates between a test and the functions it has ordered, which run on another loop or in a thread.

A test waits until a function has come to a place, and lets it go on when it likes; so nothing sleeps.
"""

import asyncio
import threading

PATIENCE = 10.0  # seconds; only a test that fails waits for so long


class Gate:
    """Closed at first, open for good once opened; may be used from any loop and any thread."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def open(self) -> None:
        with self._lock:
            self._opened.set()
            waiting, self._waiting = self._waiting, []
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    def wait(self, timeout: float = PATIENCE) -> bool:
        """In a thread: whether it was open in time."""
        return self._opened.wait(timeout)

    async def passed(self) -> None:
        """In a coroutine: TimeoutError where it stays closed."""
        event = asyncio.Event()
        with self._lock:
            if self._opened.is_set():
                return
            self._waiting.append((asyncio.get_running_loop(), event))
        async with asyncio.timeout(PATIENCE):
            await event.wait()


class Gates:
    """What the slow operations of the menu use: they open `started`, and end once `go` is open.

    `steps` are further places to stop at, each with a gate that the function opens and one that it waits for.
    """

    def __init__(self) -> None:
        self.started = Gate()
        self.go = Gate()
        self.steps = [(Gate(), Gate()) for _ in range(6)]
        self.runs: list[tuple[str, int]] = []
        """(operation id, attempt number) of everything that has started."""

    async def at(self, number: int) -> None:
        """In a function: stop at a step until the test lets it go on."""
        arrived, onward = self.steps[number]
        arrived.open()
        await onward.passed()

    def open_all(self) -> None:
        """Whatever still waits may end."""
        for gate in (self.started, self.go, *(gate for step in self.steps for gate in step)):
            gate.open()
