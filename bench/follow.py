"""Many followers in a process of their own: raw sockets that count events and say how old each was.

By the specification, `closed` publishes the next event when all followers have the one before, `rate` so many a second,
`until_completed` waits for the last event of all, and none of these holds them open until stdin ends. Bounded in
time and count, to the loopback only. A connection that is lost is an error, and a run with errors is no measurement.

The specification comes as JSON on a line of stdin; a line says that all follow, another what came of it.
"""

import asyncio
import base64
import contextlib
import gc
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import cast

import msgspec

GRACE_SECONDS = 30.0
_SAID = re.compile(rb'"message":"(\d+)"')
_KEY = base64.b64encode(bytes(16)).decode()


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to follow: each of `paths` in turn by `followers` connections."""

    port: int
    paths: list[str]
    followers: int
    socket: bool = False
    seconds: float = 3.0
    rate: float = 0.0
    closed: bool = False
    until_completed: bool = False
    core: int = 1


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came: deliveries in how many seconds, and their age in milliseconds. `busy` is the share of a core used."""

    deliveries: int
    seconds: float
    busy: float
    errors: list[str]
    p50: float = 0.0
    p99: float = 0.0
    longest: float = 0.0


class Run:
    """What the followers of one run share."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.first = 0
        self.deliveries = 0
        self.ages: list[int] = []
        self.errors: list[str] = []
        self.changed = asyncio.Event()
        self.over = spec.until_completed
        self.left = spec.followers

    async def until(self, count: int) -> None:
        """Wait for so many deliveries in all. Raises TimeoutError."""
        async with asyncio.timeout(GRACE_SECONDS):
            while self.deliveries < count and not self.errors:
                self.changed.clear()
                await self.changed.wait()


class Follower(asyncio.Protocol):
    """One stream or socket."""

    def __init__(self, run: Run, path: str) -> None:
        self.run = run
        self.path = path
        self.begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        head = f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.run.spec.port}\r\n"
        if self.run.spec.socket:
            head += f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {_KEY}\r\n"
            head += "Sec-WebSocket-Version: 13\r\n"
        self.transport.write(head.encode() + b"\r\n")

    def data_received(self, data: bytes) -> None:
        run = self.run
        if not self.begun:
            if b'"status":' not in data:
                return
            self.begun = True
            run.first += 1
            run.changed.set()
            return
        now = time.monotonic_ns()
        said = _SAID.findall(data)
        run.deliveries += len(said)
        run.ages += [now - int(at) for at in said]
        if run.spec.until_completed and b"event: completed" in data:
            self.transport.close()
        run.changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.run.left -= 1
        if not self.run.over:
            self.run.errors.append(f"a follower was dropped: {exc!r}")
        self.run.changed.set()


async def follow(spec: Spec) -> Outcome:
    """Follow as the specification says."""
    run = Run(spec)
    loop = asyncio.get_running_loop()
    for number in range(spec.followers):
        path = spec.paths[number % len(spec.paths)]
        await loop.create_connection(lambda path=path: Follower(run, path), "127.0.0.1", spec.port)  # type: ignore[misc]
    async with asyncio.timeout(GRACE_SECONDS):
        while run.first < spec.followers and not run.errors:
            run.changed.clear()
            await run.changed.wait()
    print("ready", flush=True)
    began, worked = time.monotonic(), time.process_time()
    if spec.closed or spec.rate:
        await _publish(run)
    elif spec.until_completed:
        async with asyncio.timeout(spec.seconds + GRACE_SECONDS):
            while run.left:
                run.changed.clear()
                await run.changed.wait()
    else:
        await asyncio.to_thread(sys.stdin.read)
    seconds = time.monotonic() - began
    run.over = True
    return _outcome(run, seconds, time.process_time() - worked)


async def _publish(run: Run) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", run.spec.port)
    ends = time.monotonic() + run.spec.seconds
    next_at, published = time.monotonic(), 0
    while time.monotonic() < ends and not run.errors:
        text = str(time.monotonic_ns())
        writer.write(f"POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        await reader.readuntil(b"\r\n\r\n")
        published += 1
        if run.spec.closed:
            await run.until(published * run.spec.followers)
        else:
            next_at += 1 / run.spec.rate
            await asyncio.sleep(max(next_at - time.monotonic(), 0))
    await run.until(published * run.spec.followers)


def _outcome(run: Run, seconds: float, worked: float) -> Outcome:
    ages = sorted(run.ages) or [0]
    at = [ages[min(int(len(ages) * share), len(ages) - 1)] / 1e6 for share in (0.5, 0.99, 1.0)]
    return Outcome(
        deliveries=run.deliveries,
        seconds=seconds,
        busy=worked / seconds,
        errors=run.errors[:3],
        p50=at[0],
        p99=at[1],
        longest=at[2],
    )


# --- the other side of the pipe


def measure(spec: Spec) -> Outcome:
    """Follow in a process of its own, until it says what came of it."""
    with following(spec) as child:
        return _said(child, spec.seconds + 3 * GRACE_SECONDS)


@contextlib.contextmanager
def following(spec: Spec) -> Iterator[subprocess.Popen[bytes]]:
    """Followers in a process of their own, all of which have their first event."""
    command = [sys.executable, "-m", "bench.follow"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(msgspec.json.encode(spec) + b"\n")
        child.stdin.flush()
        if child.stdout.readline() != b"ready\n":
            raise OSError("the followers did not get their first event")
        try:
            yield child
        finally:
            child.stdin.close()
            child.wait(GRACE_SECONDS)


def _said(child: subprocess.Popen[bytes], limit: float) -> Outcome:
    assert child.stdout is not None
    return msgspec.json.decode(child.stdout.readline(), type=Outcome)


def main() -> None:
    """Read a specification, follow, write the outcome."""
    import uvloop

    spec = msgspec.json.decode(sys.stdin.buffer.readline(), type=Spec)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {spec.core})
    gc.disable()
    outcome = uvloop.run(follow(spec))
    sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")


if __name__ == "__main__":
    main()
