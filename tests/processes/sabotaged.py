"""The menu in a build with a promise sawn through. TEST_SABOTAGE names the saws, none or several, separated by commas.

They stand here and nowhere in the product: `accepted serve tests.processes.sabotaged:app` is the same program with some
of its functions replaced before anything runs. Some saws break nothing by themselves: they are the bad luck that a
promise has to withstand, and tests use them alone to show that it does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from accepted.contract import fold, lifecycle
from accepted.contract.event import Event
from accepted.contract.operation import Now
from accepted.contract.transition import (
    Accept,
    Accepted,
    Advance,
    Complete,
    Fail,
    Held,
    Keep,
    Release,
    Stop,
    Transition,
)
from accepted.engine import worker
from accepted.engine.committer import Committer
from accepted.engine.runner import Reason, Run
from accepted.store import postgres, postgres_commit, postgres_hints, postgres_read
from accepted.store.protocol import Hint
from tests.processes.menu import app

__all__ = ["app"]

LATE = 0.5  # seconds
NEVER = 3600.0


def _replaced(what: Any) -> Any:
    """The same, as something that may be sawn at."""
    return what


# --- bad luck


def deaf() -> None:
    """A worker that does not notice that it has lost its lease, as one that is frozen again and again would not."""
    stop = Run.stop
    _replaced(Run).stop = lambda run, reason: None if reason is Reason.LOST else stop(run, reason)


def slow() -> None:
    """This process commits late: its rows are written and locked long before anybody can see them."""
    recipe = _replaced(postgres_commit)
    finish = recipe.finish

    async def late(connection: Any, *told: Any) -> None:
        await asyncio.sleep(LATE)
        await finish(connection, *told)

    recipe.finish = late


def lossy() -> None:
    """Every hint that tells of an end is lost on its way."""
    payloads = postgres_hints.payloads

    def without_ends(name: str, hints: Sequence[Hint]) -> list[str]:
        kept = [hint for hint in hints if str(hint.status) in {"PENDING", "PROCESSING"}]
        return payloads(name, kept) if kept else []

    postgres_hints.payloads = without_ends


# --- sabotage


def unfenced() -> None:
    """Whoever held an operation once may write to it."""
    lifecycle._check_fence = lambda operation, held: None
    for kind in (Advance, Keep, Complete, Fail, Release, Stop):
        fold._DECISIONS[kind] = _in_time(fold._DECISIONS[kind])


def _in_time(decide: Any) -> Any:
    def decided(folding: Any, held: Held) -> Any:
        folding.facts.leases[held.worker] = folding.now.tick + 1
        return decide(folding, held)

    return decided


def early() -> None:
    """202 before the commit."""
    commit = Committer.commit

    def answered(committer: Committer, transition: Transition) -> asyncio.Future[Any]:
        if not isinstance(transition, Accept):
            return commit(committer, transition)
        loop = asyncio.get_running_loop()
        loop.call_later(LATE, commit, committer, transition)
        future = loop.create_future()
        now = Now(wall=1_800_000_000_000, tick=0)
        future.set_result(Accepted(lifecycle.accepted(transition, now)))
        return future

    _replaced(Committer).commit = answered


def blind() -> None:
    """NOTIFY and nothing else: no look behind it."""

    async def never(store: postgres.PostgresStore) -> None:
        await asyncio.sleep(NEVER)

    _replaced(postgres.PostgresStore)._look = never
    worker.LOOK_INTERVAL = NEVER


def cursor() -> None:
    """News by one number over all operations, in the order of the inserts; that of the commits is another."""
    last = 0

    async def news(reader: postgres_read.Reader, after: Mapping[str, int], limit: int) -> list[Event]:
        nonlocal last
        async with reader._pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT number, record FROM accepted.event WHERE number > $1 ORDER BY number", last
            )
        last = max([last, *(number for number, _ in rows)])
        events = [postgres_read._decode_event(record) for _, record in rows]
        return [event for event in events if event.operation_id in after]

    _replaced(postgres_read.Reader).news = news


SAWS: dict[str, Callable[[], None]] = {saw.__name__: saw for saw in (deaf, slow, lossy, unfenced, early, blind, cursor)}

for name in filter(None, os.environ.get("TEST_SABOTAGE", "").split(",")):
    SAWS[name]()
