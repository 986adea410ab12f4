"""What clients and tormentors of a server write down, for `accepted check-history`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from accepted import history
from tests.processes.diary import append
from tests.processes.process import Kill

WITHIN = 10.0  # seconds for a stream to tell an end; machines of tests are busy
MEANT = frozenset({"COMPLETED"})


class Recorder:
    """A file of records."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, *records: history.Record) -> None:
        """Write down."""
        append(self.path, *records)

    def killed(self, kill: Kill) -> None:
        """A process was about to be killed."""
        self.note(history.Harm(process=str(kill.pid), at=kill.at))

    def frozen(self, pid: int, at: float, until: float) -> None:
        """A process was frozen for a while."""
        self.note(history.Harm(process=str(pid), at=at, kind="frozen", until=until))

    def submitted(self, key: str, began: float, ended: float, answer: httpx2.Response | None) -> None:
        """A submit, and its answer if one was read."""
        if answer is None:
            self.note(history.Submit(key=key, began=began, ended=ended))
            return
        document = _document(answer)
        self.note(
            history.Submit(
                key=key,
                began=began,
                ended=ended,
                status=answer.status_code,
                operation_id=str(document.get("operationId", "")),
                problem=str(document.get("type", "")).rpartition("/")[2] if answer.status_code >= 400 else "",
            )
        )

    def read(self, id: str, began: float, ended: float, answer: httpx2.Response) -> str:
        """A poll; gives the state that it told of, or nothing."""
        document = _document(answer) if answer.status_code in {200, 303} else {}
        tag = answer.headers.get("etag", "").removeprefix("W/").strip('"')
        state = str(document.get("status", ""))
        self.note(
            history.Read(
                operation_id=id,
                began=began,
                ended=ended,
                status=answer.status_code,
                state=state,
                attempt=document.get("attempt"),
                version=int(tag) if tag else None,
                body=hashlib.sha256(answer.content).hexdigest()[:16],
                retried="retriedBy" in document.get("links", {}),
            )
        )
        return state

    def judged(self, *others: list[history.Entry], within: float = WITHIN) -> history.Verdict:
        """Everything in this file and in others, held against the guarantees; the work of the menu cannot fail."""
        with self.path.open("rb") as lines:
            entries = list(history.read(self.path.name, lines))
        return history.judge([*entries, *(entry for other in others for entry in other)], within=within, meant=MEANT)


def sentences(verdict: history.Verdict) -> list[str]:
    """What a test shows where a history is bad."""
    return [f"{v.guarantee} {v.rule}: {v.sentence}" for v in verdict.violations[:20]]


def _document(answer: httpx2.Response) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
