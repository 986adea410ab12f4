"""Operations that say what should never run."""

from __future__ import annotations

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
