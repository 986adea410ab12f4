"""What was said: each request with its answer, written down as evidence, secrets taken out.

A caller is one person at the server. It never follows a redirect, for a 303 is what is looked at, and it takes no proxy
out of the environment.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
import msgspec

SHOWN = 1_500  # characters of a body
KEPT = 40  # exchanges of one check
PATIENCE = 5  # answers of 429 in a row
_SECRET_MEMBER = re.compile(r'("(?:secret|secrets|token|ticket|password)"\s*:\s*)("(?:[^"\\]|\\.)*"|\[[^\]]*\])')
_SECRET_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key", "x-key"})
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Broken(Exception):
    """The server does not do what it should; the message says what it did instead."""


def expect(holds: object, complaint: str) -> None:
    """Raises `Broken` with the complaint unless it holds."""
    if not holds:
        raise Broken(complaint)


class Answer(msgspec.Struct, frozen=True):
    """An answer; names of headers are in lower case. `took` in seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took: float = 0.0

    @property
    def json(self) -> Any:
        """Its body as JSON. Raises `Broken`."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Broken(f"the body of the {self.status} is no JSON: {self.body[:60]!r}") from None

    @property
    def document(self) -> dict[str, Any]:
        """Its body as a JSON object. Raises `Broken`."""
        found = self.json
        expect(isinstance(found, dict), f"the body of the {self.status} is no JSON object")
        return dict(found)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def header(self, name: str) -> str:
        """A header, or the empty text."""
        return self.headers.get(name, "")


class Journal:
    """What one check said and heard, in order; the newest are kept."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = [secret for secret in secrets if secret]
        self._lines: list[str] = []
        self.left_out = 0

    def note(self, text: str) -> None:
        """Write down; what is secret is taken out, and what would move a terminal's cursor."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _SECRET_MEMBER.sub(r'\1"[secret]"', text))
        self._lines.append(text)
        if len(self._lines) > KEPT:
            del self._lines[0]
            self.left_out += 1

    def keep_secret(self, secret: str) -> None:
        """Never write this down."""
        self._secrets.append(secret)

    @property
    def text(self) -> str:
        """All of it."""
        before = [f"({self.left_out} earlier exchanges are left out)"] if self.left_out else []
        return "\n\n".join(before + self._lines)


class Caller:
    """Somebody who asks one server, as one check; all of it goes into the journal."""

    def __init__(self, http: httpx2.AsyncClient, base: str, journal: Journal, headers: Mapping[str, str]) -> None:
        self._http = http
        self.base = base.rstrip("/")
        self.journal = journal
        self.headers = dict(headers)

    @classmethod
    def like(cls, other: Caller, headers: Mapping[str, str]) -> Caller:
        """Somebody else at the same server, with headers of his own."""
        return cls(other._http, other.base, other.journal, headers)

    def url(self, link: str) -> str:
        """Where a link leads: absolute, from the server's root, or below the base."""
        if urlsplit(link).scheme:
            return link
        base = urlsplit(self.base)
        if link.startswith("/") and not (base.path and link.startswith(f"{base.path}/")):
            return self.base + link
        return urljoin(f"{self.base}/", link)

    async def ask(
        self,
        method: str,
        link: str,
        *,
        json: Any = msgspec.UNSET,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        patient: bool = True,
    ) -> Answer:
        """One request; after a 429, whoever is patient asks again when it says. Raises `Broken` without an answer."""
        content = body if json is msgspec.UNSET else msgspec.json.encode(json)
        said = {**self.headers, **({} if content is None else {"content-type": "application/json"}), **(headers or {})}
        answer = await self._ask(method, link, content, said)
        for _ in range(PATIENCE if patient else 0):
            if answer.status != 429:
                break
            await asyncio.sleep(seconds(answer, 1.0))
            answer = await self._ask(method, link, content, said)
        return answer

    async def _ask(self, method: str, link: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        request = self._http.build_request(method, self.url(link), content=content, headers=_filled(headers))
        began = time.monotonic()
        try:
            response = await self._http.send(request)
        except httpx2.HTTPError as error:
            self.journal.note(f"{_asked(request, content)}\n< (no answer: {type(error).__name__}: {error})")
            raise Broken(f"{method} {link}: no answer ({type(error).__name__})") from None
        took = time.monotonic() - began
        answer = Answer(response.status_code, _lowered(response.headers), response.content, took)
        self.journal.note(f"{_asked(request, content)}\n{_answered(answer)}")
        return answer

    async def get(self, link: str, **headers: str) -> Answer:
        """A GET; an underscore in a header's name stands for its dash."""
        return await self.ask("GET", link, headers={name.replace("_", "-"): value for name, value in headers.items()})

    @asynccontextmanager
    async def stream(self, link: str, headers: Mapping[str, str]) -> AsyncIterator[httpx2.Response]:
        """An answer whose body is read as it comes; who reads it writes it down."""
        request = self._http.build_request("GET", self.url(link), headers=_filled({**self.headers, **headers}))
        try:
            response = await self._http.send(request, stream=True)
        except httpx2.HTTPError as error:
            self.journal.note(f"{_asked(request, None)}\n< (no answer: {type(error).__name__}: {error})")
            raise Broken(f"GET {link}: no answer ({type(error).__name__})") from None
        try:
            head = Answer(response.status_code, _lowered(response.headers), b"")
            self.journal.note(f"{_asked(request, None)}\n{_answered(head)}")
            yield response
        except httpx2.HTTPError as error:
            raise Broken(f"the stream broke off ({type(error).__name__})") from None
        finally:
            await response.aclose()


def seconds(answer: Answer, otherwise: float) -> float:
    """`Retry-After` in seconds (RFC 9110, section 10.2.3), at most 30; `otherwise` where it says none."""
    text = answer.header("retry-after")
    return min(float(text), 30.0) if text.isascii() and text.isdigit() else otherwise


def shown(body: bytes) -> str:
    """A body as evidence shows it."""
    text = body.decode("utf-8", "backslashreplace")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ... ({len(text):,} characters)"


def _asked(request: httpx2.Request, content: bytes | None) -> str:
    target = urlsplit(str(request.url))
    query = f"?{target.query}" if target.query else ""
    dull = {"accept-encoding", "connection", "user-agent", "content-length", "host"}
    lines = [f"> {request.method} {target.path}{query}"]
    lines += [f"> {name}: {_hidden(name, value)}" for name, value in request.headers.items() if name not in dull]
    return "\n".join(lines + ([f"> {shown(content)}"] if content else []))


def _answered(answer: Answer) -> str:
    lines = [f"< {answer.status}", *(f"< {name}: {_hidden(name, value)}" for name, value in answer.headers.items())]
    return "\n".join(lines + ([f"< {shown(answer.body)}"] if answer.body else []))


def _hidden(name: str, value: str) -> str:
    return "[secret]" if name.lower() in _SECRET_HEADERS else value


def _filled(headers: Mapping[str, str]) -> dict[str, str]:
    """Without what was set to nothing, which is how a check leaves out a header of the caller's."""
    return {name: value for name, value in headers.items() if value}


def _lowered(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
