"""Another process on the same database, as a test needs it.

python -m tests.store.neighbour commit PATH COUNT FIRST    commits COUNT submits one after the other, from id FIRST;
                                                           prints when ready, waits for a line, then prints the
                                                           longest commit and when it began and ended, in seconds
python -m tests.store.neighbour work PATH                  a worker with a scribe that renews its lease for ever;
                                                           prints the scribe's pid and then a line for each renewal
python -m tests.store.neighbour hold PATH                  takes the turnstile, says so and keeps it
python -m tests.store.neighbour wait PATH                  says so and stands in line for the turnstile
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from accepted.contract.transition import Renew
from accepted.store.sqlite import SqliteStore
from accepted.store.turnstile import Turnstile
from tests.contract.given import DAY, accept
from tests.store.children import scribe_of


def say(*words: object) -> None:
    print(*words, flush=True)


def listen() -> None:
    """Until the test says so, or is gone."""
    sys.stdin.readline()


async def commit(path: str, count: int, first: int) -> None:
    store = SqliteStore(path)
    await store.open()
    say("ready")
    listen()
    longest, began = 0.0, time.monotonic()
    for number in range(first, first + count):
        start = time.monotonic()
        await store.commit([accept(number)])
        longest = max(longest, time.monotonic() - start)
    say(longest, began, time.monotonic())
    await store.close()


async def work(path: str) -> None:
    store = SqliteStore(path, apart=True)
    await store.open()
    say(scribe_of(Path(path), os.getpid()))
    while True:
        await store.commit([Renew("neighbour", DAY, first=True)])
        say("renewed")


def hold(path: str) -> None:
    with Turnstile(path):
        say("held")
        listen()


def wait(path: str) -> None:
    turnstile = Turnstile(path)
    say("waiting")
    with turnstile:
        say("held")
        listen()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["commit", path, count, first]:
            asyncio.run(commit(path, int(count), int(first)))
        case ["work", path]:
            asyncio.run(work(path))
        case ["hold", path]:
            hold(path)
        case ["wait", path]:
            wait(path)
