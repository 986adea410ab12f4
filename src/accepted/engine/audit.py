"""The audit trail: who submitted, cancelled, retried and redelivered, who was shown a secret, who changed keys, who was
turned away.

Lines of the logger `accepted.audit`, each with `action`, `owner`, `key` (which API key or token, never its secret)
and, where there is one, `operation_id` as attributes. A line is written once the thing is done. While no
authentication is configured nobody is known, and nothing is written.

Those of one turn of the event loop are handed over together: under load a submit's line costs a fraction of a write.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from functools import lru_cache

from ..contract.caller import ANYBODY, Caller
from .handing import hand_over

log = logging.getLogger("accepted.audit")

_NEW = logging.makeLogRecord({"name": log.name, "process": os.getpid()}).__dict__
_WAITING: list[logging.LogRecord] = []


class Line(logging.LogRecord):
    """A record made for speed: it does not look for its caller, thread or task."""

    def __init__(self, message: str, action: str, caller: Caller, operation_id: str | None, level: int) -> None:
        created = time.time()
        self.__dict__.update(
            _NEW,
            msg=message,
            levelno=level,
            levelname=logging.getLevelName(level),
            created=created,
            msecs=created % 1 * 1000,
            action=action,
            owner=caller.owner,
            key=caller.key,
            operation_id=operation_id,
        )


def in_process(owner: str) -> Caller:
    """Code in this process that acts for an owner; nobody, where it acts for none."""
    return Caller(owner, frozenset(), "in process") if owner else ANYBODY


def note(
    action: str, caller: Caller, operation_id: str | None = None, about: str = "", *, level: int = logging.INFO
) -> None:
    """Write down that `caller` has done something, to an operation or to something else (`about`)."""
    if caller is ANYBODY or not log.isEnabledFor(level):
        return
    what = f"{action} {operation_id}" if operation_id else action
    what = f"{what} {about}" if about else what
    line = Line(f"{what} by {_described(caller.owner, caller.key)}", action, caller, operation_id, level)
    if not _WAITING:
        try:
            asyncio.get_running_loop().call_soon(_hand_over)
        except RuntimeError:  # no loop: a command
            log.handle(line)
            return
    _WAITING.append(line)


@lru_cache(256)
def _described(owner: str, key: str) -> str:
    who = repr(owner) if owner else "a stranger"
    return f"{who} with {key}" if key else who


def _hand_over() -> None:
    lines = _WAITING[:]
    _WAITING.clear()
    hand_over(log, lines)
