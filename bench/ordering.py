"""One program that orders operations one after the other: with the client, or by hand with the same requests.

By hand means httpx2: submit with a key, read the stream until the last event, fetch the result, and no answer for
anything that goes wrong. The specification comes on the command line; what it took leaves as JSON on stdout.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable

import httpx2
import msgspec

from accepted import AsyncClient, Client
from bench import ours

WARM_UP = 20


class Took(msgspec.Struct, frozen=True):
    """Microseconds of each operation: of the clock, and of this program's own processor time."""

    wall_us: float
    cpu_us: float


def run(how: str, port: int, count: int, core: int) -> Took:
    """Order so many operations in a process of its own. Raises SubprocessError where it breaks or hangs."""
    command = [sys.executable, "-m", "bench.ordering", how, str(port), str(count), str(core)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60 + count / 20)
    return msgspec.json.decode(finished.stdout, type=Took)


def by_hand(url: str, count: int) -> Took:
    """What a program would write that hopes for the best."""
    body = ours.BODY.encode()
    with httpx2.Client() as http:

        def one() -> None:
            headers = {"content-type": "application/json", "idempotency-key": f'"{uuid.uuid4().hex}"'}
            status = http.post(f"{url}/noop", content=body, headers=headers).json()["statusUrl"]
            with http.stream("GET", f"{url}{status}/stream", headers={"accept": "text/event-stream"}) as stream:
                lines = iter(stream.iter_lines())
                while next(lines) != "event: completed":
                    pass
                document = json.loads(next(lines).removeprefix("data: "))
            assert http.get(f"{url}{document['result']['url']}").json() == {"done": True}

        return _timed(one, count)


def blocking(url: str, count: int) -> Took:
    """The same with the client."""
    body = json.loads(ours.BODY)
    with Client(url) as client:

        def one() -> None:
            assert client.submit("/noop", body).result() == {"done": True}

        return _timed(one, count)


def by_hand_asynchronous(url: str, count: int) -> Took:
    """The same by hand with httpx2's asynchronous client."""
    body = ours.BODY.encode()

    async def one(http: httpx2.AsyncClient) -> None:
        headers = {"content-type": "application/json", "idempotency-key": f'"{uuid.uuid4().hex}"'}
        status = (await http.post(f"{url}/noop", content=body, headers=headers)).json()["statusUrl"]
        async with http.stream("GET", f"{url}{status}/stream", headers={"accept": "text/event-stream"}) as stream:
            lines = aiter(stream.aiter_lines())
            while await anext(lines) != "event: completed":
                pass
            document = json.loads((await anext(lines)).removeprefix("data: "))
        assert (await http.get(f"{url}{document['result']['url']}")).json() == {"done": True}

    async def all_of_them() -> Took:
        async with httpx2.AsyncClient() as http:
            return await _timed_on_a_loop(lambda: one(http), count)

    return asyncio.run(all_of_them())


def asynchronous(url: str, count: int) -> Took:
    """The same with the asynchronous client."""
    body = json.loads(ours.BODY)

    async def all_of_them() -> Took:
        async with AsyncClient(url) as client:

            async def one() -> None:
                assert await (await client.submit("/noop", body)).result() == {"done": True}

            return await _timed_on_a_loop(one, count)

    return asyncio.run(all_of_them())


def _timed(one: Callable[[], None], count: int) -> Took:
    for _ in range(WARM_UP):
        one()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        one()
    return _took(wall, cpu, count)


async def _timed_on_a_loop(one: Callable[[], Awaitable[None]], count: int) -> Took:
    for _ in range(WARM_UP):
        await one()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        await one()
    return _took(wall, cpu, count)


def _took(wall: float, cpu: float, count: int) -> Took:
    return Took((time.perf_counter() - wall) / count * 1e6, (time.process_time() - cpu) / count * 1e6)


HOW: dict[str, Callable[[str, int], Took]] = {
    "blocking by hand": by_hand,
    "blocking": blocking,
    "asynchronous by hand": by_hand_asynchronous,
    "asynchronous": asynchronous,
}


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[4])})
    sys.stdout.buffer.write(msgspec.json.encode(HOW[sys.argv[1]](f"http://127.0.0.1:{sys.argv[2]}", int(sys.argv[3]))))
