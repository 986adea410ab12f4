"""Small operations to order, one for each way in which an operation can go."""

import asyncio
from typing import Any

from accepted import Accepted, Attempt, Failure
from tests.http.gate import Gates

PHASES = ["VALIDATION", "DATA_PROCESSING", "REPORT_GENERATION"]


def register(app: Accepted, gates: Gates) -> None:
    """Put the whole menu into `app`."""
    _quick(app, gates)
    _failing(app)
    _slow(app, gates)
    _stubborn(app, gates)


def _quick(app: Accepted, gates: Gates) -> None:
    @app.operation("/noops")
    async def noop(attempt: Attempt) -> None:
        gates.runs.append((attempt.operation_id, attempt.number))

    @app.operation("/echoes")
    async def echo(value: Any) -> Any:
        return value

    @app.operation("/spins")
    async def spin(turns: int, attempt: Attempt) -> int:
        gates.runs.append((attempt.operation_id, attempt.number))
        for _ in range(turns):
            await asyncio.sleep(0)
        return turns

    @app.operation("/warnings")
    async def warning(attempt: Attempt) -> dict[str, int]:
        attempt.warn("MISSING_DATA", "2 customers have no email", affected_records=2)
        return {"imported": 3}


def _failing(app: Accepted) -> None:
    @app.operation("/failures")
    async def failing() -> None:
        raise ValueError("no such thing")

    @app.operation("/finals")
    async def final() -> None:
        raise Failure("Never Again", detail="This cannot work.", type="never-again", status=422, stage="input")

    @app.operation("/retryables")
    async def retryable() -> None:
        raise Failure("Data Processing Error", type="data-processing-error", retryable=True, retry_after=300)


def _slow(app: Accepted, gates: Gates) -> None:
    @app.operation("/slows")
    async def slow(attempt: Attempt) -> dict[str, int]:
        gates.runs.append((attempt.operation_id, attempt.number))
        gates.started.open()
        await gates.go.passed()
        return {"attempt": attempt.number}

    @app.operation("/threads")
    def thread(attempt: Attempt) -> str:
        gates.runs.append((attempt.operation_id, attempt.number))
        gates.started.open()
        while not gates.go.wait(0.01):
            attempt.progress(1, 2)
        return "done"

    @app.operation("/partials")
    async def partial(attempt: Attempt) -> None:
        attempt.partial({"rows": 450})
        gates.started.open()
        await gates.go.passed()

    @app.operation("/phases", phases=PHASES)
    async def phased(attempt: Attempt) -> None:
        async with attempt.phase("VALIDATION"):
            await gates.at(0)
        async with attempt.phase("DATA_PROCESSING"):
            attempt.progress(450, 1000, "Processing orders")
            await gates.at(1)
        async with attempt.phase("REPORT_GENERATION"):
            await gates.at(2)


def _stubborn(app: Accepted, gates: Gates) -> None:
    """These do not stop when they are asked to."""

    @app.operation("/stubborn-coroutines", cancel_grace="0.1s")
    async def stubborn_coroutine() -> str:
        gates.started.open()
        while not gates.go.is_open:
            try:
                await gates.go.passed()
            except asyncio.CancelledError:
                gates.steps[0][0].open()
        return "too late"

    @app.operation("/stubborn-threads", cancel_grace="0.1s")
    def stubborn_thread() -> str:
        gates.started.open()
        gates.go.wait()
        return "too late"
