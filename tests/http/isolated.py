"""Operations that run in a child process, which imports them from here by name."""

import os
import signal
import time

from accepted import Attempt

PAGE = 64


def deaf(attempt: Attempt) -> None:
    """Does not listen to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    endless(attempt)


def exiting(code: int) -> None:
    """The process is gone without a word."""
    os._exit(code)


def computing(number: int) -> dict[str, int]:
    """An ordinary function."""
    return {"square": number * number, "pid": os.getpid()}


def endless(attempt: Attempt) -> None:
    """Ends only by being killed; it says once that it is there."""
    attempt.progress(1, 10, "never ends")
    while True:
        time.sleep(PAGE)
