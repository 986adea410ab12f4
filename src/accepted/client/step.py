"""What a conversation asks its driver to do, and what it hears back.

A conversation is a generator without I/O: it yields steps and is sent what came of them. So the same conversation
serves the blocking client, the asynchronous one and tests that answer by hand, and no test has to wait.

    Send   a request, its whole answer                 -> Answer, or Lost
    Open   a request whose answer is read in parts     -> Answer (its body only where it is no 2xx), or Lost
    Read   the next part of it                         -> bytes, b"" at its orderly end, or Lost
    Close  it, unread                                  -> None
    Wait   so many seconds                             -> None
    Tell   the caller something                        -> None
    Call   something that touches files                -> what it returns
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request; `timeout` is how many seconds the server may be silent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    timeout: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Lost(msgspec.Struct, frozen=True):
    """No answer, or not the rest of it. `silent`: nothing was broken, nothing came for too long."""

    why: str
    silent: bool = False


class Send(msgspec.Struct, frozen=True):
    request: Request


class Open(msgspec.Struct, frozen=True):
    request: Request


class Read(msgspec.Struct, frozen=True):
    """`seconds` may end a silence earlier than the request's own timeout, where a driver can."""

    seconds: float


class Close(msgspec.Struct, frozen=True):
    pass


class Wait(msgspec.Struct, frozen=True):
    seconds: float


class Tell(msgspec.Struct, frozen=True):
    item: Any


class Call(msgspec.Struct, frozen=True):
    function: Callable[[], Any]


Step = Send | Open | Read | Close | Wait | Tell | Call
Talk = Generator[Step, Any, T]
