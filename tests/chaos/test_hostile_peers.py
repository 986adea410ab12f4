"""Hundreds of slow, silent, greedy and noisy peers at once, and what somebody healthy notices (guarantees E7, Q1)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.processes.figures import Figures, quantile
from tests.processes.serving import Server
from tests.processes.test_floods import UPGRADE
from tests.processes.test_streams import many_files

__all__ = ["many_files"]
pytestmark = pytest.mark.chaos

HEAD = b"POST /notes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
PING = b"\x89\xfd" + bytes(4) + b"p" * 125
DRIP = 1.0  # seconds between two bytes of who is slow
PAUSE = 0.005  # seconds between two requests of who is healthy

Beginning = tuple[bytes, bytes]
"""What a hostile peer says first, and what it goes on saying."""

HOSTILE: dict[str, Beginning] = {
    "a head byte by byte": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"a"),
    "a body byte by byte": (HEAD + b"Content-Length: 100000\r\n\r\n{", b" "),
    "nothing at all": (b"", b""),
    "one request, then silence": (LIVE, b""),
    "pings without reading": (UPGRADE, PING * 50),
}


async def besiege(server: Server, kind: Beginning, until: asyncio.Event) -> None:
    """One peer of a kind; when it is thrown out it comes back."""
    address = urlsplit(server.url)
    beginning, more = kind
    while not until.is_set():
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(address.hostname, address.port, limit=1024)
            writer.write(beginning)
            while not until.is_set() and not writer.is_closing():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(until.wait(), DRIP)
                writer.write(more)
                async with asyncio.timeout(DRIP):
                    await writer.drain()
            writer.transport.abort()


async def healthy(server: Server, number: int) -> list[float]:
    """How long somebody waits who asks one thing after the other: submits and polls in turn."""
    address = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    submit = HEAD.replace(b"/notes", b"/noops") + b"Content-Length: 0\r\n\r\n"
    waits = []
    for turn in range(number):
        began = time.perf_counter()
        writer.write(LIVE if turn % 2 else submit)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] in {b"200", b"202"}, head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.partition(b":")[2]))
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE)
    writer.close()
    return waits


async def test_who_is_healthy_does_not_notice(tmp_path: Path, many_files: None, scale: int, figures: Figures) -> None:
    """With CHAOS_SCALE=10: 1,000 peers, 200 of each kind."""
    each, requests = 20 * scale, 200 * scale
    roomy = {"ACCEPTED_CONNECTIONS_PER_ADDRESS": "10000", "ACCEPTED_HEAD_TIMEOUT": "3s", "ACCEPTED_BODY_TIMEOUT": "5s"}
    over = asyncio.Event()
    with Server(tmp_path, workers=0, **roomy) as server:  # type: ignore[arg-type]  # settings of many types
        await healthy(server, requests // 4)  # both sides are warm
        before = await healthy(server, requests)
        siege = [asyncio.create_task(besiege(server, kind, over)) for kind in HOSTILE.values() for _ in range(each)]
        try:
            await asyncio.sleep(DRIP)
            during = await healthy(server, requests)
        finally:
            over.set()
            await asyncio.gather(*siege, return_exceptions=True)
    figures.milliseconds("somebody healthy, alone", before)
    figures.milliseconds(f"the same beside {len(siege):,} hostile peers", during)
    alone, beside = quantile(before, 0.99), quantile(during, 0.99)
    figures.note("ratio of the 99th percentiles", f"{beside / alone:.2f}")
    # Half of this machine is the peers' own: what they cost there is in the figure too, hence a floor for tiny times.
    assert beside < 2 * max(alone, 0.010)
