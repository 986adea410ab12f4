"""An app with one operation of each kind, for `accepted verify` to play with.

    ACCEPTED_SCAN_INTERVAL=0.5s ACCEPTED_WEBHOOK_ALLOW_HTTP=1 ACCEPTED_WEBHOOK_ALLOW_NETWORKS=127.0.0.0/8 \
        accepted serve every_kind:app
    accepted verify http://localhost:8000 --manifest every_kind.toml

The two webhook settings let webhooks go to the kit's own receiver on this machine; they are for development alone.
"""

import asyncio

from msgspec import Struct

from accepted import Accepted, Artifact, Attempt, Failure

app = Accepted()

STEPS = 12
WALK = 1.5  # seconds


class Greeting(Struct):
    """Whom to greet."""

    name: str


class Fault(Struct):
    """How to fail: for good, unless it is temporary."""

    temporary: bool = False


@app.operation("/greetings")
async def greeting(request: Greeting) -> dict[str, str]:
    """Quick."""
    return {"greeting": f"Hello {request.name}"}


@app.operation("/walks", phases=["OUT", "BACK"])
async def walk(attempt: Attempt) -> dict[str, int]:
    """Slow: a second and a half, with progress and phases."""
    for phase in ("OUT", "BACK"):
        async with attempt.phase(phase):
            for step in attempt.track(range(STEPS // 2), message="Walking"):
                await asyncio.sleep(WALK / STEPS)
                attempt.partial({"steps": step})
    return {"steps": STEPS}


@app.operation("/marathons")
async def marathon(attempt: Attempt) -> None:
    """Long: a minute, with progress."""
    for _ in attempt.track(range(600), message="Running"):
        await asyncio.sleep(0.1)


@app.operation("/failures")
async def failure(request: Fault) -> None:
    """Fails, for now or for good."""
    raise Failure("Out Of Order", detail="It does not work.", type="out-of-order", retryable=request.temporary)


@app.operation("/imports")
async def imports(attempt: Attempt) -> dict[str, int]:
    """Ends with warnings."""
    attempt.warn("MISSING_DATA", "2 rows have no address", affected_records=2)
    return {"rows": 3}


@app.operation("/turns", concurrency=1)
async def turn() -> None:
    """Takes long, and only one takes its turn at a time."""
    await asyncio.sleep(60)


@app.operation("/files")
async def file() -> Artifact:
    """Returns a file."""
    return Artifact(b"name,quantity\ntea,3\n", media_type="text/csv", filename="orders.csv")


@app.operation("/diaries")
async def diary(attempt: Attempt) -> str:
    """Writes a log."""
    for entry in ("Dear diary,", "today I was verified.", "It was a good day."):
        attempt.log(entry)
    return "written"


@app.operation("/sparks", retention="2s")
async def spark() -> str:
    """Is kept for two seconds."""
    return "gone soon"
