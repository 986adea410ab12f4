"""Reads the curl lines of a page and the answers printed below them, and sends such a line to an app.

Only what our pages use is understood: -i -s -N -L -o, -X, -H, -d, and one shell variable, N. Anything else is an
error, so that no page can show what nobody has tried. Events of a stream stand in a block of their own, `sse`;
three dots there leave out what comes between.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_FLAGS = {"-i", "-s", "-N", "-L"}

# What depends on the moment at which one asks.
FLEETING = {"queuePosition", "estimatedCompletion"}


@dataclass(frozen=True, slots=True)
class Curl:
    """A request, as a visitor types it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None

    async def send(self, client: httpx2.AsyncClient, number: str) -> httpx2.Response:
        """Send it, with `number` for $N."""
        url = self.url.replace("$N", number)
        return await client.request(self.method, f"http://{url}", headers=self.headers, content=self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page shows: the status, the headers it names, and the JSON."""

    status: int
    headers: dict[str, str]
    document: Any


Block = dict[str, Any]
"""One block of an event stream: its fields by name, `data` as JSON. `LEFT_OUT` stands for any number of them."""
LEFT_OUT: Block = {}


@dataclass(slots=True)
class Step:
    """A curl line and the answer or the events below it, if the page shows any."""

    curl: Curl
    answer: Answer | None = field(default=None)
    stream: list[Block] = field(default_factory=list)


def steps(page: str) -> list[Step]:
    """Every curl of a page in order. Blocks with a placeholder (`<operationId>`) are for reading."""
    found: list[Step] = []
    for fence in _FENCE.finditer(page):
        if fence["language"] == "sh" and "<" not in fence["code"]:
            found += [Step(curl(line)) for line in _lines(fence["code"]) if line.startswith("curl ")]
        elif fence["language"] == "http" and fence["code"].startswith("HTTP/1.1") and found:
            found[-1].answer = answer(fence["code"])
        elif fence["language"] == "sse" and found:
            found[-1].stream = events(fence["code"])
    return found


def curl(line: str) -> Curl:
    """Raises ValueError for an option that is not known here."""
    words = iter(shlex.split(line)[1:])
    method, url, headers, body = "", "", {}, None
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                body = next(words).encode()
            case "-o":
                next(words)
            case flag if flag.startswith("-"):
                if flag not in _FLAGS:
                    raise ValueError(f"what does curl do with {flag}?")
            case _:
                url = word
    return Curl(method or ("GET" if body is None else "POST"), url, headers, body)


def answer(text: str) -> Answer:
    """A printed answer; its JSON may be broken into lines."""
    head, _, body = text.partition("\n\n")
    first, *lines = head.splitlines()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split()[1]), headers, json.loads(body) if body.strip() else None)


def events(text: str) -> list[Block]:
    """The blocks of an event stream, printed or received; a printed `data` may be broken into lines. No comments."""
    found = []
    for block in text.strip().split("\n\n"):
        head, has_data, data = block.partition("data: ")
        lines = [line.partition(": ") for line in head.splitlines() if not line.startswith(":")]
        fields: Block = {name: value for name, _, value in lines if name != "..."}
        found.append(fields | ({"data": json.loads(data)} if has_data else {}))
    return found


def shape(value: Any) -> Any:
    """The members of a document, without its values and without what is fleeting."""
    match value:
        case dict():
            return {name: shape(member) for name, member in sorted(value.items()) if name not in FLEETING}
        case list():
            return [shape(item) for item in value]
    return type(value).__name__


def _lines(code: str) -> Iterator[str]:
    return iter(code.replace("\\\n", " ").splitlines())
