"""The connections of `accepted serve`: what belongs together leaves together, and nothing stays behind."""

from __future__ import annotations

import asyncio
from typing import Any

from accepted.connection import JOINED, Coupled

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that remembers."""

    def __init__(self) -> None:
        super().__init__({"peername": "somebody"})
        self.written: list[Any] = []

    def write(self, data: Any) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.written.append("closed")


async def test_head_and_body_leave_in_one_write() -> None:
    wire = Wire()
    coupled = Coupled(wire)
    for _ in range(2):
        coupled.write(HEAD)
        coupled.write(b"body")
    assert wire.written == [HEAD + b"body", HEAD + b"body"]
    await asyncio.sleep(0)
    assert wire.written == [HEAD + b"body", HEAD + b"body"]


async def test_a_head_alone_leaves_at_the_end_of_the_turn() -> None:
    wire = Wire()
    Coupled(wire).write(HEAD)
    assert wire.written == []
    await asyncio.sleep(0)
    assert wire.written == [HEAD]


async def test_a_body_that_is_empty_or_long() -> None:
    wire, long = Wire(), b"x" * (JOINED + 1)
    coupled = Coupled(wire)
    for body in (b"", long):
        coupled.write(HEAD)
        coupled.write(body)
    assert wire.written == [HEAD, HEAD, long]


async def test_what_is_no_head_leaves_at_once() -> None:
    wire = Wire()
    coupled = Coupled(wire)
    coupled.write(HEAD)
    coupled.write(b"first part")
    coupled.write(b"second part")
    coupled.write(b"third part")
    assert wire.written == [HEAD + b"first part", b"second part", b"third part"]


async def test_nothing_stays_behind_when_it_closes() -> None:
    wire = Wire()
    coupled = Coupled(wire)
    coupled.write(HEAD)
    coupled.close()
    assert wire.written == [HEAD, "closed"]


async def test_the_rest_is_the_transports_own() -> None:
    assert Coupled(Wire()).get_extra_info("peername") == "somebody"
