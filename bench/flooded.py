"""One worker, and two owners: one orders now and then and waits for each, alone at first, and then beside the flood of
the other.

The address of the database comes on the command line, with how many operations are asked for, how many are flooded
with, and the core; what each took leaves as JSON on stdout, in milliseconds from the call to the result.
"""

import asyncio
import os
import random
import subprocess
import sys
import time

import msgspec

from accepted import Accepted
from accepted.app import open_store
from accepted.contract.operation import Status, operation_id
from accepted.contract.transition import Accept
from accepted.store.clock import Clock
from bench.server import Broken

WORK_SECONDS = 0.005
PAUSE_SECONDS = 0.02  # on average; at random, or it would always meet the flood at the same moment
SLOTS = 4
BATCH = 1_000
WARM_UP = 20


class Took(msgspec.Struct, frozen=True):
    """Milliseconds of each operation."""

    alone: list[float]
    flooded: list[float]


def run(url: str, asked: int, flood: int, core: int) -> Took:
    """Measure in a process of its own. Raises SubprocessError where it breaks or hangs."""
    command = [sys.executable, "-m", "bench.flooded", url, str(asked), str(flood), str(core)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=120 + flood / 200 + asked / 2)
    return msgspec.json.decode(finished.stdout, type=Took)


async def work() -> None:
    """What takes a few milliseconds, and no processor."""
    await asyncio.sleep(WORK_SECONDS)


async def measure(url: str, asked: int, flood: int) -> Took:
    """Alone, and then flooded. Raises Broken where the flood ended too soon."""
    app = Accepted(database=url, slots=SLOTS)
    app.operation("/work", name="work")(work)
    async with app:
        await _ask(app, WARM_UP)
        alone = await _ask(app, asked)
        store = open_store(app.settings, Clock())
        await store.open()
        for _ in range(0, flood, BATCH):
            await store.commit([_of_the_flood() for _ in range(BATCH)])
        await _ask(app, WARM_UP)
        flooded = await _ask(app, asked)
        left = (await store.tally()).get(("work", Status.PENDING), 0)
        await store.close()
    if not left:
        raise Broken("the flood was over before it was measured")
    return Took(alone, flooded)


async def _ask(app: Accepted, count: int) -> list[float]:
    took = []
    for _ in range(count):
        await asyncio.sleep(random.random() * 2 * PAUSE_SECONDS)
        began = time.perf_counter()
        await (await app.submit("work", owner="ann")).result()
        took.append((time.perf_counter() - began) * 1e3)
    return took


def _of_the_flood() -> Accept:
    id = operation_id(time.time_ns() // 1_000_000, random.getrandbits(74))
    return Accept(id=id, type="work", owner="flood", input=b"null", retention=3_600_000, cancel_grace=2_000)


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[4])})
    print(msgspec.json.encode(asyncio.run(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))).decode())
