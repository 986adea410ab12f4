"""Webhooks that end in the test: signed and sent as ever, but into a list, whatever host they are for."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from ..contract.address import Rules, Target
from ..engine.exchange import Head, Undelivered
from ..engine.sender import Sender
from ..webhooks import Event, verify


class Received(msgspec.Struct, frozen=True):
    """One request to a receiver, and the status it was answered with (None: no answer)."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    answered: int | None

    @property
    def document(self) -> dict[str, Any]:
        """The JSON that was sent."""
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return found

    @property
    def event(self) -> str:
        """STARTED, COMPLETED, FAILED or CANCELLED."""
        return self.headers["X-Webhook-Event"]

    @property
    def operation_id(self) -> str:
        """Of which operation."""
        return self.headers["X-Operation-Id"]

    def verify(self, secret: str) -> Event:
        """The event, as a receiver reads it who has this secret. Raises `accepted.webhooks.InvalidSignature`."""
        return verify(self.headers, self.body, secret, now=int(self.headers["webhook-timestamp"]))


class Inbox(Sender):
    """All that was delivered, in order. Hosts need not exist; what else the contract asks of a URL still holds."""

    def __init__(self, rules: Rules, timeout: float) -> None:
        super().__init__(rules, timeout)
        self.received: list[Received] = []
        self._answers: deque[int | None] = deque()
        self._otherwise: int | None = 204

    def answer(self, *codes: int | None, otherwise: int | None = 204) -> None:
        """Give the next deliveries these status codes, one each, and all after them `otherwise`; None is no answer."""
        self._answers = deque(codes)
        self._otherwise = otherwise

    def of(self, operation_id: str) -> list[Received]:
        """Those about one operation."""
        return [received for received in self.received if received.operation_id == operation_id]

    async def check(self, target: Target, patience: float) -> None:
        """Any name will do."""

    async def send(self, target: Target, headers: Mapping[str, str], body: bytes) -> Head:
        """Into the list."""
        code = self._answers.popleft() if self._answers else self._otherwise
        url = f"{target.scheme}://{target.authority}{target.path}"
        self.received.append(Received(url, dict(headers), body, code))
        if code is None:
            raise Undelivered("connection-failed")
        return Head(code)
