"""Functions that run in a child process, which imports them from here by name."""

import contextlib
import ctypes
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

from accepted import Artifact, Attempt, Failure


def wait_for_ever() -> NoReturn:
    while True:
        threading.Event().wait(3600)


def endless(attempt: Attempt) -> None:
    """Ends only by being killed; it says once that it is there."""
    attempt.progress(1, 10, "never ends")
    wait_for_ever()


def deaf(attempt: Attempt) -> None:
    """The same, and SIGTERM is nothing to it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    endless(attempt)


def deaf_but_done() -> str:
    """Returns, though SIGTERM is nothing to it, and leaves a thread behind that keeps the process alive."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=wait_for_ever).start()
    return "done"


def exiting(code: int) -> None:
    """The process is gone without a word."""
    os._exit(code)


def aborting() -> None:
    os.abort()


def crashing() -> None:
    """What a broken C extension does."""
    ctypes.string_at(0)


def killing() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def raising(kind: str) -> None:
    """An exception of this process; its class and message reach the owner."""
    raise {"value": ValueError("not\nso"), "exit": SystemExit(3), "interrupt": KeyboardInterrupt()}[kind]


def failing() -> None:
    raise Failure("Too Hot", detail="39 degrees", type="too-hot", status=503, retryable=True, retry_after=7, degrees=39)


def returning(value: str) -> object:
    """Things that are no results."""
    return {"nan": float("nan"), "object": object(), "large": "x" * 100_000}[value]


def parent_of(fifo: str, attempt: Attempt) -> None:
    """Has a child of its own, which holds a pipe open for as long as it lives."""
    with open(fifo, "wb", buffering=0) as pipe:  # noqa: PTH123
        pipe.write(b"held")
        child = subprocess.Popen(["/bin/sleep", "3600"], stdout=pipe)
    with child:
        endless(attempt)


def orphaning(fifo: str) -> None:
    """Dies at once, with a forked child left behind that has inherited everything, an open pipe too."""
    with open(fifo, "wb", buffering=0) as pipe:  # noqa: PTH123
        pipe.write(b"held")
        multiprocessing.get_context("fork").Process(target=wait_for_ever).start()
        os._exit(9)


def large(size: int) -> Artifact:
    """Bytes made as they are asked for."""
    return Artifact(_parts(size), media_type="application/x-test", filename="large.bin", rows=size)


def _parts(size: int) -> Iterator[bytes]:
    while size > 0:
        yield bytes(min(size, 1_000_000))
        size -= 1_000_000


def noisy() -> str:
    """Writes wherever one can write."""
    print("noise")
    print("noise", file=sys.stderr)
    os.write(1, b'{"result": 1}\n')
    with contextlib.suppress(OSError):
        os.write(0, b"noise")
    return sys.stdin.read()


def logging_lines(lines: int) -> None:
    log = logging.getLogger("somebody.else")
    for number in range(lines):
        log.warning("line %s", number)


def warning(attempt: Attempt, number: int) -> None:
    for each in range(number):
        attempt.warn("ODD", f"row {each}", 1)


def counting(attempt: Attempt, total: int) -> None:
    """Reports much, and says the last of it right before it fails."""
    for number in range(total):
        attempt.progress(number + 1, total, "counting")
    raise ValueError("counted")


def counting_fast(attempt: Attempt, total: int) -> float:
    """Reports as fast as it can; gives back the seconds that it took."""
    began = time.perf_counter()
    for number in range(total):
        attempt.progress(number, total)
    return time.perf_counter() - began


def resuming(attempt: Attempt) -> object:
    """Leaves a checkpoint in its first attempt, and gives it back in the next."""
    if attempt.resume is None:
        attempt.checkpoint({"at": 41})
        raise ConnectionError("lost")
    return attempt.resume


async def resuming_coroutine(attempt: Attempt) -> object:
    """The same in a coroutine, for this too may run in a child."""
    if attempt.resume is None:
        await attempt.checkpoint({"at": 42})
        raise ConnectionError("lost")
    return attempt.resume
