"""What a check is: a small function and what is known about it, registered as data.

    @check("accept.status", "A submit answers 202 Accepted.", level=CORE)
    async def status(trial: Trial) -> None:
        answer = await trial.submit("quick")
        expect(answer.status == 202, f"a submit answered {answer.status}, not 202")

A check looks at one thing and finds its own way to it: where it has to get at an operation, or at its end, it takes any
way that works, so that a server that is wrong in one place fails the checks of that place and no others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

import msgspec

from .manifest import Feature
from .trial import Trial


class Level(StrEnum):
    """How much of the pattern a server has; each level has the one before it inside."""

    CORE = "core"
    LIVE = "live"
    FULL = "full"

    @property
    def height(self) -> int:
        return [*Level].index(self)


CORE, LIVE, FULL = Level

SECTIONS: dict[str, str] = {
    "accept": "1 Submitting",
    "idempotency": "1 Submitting: idempotency keys",
    "prefer": "1 Submitting: Prefer",
    "poll": "3 Polling",
    "progress": "3 Polling: progress",
    "completion": "3 Polling: completion; 4 Results",
    "failure": "3 Polling: failure",
    "partial": "3 Polling: partial failure",
    "cancel": "5 Cancel",
    "retry": "6 Retry",
    "webhook": "7 Webhooks",
    "sse": "8 Streams: server-sent events",
    "socket": "8 Streams: WebSocket",
    "jobs": "9 Jobs",
    "expiry": "10 Lifecycle",
    "problem": "11 Errors",
    "around": "12 Around it",
    "openapi": "12 Around it: OpenAPI",
    "auth": "Authentication and ownership",
}
"""The first word of a check's id, and the section of the contract that it stands for, in the order of the contract."""

Function = Callable[[Trial], Awaitable[None]]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check. `uses` are the roles of operations that it needs, `needs` the features."""

    id: str
    shows: str
    level: Level
    uses: tuple[str, ...]
    needs: tuple[Feature, ...]
    function: Function

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]

    @property
    def section(self) -> str:
        return SECTIONS[self.group]


CHECKS: dict[str, Check] = {}
"""All of them, in the order in which they were written down."""


def check(
    id: str, shows: str, *, level: Level, uses: Sequence[str] = ("quick",), needs: Sequence[Feature] = ()
) -> Callable[[Function], Function]:
    """Register a check. ValueError for an id that is taken or belongs to no section."""

    def register(function: Function) -> Function:
        if id in CHECKS or id.partition(".")[0] not in SECTIONS:
            raise ValueError(f"{id}: taken, or of no section")
        CHECKS[id] = Check(id=id, shows=shows, level=level, uses=tuple(uses), needs=tuple(needs), function=function)
        return function

    return register
