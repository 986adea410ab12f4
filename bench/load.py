"""The load: a process of its own that keeps N connections busy and counts what comes back.

It must never be what is measured, so it is a bare asyncio.Protocol on uvloop that writes prebuilt bytes and finds the
end of an answer by its Content-Length, and it says how busy its own core was (`busy`): below 2/3 it could have sent
half as many again. It is closed-loop (a connection sends its next request when the last is answered), bounded in time
and in count, and goes to the loopback only. An answer that was not expected is an error, and a run with errors is no
measurement.

The specification comes as JSON on stdin; the outcome leaves as JSON on stdout.
"""

import asyncio
import gc
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec

GRACE_SECONDS = 20.0


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: `paths` in turn over all connections, for so many `seconds` or `count` requests."""

    port: int
    method: str
    paths: list[str]
    body: str = ""
    token: str = ""
    expect: list[int]
    connections: int = 64
    seconds: float = 3.0
    count: int = sys.maxsize
    core: int = 1
    locations: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. Latencies in milliseconds; `buckets` counts answers below each power of two of microseconds.

    `began` is by the machine's monotonic clock, which all its processes share; `cpu` is the processor time of the whole
    process, and `busy` the share of a core that sending took. With anything in `errors` the run is no measurement.
    """

    requests: int
    began: float
    seconds: float
    cpu: float
    statuses: dict[int, int]
    errors: list[str]
    busy: float
    p50: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    longest: float = 0.0
    buckets: dict[int, int] = {}
    locations: list[str] = []

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds if self.seconds else 0.0


class Run:
    """What the connections of one run share."""

    def __init__(self, spec: Spec) -> None:
        self.requests: Iterator[bytes] = itertools.cycle([_request(spec, path) for path in spec.paths])
        self.expected = {b"%d" % status for status in spec.expect}
        self.statuses: dict[bytes, int] = {}
        self.errors: list[str] = []
        self.latencies: list[int] = []
        self.left = spec.count
        self.ends = time.perf_counter_ns() + int(spec.seconds * 1e9)
        self.locations: list[str] | None = [] if spec.locations else None
        self.working = spec.connections
        self.finished = asyncio.get_running_loop().create_future()

    def answered(self, answer: bytes, nanoseconds: int) -> None:
        """Count one answer; keep the start of it where nobody expected it."""
        status = answer[9:12]
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.latencies.append(nanoseconds)
        if status not in self.expected:
            self.fail(answer[:600].decode("utf-8", "replace"))
        if self.locations is not None:
            self.locations.append(_header(answer, b"location: ").decode())

    def fail(self, error: str) -> None:
        """Nothing after this counts: end the run now."""
        self.errors.append(error)
        self.ends = 0
        if not self.finished.done():
            self.finished.set_result(None)

    def leave(self) -> None:
        """One connection has nothing more to do."""
        self.working -= 1
        if not self.working and not self.finished.done():
            self.finished.set_result(None)


class Connection(asyncio.Protocol):
    """One keep-alive connection: one request in flight, the next on its answer."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""
        self.sent = 0
        self.done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)
        self.send(time.perf_counter_ns())

    def send(self, now: int) -> None:
        """Write the next request, or close when the run is over."""
        run = self.run
        if run.left <= 0 or now >= run.ends:
            self.finish()
            return
        run.left -= 1
        self.sent = now
        self.transport.write(next(run.requests))

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        if not _complete(data):
            self.buffer = data
            return
        now = time.perf_counter_ns()
        self.buffer = b""
        self.run.answered(data, now - self.sent)
        self.send(now)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done:
            self.run.fail(f"connection lost with a request in flight: {exc!r}")

    def finish(self) -> None:
        """Close, and tell the run, once."""
        if not self.done:
            self.done = True
            self.transport.close()
            self.run.leave()


def _request(spec: Spec, path: str) -> bytes:
    body = spec.body.encode()
    head = f"{spec.method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{spec.port}\r\n"
    if spec.token:
        head += f"Authorization: Bearer {spec.token}\r\n"
    if spec.method != "GET":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _complete(data: bytes) -> bool:
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return False
    if data[9:12] in (b"304", b"204"):
        return True
    return len(data) >= head + 4 + int(_header(data, b"content-length: ", head))


def _header(data: bytes, name: bytes, end: int | None = None) -> bytes:
    start = data.find(name, 0, end)
    if start < 0:
        start = data[:end].lower().find(name)
    if start < 0:
        raise ValueError(f"an answer without {name.decode()}: {data[:400]!r}")
    return data[start + len(name) : data.find(b"\r", start)]


async def generate(spec: Spec) -> Outcome:
    """Send what the specification says and count the answers."""
    run = Run(spec)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: run.fail(repr(context.get("exception") or context)))
    began, worked = time.monotonic(), time.process_time()
    try:
        async with asyncio.timeout(spec.seconds + GRACE_SECONDS):
            for _ in range(spec.connections):
                await loop.create_connection(lambda: Connection(run), "127.0.0.1", spec.port)
            await run.finished
    except TimeoutError:
        run.errors.append(f"{run.working} connections still waited for an answer {GRACE_SECONDS:.0f} s after the end")
    return _outcome(run, began, time.process_time() - worked)


def _outcome(run: Run, began: float, worked: float) -> Outcome:
    seconds, latencies = time.monotonic() - began, sorted(run.latencies)
    return Outcome(
        requests=len(latencies),
        began=began,
        seconds=seconds,
        cpu=time.process_time(),
        statuses={int(status): n for status, n in run.statuses.items()},
        errors=run.errors[:3] or ([] if latencies else ["no answer at all"]),
        busy=worked / seconds,
        p50=_percentile(latencies, 0.5),
        p99=_percentile(latencies, 0.99),
        p999=_percentile(latencies, 0.999),
        longest=_percentile(latencies, 1.0),
        buckets=_buckets(latencies),
        locations=run.locations or [],
    )


def _percentile(latencies: Sequence[int], share: float) -> float:
    return latencies[min(int(len(latencies) * share), len(latencies) - 1)] / 1e6 if latencies else 0.0


def _buckets(latencies: Sequence[int]) -> dict[int, int]:
    return {
        1 << power: sum(1 for _ in group)
        for power, group in itertools.groupby(latencies, lambda n: (n // 1000).bit_length())
    }


def send(spec: Spec) -> Outcome:
    """Run the load in a process of its own, pinned to `spec.core`. Raises SubprocessError where it breaks or hangs."""
    command = [sys.executable, "-m", "bench.load"]
    limit = spec.seconds + GRACE_SECONDS + 10
    finished = subprocess.run(
        command, input=msgspec.json.encode(spec), stdout=subprocess.PIPE, check=True, timeout=limit
    )
    return msgspec.json.decode(finished.stdout, type=Outcome)


def main() -> None:
    """Read a specification, generate the load, write the outcome."""
    import uvloop

    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=Spec)
    os.sched_setaffinity(0, {spec.core})
    gc.disable()
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(generate(spec))))


if __name__ == "__main__":
    main()
