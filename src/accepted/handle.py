"""`Handle`: an operation in the hands of code in the same process, with the same guarantees as over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from .contract.event import Event
from .contract.operation import SUCCEEDED, Operation, Status
from .contract.problem import Failure, Problem
from .engine import audit
from .service import Service

LONG = 365 * 24 * 3600.0


class Handle:
    """One submitted operation. `id` is its operation id; `replayed` says that its idempotency key came before.

    `webhook_secret` is the one that was minted for its webhook; it is nowhere else to be read.
    """

    def __init__(
        self, service: Service, operation: Operation, *, replayed: bool = False, webhook_secret: str | None = None
    ) -> None:
        self.webhook_secret = webhook_secret
        self._service = service
        self._operation = operation
        self.id = operation.id
        self.replayed = replayed

    async def operation(self) -> Operation:
        """The whole record as it is now. Raises `OperationExpired` after its retention."""
        return await self._service.get(self.id, self._operation.owner)

    async def status(self) -> Status:
        """Where it is in its life."""
        return (await self.operation()).status

    async def wait(self, timeout: float | None = None) -> Operation:
        """The operation once it has ended; TimeoutError if it has not within `timeout` seconds."""
        limit = LONG if timeout is None else timeout
        operation = await self._service.wait(self._operation, self._operation.owner, limit, "end")
        if not operation.terminal:
            raise TimeoutError(f"operation {self.id} is {operation.status} after {limit:g} s")
        return operation

    async def result(self, timeout: float | None = None) -> Any:
        """What the function returned, as JSON values, or the bytes of its artifact.

        Raises `Failure` where it failed or was cancelled.
        """
        operation = await self.wait(timeout)
        if operation.status not in SUCCEEDED:
            raise _failure(operation)
        _, result = await self._service.result(self.id, operation.owner)
        if result.artifact is None:
            return msgspec.json.decode(result.value)
        parts = [part async for part in self._service.content(operation, result.artifact, 0, result.artifact.size)]
        content = b"".join(parts)
        return msgspec.json.decode(content) if result.artifact.is_value else content

    async def cancel(self, reason: str | None = None) -> Operation:
        """Cancel it and wait until it is CANCELLED. Raises `OperationNotCancellable`."""
        cancelled = await self._service.cancel(self.id, self._operation.owner, reason)
        audit.note("cancel", audit.in_process(cancelled.owner), self.id)
        return cancelled

    async def events(self, after: int = 0) -> AsyncIterator[Event]:
        """Its events in order, from the first one after number `after` to the last."""
        async for event in self._service.follow_events(self.id, self._operation.owner, after):
            yield event


def _failure(operation: Operation) -> Failure:
    problem = operation.error or Problem(
        slug="operation-cancelled", title="Operation Cancelled", detail=operation.reason or ""
    )
    failure = Failure(problem.title)
    failure.problem = problem
    return failure
