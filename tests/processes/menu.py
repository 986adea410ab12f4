"""Operations to order, each a way in which work and its process can go; served by real processes.

`TEST_FOLDER` names the test's own directory: the diary lies there, and so do the gates, which are files that a
function waits for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

from accepted import Accepted, Attempt
from tests.processes.diary import Diary

FOLDER = Path(os.environ["TEST_FOLDER"])
LOOK = 0.01

diary = Diary(FOLDER / "diary")
app = Accepted()


async def _opened(gate: str) -> None:
    while not (FOLDER / gate).exists():  # noqa: ASYNC110  (only the file system is shared with the test)
        await asyncio.sleep(LOOK)


@app.operation("/noops")
async def noop() -> None:
    """Nothing."""


@app.operation("/notes")
async def note(milliseconds: int, attempt: Attempt) -> dict[str, int]:
    """Some work, written down on both sides."""
    with diary.attempt(attempt):
        await asyncio.sleep(milliseconds / 1000)
    return {"attempt": attempt.number, "pid": os.getpid()}


@app.operation("/steps")
async def steps(number: int, attempt: Attempt) -> dict[str, Any]:
    """Work with a checkpoint after each step; the next attempt goes on from there."""
    first = attempt.resume or 0
    with diary.attempt(attempt):
        for done in range(first, number):
            began = time.monotonic()
            await attempt.checkpoint(done + 1)
            diary.wrote(attempt, began)
            attempt.progress(done + 1, number)
    return {"steps": number, "resumed": first}


@app.operation("/gates")
async def gate(name: str, attempt: Attempt) -> dict[str, int]:
    """Waits until the test has made a file of this name."""
    with diary.attempt(attempt):
        await _opened(name)
    return {"attempt": attempt.number, "pid": os.getpid()}


@app.operation("/turns")
async def turn(name: str, attempt: Attempt) -> int:
    """Each attempt waits at a gate of its own, has a checkpoint stored, and ends."""
    with diary.attempt(attempt):
        await _opened(f"{name}-{attempt.number}")
        began = time.monotonic()
        await attempt.checkpoint(attempt.number)
        diary.wrote(attempt, began)
    return attempt.number


@app.operation("/patrols")
async def patrol(rounds: int, attempt: Attempt) -> int:
    """Rests and checkpoints in turns: mostly idle, and never for long."""
    with diary.attempt(attempt):
        for number in range(attempt.resume or 0, rounds):
            await asyncio.sleep(0.2)
            began = time.monotonic()
            await attempt.checkpoint(number + 1)
            diary.wrote(attempt, began)
    return attempt.number


@app.operation("/warnings")
async def warn(name: str, attempt: Attempt) -> str:
    """Reports a warning and a line, leaves time for them to be sent, and waits at the gate."""
    attempt.warn("MISSING_DATA", "2 customers have no email", affected_records=2)
    attempt.log("two are missing")
    await asyncio.sleep(0.3)
    (FOLDER / f"{name}-reported").touch()
    await _opened(name)
    return "done"


@app.operation("/poisons")
async def poison(attempt: Attempt) -> None:
    """Kills its worker, every time."""
    attempt.log("about to die")
    os.kill(os.getpid(), signal.SIGKILL)


@app.operation("/spins")
async def spin(seconds: float, attempt: Attempt) -> int:
    """A loop in Python that never yields."""
    end, turns = time.monotonic() + seconds, 0
    with diary.attempt(attempt):
        while time.monotonic() < end:
            turns += 1
    return attempt.number


@app.operation("/naps")
async def nap(seconds: float, attempt: Attempt) -> int:
    """A coroutine that sleeps as a thread would."""
    with diary.attempt(attempt):
        time.sleep(seconds)  # noqa: ASYNC251  (the offence is the point)
    return attempt.number


@app.operation("/powers")
async def power(exponents: list[int], attempt: Attempt) -> int:
    """One long call into C that keeps the interpreter's lock: the n-th attempt takes the n-th exponent."""
    exponent = exponents[min(attempt.number, len(exponents)) - 1]
    with diary.attempt(attempt):
        assert pow(7, exponent) > 1
    return attempt.number


@app.operation("/screams")
async def scream(text: str) -> None:
    """Text of a user, escaped as in Python, in every place from which it may come into a log."""
    text = text.encode("ascii").decode("unicode_escape")
    logging.getLogger("shop").warning("said %s", text)
    raise ValueError(text)


@app.operation("/texts")
async def text(length: int) -> str:
    """A result of this many bytes."""
    return "x" * length
