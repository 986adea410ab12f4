"""A conversation answered by hand: what it asks for is written down, and time passes only while it waits."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from accepted.client.conversation import Conversation
from accepted.client.patience import Terms
from accepted.client.step import Answer, Call, Lost, Open, Read, Request, Send, Talk, Tell, Wait

ID = "op-01k0000000000000000000000a"
BASE = "https://api.example.com/v1"
STATUS = f"/v1/operations/{ID}"
LINKS = {"self": STATUS, "stream": f"{STATUS}/stream", "job": "/v1/jobs/job-01k0000000000000000000000a"}

Document = dict[str, Any]
Reply = Answer | Lost | bytes


class Script:
    """The other end: replies in order, to whatever is asked. Chance is always the middle."""

    def __init__(self, *replies: Reply, patience: float = 300.0, chance: float = 0.5) -> None:
        self.now = 0.0
        self.asked: list[Request] = []
        self.waits: list[float] = []
        self.told: list[Any] = []
        self._replies = deque(replies)
        self.terms = Terms(now=lambda: self.now, chance=lambda: chance, patience=patience)
        self.talks = Conversation(BASE, "s3cret", self.terms, {})

    @property
    def paths(self) -> list[str]:
        return [request.url.removeprefix("https://api.example.com") for request in self.asked]

    def run(self, talk: Callable[[Conversation], Talk[Any]], *, left: int | None = 0) -> Any:
        """Carry it out to its end, with so many replies `left` for the next (None: any number)."""
        talking, reply = talk(self.talks), None
        while True:
            try:
                step = talking.send(reply)
            except StopIteration as end:
                assert left in {None, len(self._replies)}, f"left over: {self._replies}"
                return end.value
            reply = self._reply(step)

    def _reply(self, step: Any) -> Any:
        match step:
            case Wait(seconds):
                self.now += seconds
                self.waits.append(seconds)
            case Tell(item):
                self.told.append(item)
            case Call(function):
                return function()
            case Send(request) | Open(request):
                self.asked.append(request)
                return self._next(request.timeout, Answer)
            case Read(seconds):
                return self._next(seconds, bytes)
        return None

    def _next(self, patience: float, kind: type[Reply]) -> Reply:
        reply = self._replies.popleft()
        assert isinstance(reply, (kind, Lost)), f"{reply!r} is no answer to that"
        if isinstance(reply, Lost) and reply.silent:
            self.now += patience
        return reply


def answer(status: int, document: Any = None, **headers: str) -> Answer:
    """An answer with a JSON document; underscores in names of headers stand for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=named, body=b"" if document is None else json.dumps(document).encode())


def state(status: str = "PROCESSING", **members: Any) -> Document:
    """A status document."""
    return {"operationId": ID, "status": status, "links": LINKS, **members}


def problem(status: int, slug: str, **headers: str) -> Answer:
    """A refusal."""
    return answer(status, {"type": f"/problems/{slug}", "title": slug, "status": status, "detail": "No."}, **headers)


def stream() -> Answer:
    """The head of an event stream."""
    return answer(200, content_type="text/event-stream")


def event(name: str, id: int, status: str, **members: Any) -> bytes:
    """One event, whole."""
    data = json.dumps({"operationId": ID, "status": status, **members})
    return f"id: {id}\nevent: {name}\ndata: {data}\n\n".encode()


REFUSED = Lost("connection refused")
CUT = Lost("connection reset")
SILENCE = Lost("read timed out", silent=True)
DONE = answer(303, state("COMPLETED", result={"url": f"{STATUS}/result"}), location=f"{STATUS}/result")
COMPLETED = event("completed", 9, "COMPLETED", result={"url": f"{STATUS}/result"})
RESULT = answer(200, {"rows": 3}, content_type="application/json")
