"""`at_least_once` calls what is safe safe, and finds each way in which a function is not."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from accepted import Attempt, Failure
from accepted.testing import Verdict, at_least_once

ROWS = 3


class World:
    """What is outside: rows that functions have written, in order."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def seen(self) -> list[Any]:
        return list(self.rows)


@pytest.fixture
def world() -> World:
    return World()


async def judged(function: Callable[..., Any], world: World, input: Any = ROWS) -> Verdict:
    return await at_least_once(function, input, observe=world.seen, prepare=world.rows.clear)


def unsafe(verdict: Verdict) -> list[str]:
    return [outcome.name for outcome in verdict.outcomes if outcome.difference]


async def test_writing_under_a_key_is_safe(world: World) -> None:
    async def load(rows: int, attempt: Attempt) -> int:
        for number in range(attempt.resume or 0, rows):
            if number not in world.rows:
                world.rows.append(number)
            await attempt.checkpoint(number + 1)
        return rows

    verdict = await judged(load, world)
    assert verdict.safe, verdict
    assert [outcome.name for outcome in verdict.outcomes] == [
        "undisturbed",
        "frozen before its first line",
        "died before checkpoint 1 was stored",
        "frozen before checkpoint 1 was stored",
        "died after checkpoint 1",
        "frozen after checkpoint 1",
        "died before checkpoint 2 was stored",
        "frozen before checkpoint 2 was stored",
        "died after checkpoint 2",
        "frozen after checkpoint 2",
        "died before checkpoint 3 was stored",
        "frozen before checkpoint 3 was stored",
        "died after checkpoint 3",
        "frozen after checkpoint 3",
        "died after its last line, before its end was stored",
    ]
    assert all(outcome.observed == [0, 1, 2] for outcome in verdict.outcomes)


async def test_writing_blindly_is_found(world: World) -> None:
    """Between the row and its checkpoint lies the crash that writes it twice."""

    async def load(rows: int, attempt: Attempt) -> int:
        for number in range(attempt.resume or 0, rows):
            world.rows.append(number)
            await attempt.checkpoint(number + 1)
        return rows

    verdict = await judged(load, world)
    assert not verdict.safe
    assert "died before checkpoint 2 was stored" in unsafe(verdict)
    assert "died after checkpoint 2" not in unsafe(verdict)
    assert "frozen after checkpoint 1" in unsafe(verdict)
    assert "UNSAFE  died before checkpoint 2 was stored: observed is [0, 1, 1, 2], undisturbed it is [0, 1, 2]" in str(
        verdict
    )


async def test_a_function_in_a_thread(world: World) -> None:
    def send(name: str, attempt: Attempt) -> str:
        attempt.log("sending")
        world.rows.append(name)
        attempt.checkpoint("sent")
        return name

    verdict = await judged(send, world, "mail")
    assert unsafe(verdict) == [
        "frozen before its first line",
        "died before checkpoint 1 was stored",
        "frozen before checkpoint 1 was stored",
        "died after checkpoint 1",
        "frozen after checkpoint 1",
        "died after its last line, before its end was stored",
    ]


async def test_a_checkpoint_that_is_not_read_is_found(world: World) -> None:
    """The result gives it away, without any look outside."""

    async def count(rows: int, attempt: Attempt) -> int:
        if attempt.resume is None:
            await attempt.checkpoint({"done": rows})
            return rows
        return 0

    verdict = await at_least_once(count, ROWS)
    assert unsafe(verdict)[0] == "frozen before its first line" or "died after checkpoint 1" in unsafe(verdict)
    assert "died after checkpoint 1" in unsafe(verdict)
    assert "Only results were compared" in str(verdict)


async def test_clearing_up_does_not_run_in_a_dead_attempt(world: World) -> None:
    """A `finally` is no protection against a crash."""

    async def hold(name: str, attempt: Attempt) -> str:
        if "lock" in world.rows:
            raise Failure("somebody holds the lock")
        world.rows.append("lock")
        try:
            await attempt.checkpoint(1)
        finally:
            world.rows.remove("lock")
        return name

    verdict = await judged(hold, world, "x")
    died = next(outcome for outcome in verdict.outcomes if outcome.name == "died after checkpoint 1")
    assert died.status == "FAILED"
    assert died.difference.startswith("status is 'FAILED'")


async def test_the_lifespan_is_there(world: World) -> None:
    pool: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        pool.append("open")
        yield
        pool.clear()

    async def use(attempt: Attempt) -> str:
        await asyncio.sleep(0)
        return pool[0]

    verdict = await at_least_once(use, lifespan=lifespan)
    assert verdict.safe, verdict


async def test_a_function_that_fails_by_itself_cannot_be_judged(world: World) -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(AssertionError, match="the undisturbed run ended FAILED"):
        await judged(fail, world, None)


def test_the_page_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    code, shown = re.findall(r"```python\n(import asyncio\n.*?)```\n\n```text\n(.*?)```", page, re.DOTALL)[0]
    exec(code, {"Attempt": Attempt})
    assert capsys.readouterr().out == shown
