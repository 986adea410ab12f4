"""For tests of your own operations: an app on trial, time that you move, webhooks that are caught, crashes on demand.

    from accepted.testing import at_least_once, trial

    async def test_report() -> None:
        async with trial(app) as running:
            operation = await running.client.submit("/reports/sales", {"year": 2017})
            assert await operation.result() == {"year": 2017, "months": 12}

    async def test_it_may_run_twice() -> None:
        assert (verdict := await at_least_once(sales_report, {"year": 2017})).safe, verdict

pytest finds a fixture `trial` by itself, for tests without coroutines: docs/testing.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bridge import SyncTrial, sync_trial
    from .clock import MovableClock
    from .crash import Outcome, Verdict, at_least_once
    from .inbox import Inbox, Received
    from .rehearsal import Trial, trial

__all__ = [
    "Inbox", "MovableClock", "Outcome", "Received", "SyncTrial", "Trial", "Verdict", "at_least_once", "sync_trial",
    "trial",
]  # fmt: skip

# pytest loads this package for its plugin, in projects that may never ask for it.
_HOMES = {
    "Inbox": "inbox",
    "MovableClock": "clock",
    "Outcome": "crash",
    "Received": "inbox",
    "SyncTrial": "bridge",
    "Trial": "rehearsal",
    "Verdict": "crash",
    "at_least_once": "crash",
    "sync_trial": "bridge",
    "trial": "rehearsal",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
