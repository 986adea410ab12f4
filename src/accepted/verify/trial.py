"""One check's dealings with the server: submit, find the operation, poll it politely, follow it to its end.

What helps a check to its place is lenient on purpose: an operation is found by `Location`, `statusUrl` or its id,
whichever is there, because whether each of them is right is a check of its own.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from .exchange import Answer, Broken, Caller, expect, seconds
from .manifest import Manifest, Use
from .receiving import Hook, Receiver

TERMINAL = frozenset({"COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED", "CANCELLED"})
STATUSES = frozenset({"PENDING", "PROCESSING"}) | TERMINAL
UNKNOWN = "op-00000000000000000000000000"  # has the form of an id of the contract, and is nobody's
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Operation(msgspec.Struct, frozen=True):
    """What was begun: its id, its status URL, and the answer to the submit."""

    id: str
    url: str
    answer: Answer
    links: Mapping[str, str] = {}

    def link(self, name: str, otherwise: str) -> str:
        """A link of the operation's, else what the contract has: `otherwise` below the status URL."""
        return self.links.get(name) or self.url.partition("?")[0] + otherwise


class Trial:
    """What a check holds. `other` is a second caller, where the manifest has one; `stranger` says nothing of itself."""

    def __init__(
        self, manifest: Manifest, receiver: Receiver, caller: Caller, *, other: Caller, stranger: Caller
    ) -> None:
        self.manifest = manifest
        self.caller = caller
        self.journal = caller.journal
        self._receiver = receiver
        self.other = other
        self.stranger = stranger
        self.ask = caller.ask
        self.get = caller.get
        self._running: list[Operation] = []

    def use(self, role: str) -> Use:
        """The manifest's operation for a role."""
        return self.manifest.operations[role]

    @property
    def long(self) -> str:
        """The role of what is cancelled, or looked at while it runs."""
        return "long" if "long" in self.manifest.operations else "slow"

    async def hook(self, *answers: int) -> Hook:
        """An address for webhooks, which gives these answers in turn, the last one for ever."""
        return await self._receiver.hook(self.journal, answers)

    async def submit(
        self,
        role: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
        caller: Caller | None = None,
    ) -> Answer:
        """POST it as the manifest says; `more` are members to put into its input."""
        use = self.use(role)
        input = use.input
        if more is not None:
            input = {**(input if isinstance(input, dict) else {}), **more}
        answer = await (caller or self.caller).ask("POST", use.path, json=input, headers=headers)
        if role in {"queued", "long"} and answer.status < 300:
            self._running.append(self.found(answer))
        return answer

    async def begin(
        self, role: str, *, headers: Mapping[str, str] | None = None, more: Mapping[str, Any] | None = None
    ) -> Operation:
        """Submit it and find it. Raises `Broken` where there is no way to."""
        return self.found(await self.submit(role, headers=headers, more=more))

    def found(self, answer: Answer) -> Operation:
        """The operation that an answer speaks of."""
        expect(answer.status < 400, f"the submit was refused with {answer.status}")
        document = answer.document
        id = str(document.get("operationId", ""))
        links = document.get("links")
        links = {name: link for name, link in links.items() if isinstance(link, str)} if isinstance(links, dict) else {}
        url = document.get("statusUrl") or links.get("self") or (answer.header("location") if not id else "")
        if not url:
            expect(id, "the answer names neither an operation nor a place to ask for it")
            url = f"{self.manifest.paths.operations}/{id}"
        return Operation(id, str(url), answer, links)

    async def poll(self, operation: Operation, **headers: str) -> Answer:
        """Ask for its status once more."""
        return await self.get(operation.url, **headers)

    async def until(self, operation: Operation, *statuses: str) -> Answer:
        """Poll until it has one of these statuses, or any terminal one; gives that answer."""
        delay, deadline = 0.05, time.monotonic() + self.manifest.patience
        while True:
            answer = await self.poll(operation)
            expect(answer.status < 400, f"a poll answered {answer.status}")
            status = status_of(answer)
            if status in TERMINAL or status in statuses:
                return answer
            expect(time.monotonic() < deadline, f"it is {status or 'without a status'} and does not end")
            await asyncio.sleep(delay)
            delay = min(delay * 1.6, max(0.05, seconds(answer, 1.0)))

    async def ended(self, operation: Operation) -> Answer:
        """Poll until it has ended; gives that answer."""
        return await self.until(operation)

    async def ran(self, role: str, status: str | None = None, **more: Any) -> tuple[Operation, dict[str, Any]]:
        """Begin it and wait for its end; gives it with its document. `status` is how it has to end."""
        operation = await self.begin(role, **more)
        answer = await self.ended(operation)
        document = await self.document(operation, answer)
        if status is not None:
            found = status_of(answer)
            expect(found == status, f"the operation for {role!r} ended {found}, not {status}")
        return operation, document

    async def document(self, operation: Operation, answer: Answer) -> dict[str, Any]:
        """What an answer to a poll says; where a redirect says nothing, what it says without one."""
        if not answer.body and 300 <= answer.status < 400:
            answer = await self.get(with_query(operation.url, "redirect=false"))
        return answer.document

    async def cancel(self, operation: Operation, reason: str | None = None) -> Answer:
        """Ask for its cancellation, with a reason or without a body."""
        link = operation.link("cancel", "/cancel")
        if reason is None:
            return await self.ask("POST", link)
        return await self.ask("POST", link, json={"reason": reason})

    async def close(self) -> None:
        """End what was begun and would run long."""
        for operation in self._running:
            try:
                await self.cancel(operation)
            except Broken:  # then it stays; its check has said what there is to say
                continue


def status_of(answer: Answer) -> str:
    """The status that a poll tells; a redirect that says nothing tells COMPLETED."""
    if not answer.body and 300 <= answer.status < 400:
        return "COMPLETED"
    return str(answer.document.get("status", ""))


def with_query(url: str, query: str) -> str:
    """The URL with a parameter more."""
    return f"{url}{'&' if '?' in url else '?'}{query}"


def moment(document: Mapping[str, Any], name: str) -> datetime:
    """A member that is a time (RFC 3339). Raises `Broken`."""
    text = document.get(name)
    expect(text is not None, f"{name} is missing")
    expect(isinstance(text, str) and _TIME.fullmatch(text), f"{name} is no time of RFC 3339: {text!r}")
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        raise Broken(f"{name} is no time of RFC 3339: {text!r}") from None


def check_problem(answer: Answer, *statuses: int, slug: str = "") -> dict[str, Any]:
    """The problem details of a refusal (RFC 9457). Raises `Broken` unless it has one of these statuses, and fits."""
    wanted = " or ".join(map(str, statuses))
    expect(answer.status in statuses, f"answered {answer.status}, not {wanted}")
    kind = answer.media_type
    expect(kind == "application/problem+json", f"the {answer.status} is {kind or 'untyped'}, not problem details")
    problem = answer.document
    for member in ("type", "title"):
        expect(isinstance(problem.get(member), str) and problem[member], f"the problem has no {member}")
    expect(
        problem.get("status") == answer.status, f"the problem says {problem.get('status')}, the answer {answer.status}"
    )
    if slug:
        last = str(problem["type"]).rstrip("/").rpartition("/")[2]
        expect(last == slug, f"the problem's type is {last!r}, not {slug!r}")
    return problem
