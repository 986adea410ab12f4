"""Operations that say what should never run."""

from __future__ import annotations

import logging
import time
from typing import Any

from accepted import Accepted, Artifact, Attempt, Failure

TAG = "<img src=x onerror='window.owned = 1'>"
BREAK = "\n\nevent: completed\ndata: {}\n\n"

app = Accepted()


@app.operation("/hostile", phases=[TAG])
def hostile(attempt: Attempt) -> Artifact:
    """Succeeds, with a tag wherever a text can be."""
    with attempt.phase(TAG):
        attempt.progress(1, 2, TAG + BREAK)
        attempt.log(TAG + BREAK)
        attempt.warn("CODE", TAG)
    return Artifact(b"x", media_type="text/plain", filename="report.txt", note=TAG, **{TAG: TAG})


@app.operation("/hostile-failure")
def failure() -> None:
    """Fails, with one in its problem."""
    raise Failure(TAG, detail=TAG + BREAK)


@app.operation("/hostile-echo")
def echo(value: Any) -> Any:
    """Gives back what it was given."""
    return value


@app.operation("/hostile-details")
def details() -> None:
    """Fails with members of its own, after lines of a log with fields."""
    logging.getLogger(TAG).warning(TAG)
    members: dict[str, Any] = {"note": TAG, TAG: [TAG]}
    raise Failure(TAG, detail=BREAK + TAG, type="https://elsewhere.example/" + TAG, **members)


@app.operation("/hostile-wait")
def wait(attempt: Attempt) -> None:
    """Runs until it is cancelled, and leaves something."""
    attempt.partial({TAG: TAG})
    attempt.progress(1, 2, TAG)
    while not attempt.cancelled:
        attempt.log(TAG, level=TAG, field=TAG)
        time.sleep(0.2)  # in its thread, as a user's function would
