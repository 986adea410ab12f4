"""A client on the other side of a real socket: what it was promised, it remembers by itself."""

from __future__ import annotations

import time
from typing import Any

import httpx2

from tests.processes.deadline import PATIENCE, until

SUCCEEDED = {"COMPLETED", "COMPLETED_WITH_ERRORS"}
TERMINAL = SUCCEEDED | {"FAILED", "CANCELLED"}

Document = dict[str, Any]


class Api(httpx2.Client):
    """Plain HTTP with the steps that nearly every test takes."""

    def __init__(self, url: str, *, timeout: float = PATIENCE) -> None:
        super().__init__(base_url=url, timeout=timeout, trust_env=False)

    def submit(self, path: str, body: Any = None, *, key: str | None = None) -> str:
        """The id of a new operation, acknowledged."""
        answer = self.post(path, json=body, headers={"Idempotency-Key": key} if key else {})
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        return str(answer.json()["operationId"])

    def status(self, id: str) -> Document:
        """What a poll says now, without following the redirect."""
        answer = self.get(f"/operations/{id}", params={"redirect": "false"})
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return dict(answer.json())

    def started(self, id: str) -> Document:
        """Its document once an attempt has begun."""
        return until(f"{id} runs", lambda: (d := self.status(id))["status"] != "PENDING" and d)

    def ended(self, id: str, patience: float = PATIENCE) -> Document:
        """The terminal document."""
        return until(f"{id} has ended", lambda: (d := self.status(id))["status"] in TERMINAL and d, patience)

    def healthy(self) -> Document:
        """`/health` as it is, whatever its status."""
        return dict(self.get("/health").json())

    def timed(self, method: str, path: str, **options: Any) -> tuple[httpx2.Response, float]:
        """An answer, and the seconds that it took."""
        began = time.perf_counter()
        answer = self.request(method, path, **options)
        return answer, time.perf_counter() - began


def up(url: str, path: str = "/health/ready") -> bool:
    """Whether the server answers 200 there."""
    try:
        return httpx2.get(url + path, timeout=2, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
