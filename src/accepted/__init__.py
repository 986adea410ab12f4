"""Accepted: asynchronous operations over HTTP. Decorate a typed function and get the whole contract.

    from accepted import Accepted, Attempt

    app = Accepted()

    @app.operation("/reports/sales")
    async def sales_report(request: SalesReportRequest, attempt: Attempt) -> SalesReport: ...

`accepted serve reports:app` runs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import Accepted
    from .client import AsyncClient, Client
    from .contract.caller import Caller
    from .contract.problem import Failure
    from .engine.artifact import Artifact
    from .engine.attempt import Attempt, Cancelled
    from .handle import Handle

__all__ = ["Accepted", "Artifact", "AsyncClient", "Attempt", "Caller", "Cancelled", "Client", "Failure", "Handle"]

# Loaded when first asked for: processes that only write or only run an isolated function need no web framework.
_HOMES = {
    "Accepted": ".app",
    "Artifact": ".engine.artifact",
    "AsyncClient": ".client",
    "Attempt": ".engine.attempt",
    "Caller": ".contract.caller",
    "Cancelled": ".engine.attempt",
    "Client": ".client",
    "Failure": ".contract.problem",
    "Handle": ".handle",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
