"""One WebSocket conversation, written down as everything else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from .exchange import Answer, Broken, Caller, shown
from .trial import Trial

LAST = {"COMPLETED", "FAILED", "CANCELLED"}


class Refused(Exception):
    """No upgrade: `answer` came instead."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"the upgrade was answered {answer.status}")
        self.answer = answer


class Socket:
    """An open socket; `code` is what the server closed it with, once it has."""

    def __init__(self, trial: Trial, connection: ClientConnection, patience: float) -> None:
        self._trial = trial
        self._connection = connection
        self._patience = patience
        self.code: int | None = None

    async def say(self, message: Mapping[str, Any] | str) -> None:
        """Send a message: a JSON object, or a text as it is."""
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        self._trial.journal.note(f"> (socket) {text}")
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise Broken(f"the socket was closed ({error.rcvd.code if error.rcvd else 'no code'})") from None

    async def hear(self) -> dict[str, Any] | None:
        """The next message; None where the server has closed. Raises `Broken` if none comes."""
        try:
            async with asyncio.timeout(self._patience):
                text = await self._connection.recv()
        except TimeoutError:
            raise Broken(f"nothing came on the socket within {self._patience:g} s") from None
        except ConnectionClosed as error:
            self.code = error.rcvd.code if error.rcvd else None
            self._trial.journal.note(f"< (socket) closed with {self.code}")
            return None
        body = text.encode() if isinstance(text, str) else text
        self._trial.journal.note(f"< (socket) {shown(body)}")
        try:
            found = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Broken(f"a message is no JSON: {body[:60]!r}") from None
        if not isinstance(found, dict):
            raise Broken("a message is no JSON object")
        return found

    async def hear_all(self) -> list[dict[str, Any]]:
        """Every message until the server closes."""
        heard: list[dict[str, Any]] = []
        while (message := await self.hear()) is not None:
            heard.append(message)
        return heard

    async def hear_event(self, *names: str) -> dict[str, Any]:
        """The first message that is one of these events. Raises `Broken` if the server closes before."""
        while (message := await self.hear()) is not None:
            if message.get("event") in names:
                return message
        raise Broken(f"the socket was closed with {self.code} before {' or '.join(names)} came")


@asynccontextmanager
async def talk(
    trial: Trial, link: str, *, patience: float = 20.0, caller: Caller | None = None
) -> AsyncIterator[Socket]:
    """A socket to this link. Raises `Refused` where the server answers anything but an upgrade."""
    url = trial.caller.url(link)
    url = "ws" + url.removeprefix("http") if url.startswith("http") else url
    trial.journal.note(f"> GET {link} (upgrade to WebSocket)")
    headers = {name: value for name, value in (caller or trial.caller).headers.items() if value}
    try:
        connection = await connect(
            url, additional_headers=headers, compression=None, proxy=None, open_timeout=patience, close_timeout=2
        )
    except InvalidStatus as error:
        said = {name.lower(): value for name, value in error.response.headers.raw_items()}
        answer = Answer(error.response.status_code, said, bytes(error.response.body or b""))
        trial.journal.note(f"< {answer.status}\n< {shown(answer.body)}")
        raise Refused(answer) from None
    except (OSError, InvalidHandshake) as error:
        raise Broken(f"no socket at {link}: {type(error).__name__}") from None
    trial.journal.note("< 101 (upgraded)")
    try:
        yield Socket(trial, connection, patience)
    finally:
        await connection.close()
