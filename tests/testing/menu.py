"""An app as users write one, for the tests of their tools."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from accepted import Accepted, Artifact, Attempt, Failure
from accepted.testing import Received


class Year(Struct):
    year: int


YEAR = {"year": 2017}


def menu() -> tuple[Accepted, list[int]]:
    """An app, and the attempts that its flaky function has made."""
    app = Accepted(database="sqlite:////nowhere/at/all.db")
    tried: list[int] = []

    @app.operation("/reports", retention="24h")
    async def report(request: Year, attempt: Attempt) -> dict[str, int]:
        for month in attempt.track(range(1, 13)):
            attempt.log(f"month {month}")
        return {"year": request.year, "months": 12}

    @app.operation("/flaky", attempts=4, backoff="1h..1h")
    async def flaky(attempt: Attempt) -> int:
        tried.append(attempt.number)
        if attempt.number < 4:
            raise ConnectionError("not yet")
        return attempt.number

    @app.operation("/files")
    def file() -> Artifact:
        return Artifact(b"a,b\n1,2\n", media_type="text/csv", filename="table.csv")

    @app.operation("/failures")
    async def failing() -> None:
        raise Failure("No such table", type="no-table")

    @app.operation("/waits")
    async def wait(attempt: Attempt) -> None:
        await asyncio.Event().wait()

    return app, tried


HOOK = {"url": "https://client.example/hooks", "secret": "a secret of a client"}
SECRET = HOOK["secret"]


def codes(received: list[Received]) -> list[int | None]:
    """What deliveries were answered with."""
    return [one.answered for one in received]
