"""The receiving end of webhooks: a small server of the kit's own, which answers each check's deliveries as it likes.

One receiver serves all checks: each has an address of its own on it. Signatures are computed here anew, from the
pattern document and from Standard Webhooks 1.0, with nothing of the server's.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from .exchange import Broken, Journal, expect, shown
from .manifest import Webhooks

SILENCE = -1  # in place of a status code: no answer until the other side gives up
HANG_UP = -2
_LONGEST = 1 << 20


class Delivery(msgspec.Struct, frozen=True):
    """One request that came in; names of headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        """Its body. Raises `Broken`."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Broken("the body of a delivery is no JSON") from None
        expect(isinstance(found, dict), "the body of a delivery is no JSON object")
        return dict(found)

    def header(self, name: str) -> str:
        """A header. Raises `Broken` where it is missing."""
        expect(name in self.headers, f"the delivery has no {name}")
        return self.headers[name]

    def is_plainly_signed(self, secret: str) -> bool:
        """`X-Webhook-Signature: sha256=<hex>`: the HMAC of the body, keyed with the secret's text."""
        wanted = "sha256=" + hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return wanted in [each.strip() for each in self.header("x-webhook-signature").split(",")]

    def is_standardly_signed(self, secret: str) -> bool:
        """`webhook-signature: v1,<base64>`: the HMAC of id, time and body (Standard Webhooks 1.0)."""
        key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
        said = f"{self.header('webhook-id')}.{self.header('webhook-timestamp')}.".encode() + self.body
        wanted = "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
        return wanted in self.header("webhook-signature").split(" ")


class Hook:
    """One address on the receiver, of one check. `answers` are given in turn, the last one for ever."""

    def __init__(self, url: str, journal: Journal, answers: Sequence[int]) -> None:
        self.url = url
        self.deliveries: list[Delivery] = []
        self._journal = journal
        self._answers = list(answers)
        self._news = asyncio.Event()

    async def received(self, number: int, within: float) -> list[Delivery]:
        """All deliveries, once there are so many. Raises `Broken` if they do not come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while len(self.deliveries) < number:
                    self._news.clear()
                    await self._news.wait()
        came = len(self.deliveries)
        expect(came >= number, f"{came} of {number} deliveries came within {within:g} s")
        return self.deliveries

    async def one(self, within: float = 10.0) -> Delivery:
        """The first delivery."""
        return (await self.received(1, within))[0]

    def take(self, delivery: Delivery) -> int:
        """Note it; gives the answer."""
        code = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        head = "\n".join(f"< {name}: {value}" for name, value in delivery.headers.items())
        answered = {SILENCE: "(no answer)", HANG_UP: "(hung up)"}.get(code, str(code))
        self._journal.note(f"(a delivery) POST {self.url}\n{head}\n< {shown(delivery.body)}\n> {answered}")
        self.deliveries.append(delivery)
        self._news.set()
        return code


class Receiver:
    """Listens as the manifest says, from its first hook on."""

    def __init__(self, manifest: Webhooks) -> None:
        self._manifest = manifest
        self._hooks: dict[str, Hook] = {}
        self._server: asyncio.Server | None = None
        self._opening = asyncio.Lock()
        self._writers: set[asyncio.StreamWriter] = set()

    async def hook(self, journal: Journal, answers: Sequence[int]) -> Hook:
        """A new address. Raises `Broken` where nothing can be listened on."""
        async with self._opening:
            if self._server is None:
                try:
                    self._server = await asyncio.start_server(self._serve, self._manifest.host, self._manifest.port)
                except OSError as error:
                    raise Broken(f"the receiver cannot listen on {self._manifest.host}: {error.strerror}") from None
        port = self._server.sockets[0].getsockname()[1]
        path = f"/{secrets.token_hex(8)}"
        hook = Hook(f"http://{self._manifest.url_host or self._manifest.host}:{port}{path}", journal, answers)
        self._hooks[path] = hook
        return hook

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever speaks no HTTP is not listened to
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = [line.split(":", 1) for line in lines[1:] if ":" in line]
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        body = await reader.readexactly(min(int(headers.get("content-length", "0")), _LONGEST))
        hook = self._hooks.get(urlsplit(lines[0].split(" ")[1]).path)
        code = 404 if hook is None else hook.take(Delivery(headers, body, time.monotonic()))
        if code == SILENCE:
            await reader.read()  # until it is given up
            return False
        if code == HANG_UP:
            writer.transport.abort()
            return False
        more = "Location: /elsewhere\r\n" if 300 <= code < 400 else ""
        writer.write(f"HTTP/1.1 {code} Answer\r\n{more}Content-Length: 0\r\n\r\n".encode())
        return True
