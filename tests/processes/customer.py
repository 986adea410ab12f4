"""A customer who never gives up: submits, sees work complete, cancels, retries, and goes on where a crash cut it off.

What it was promised it remembers outside of the server; every request whose answer it did not read it makes again, the
same one, with the same key.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx2

from accepted import history
from tests.processes.api import Api

ENOUGH = 20  # rounds; each makes some dozen commits
PLAIN = "?redirect=false"


class Customer:
    """Rounds of the four requests. `promised` are ids by the step that gave them."""

    def __init__(self) -> None:
        self.promised: dict[str, str] = {}
        self.documents: dict[str, bytes] = {}
        self.rounds = 0

    @property
    def acks(self) -> list[history.Entry]:
        """What it was told, by key; a retry has no key but the step that asked for it."""
        return [
            history.Entry(
                f"promised:{number}", history.Submit(key=_asked(step), began=0, ended=0, status=202, operation_id=id)
            )
            for number, (step, id) in enumerate(self.promised.items(), start=1)
        ]

    def visit(self, api: Api) -> None:
        """Go on until the server dies. AssertionError for an answer that should not be, or if it does not die."""
        try:
            for _ in range(ENOUGH):
                self.round(api)
        except httpx2.TransportError:
            return
        raise AssertionError(f"the server still lives after {ENOUGH} rounds")

    def round(self, api: Api) -> None:
        """All four requests, from where the last visit ended."""
        n = self.rounds
        note = self._once(f"note-{n}", lambda key: api.submit("/notes", 1, key=key))
        self._ended(api, note, "COMPLETED")
        gate = self._once(f"gate-{n}", lambda key: api.submit("/gates", "never", key=key))
        self._cancelled(api, gate)
        self._once(f"gate-{n}-told-again", lambda _: api.submit("/gates", "never", key=f"gate-{n}"))
        retried = self._once(f"retry-{n}", lambda _: _retried(api, gate))
        self._once(f"retry-{n}-told-again", lambda _: _retried(api, gate))
        self._cancelled(api, retried)
        self.rounds += 1

    def changed(self, api: Api) -> list[str]:
        """Operations whose terminal document is not what it was; a retry may have added its link."""
        seen = self.documents.items()
        return [id for id, document in seen if api.get(f"/operations/{id}{PLAIN}").content != document]

    def _once(self, step: str, ask: Callable[[str], str]) -> str:
        if step not in self.promised:
            self.promised[step] = ask(step)
        return self.promised[step]

    def _ended(self, api: Api, id: str, status: str) -> None:
        if id not in self.documents:
            assert api.ended(id)["status"] == status
            self.documents[id] = api.get(f"/operations/{id}{PLAIN}").content

    def _cancelled(self, api: Api, id: str) -> None:
        answer = api.post(f"/operations/{id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED"), answer.text


def _asked(step: str) -> str:
    return step.removesuffix("-told-again")


def _retried(api: Api, id: str) -> str:
    answer = api.post(f"/operations/{id}/retry")
    assert answer.status_code == 202, answer.text
    return str(answer.json()["operationId"])
