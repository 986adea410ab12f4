"""One life of a store in a few commits, of every kind that has to survive a crash; told by a process that may die.

    python -m tests.store.story PATH ACKS                 tells it once
    python -m tests.store.story PATH ACKS before|after    tells it again and again in folders PATH/1, PATH/2 ..., the
                                                          N-th time to die before or after the N-th sync, until it ends

Each commit that was acknowledged is noted in ACKS, a line each; a crash is then checked against what was noted. The
clock stands still, so that the same story leaves the same records wherever it is told.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from accepted.contract.operation import Artifact, Result
from accepted.contract.progress import Progress
from accepted.contract.transition import Advance, Expire, Keep, LogEntry, Renew, Report, Retry, Transition
from accepted.store.protocol import Store
from accepted.store.sqlite import SqliteStore
from accepted.store.sqlite_commit import CHECKPOINT_PAGES
from tests.contract.given import DAY, NOW, WARNED, accept, cancel, claim, complete, fail, held, key, op_id, pending
from tests.store.asking import found
from tests.store.clock import MovableClock
from tests.store.fault_vfs import Counting, FaultVfs, die

PATH = "/reports/rpt-1"
CHUNK = b"0123456789abcdef" * 256 * CHECKPOINT_PAGES  # the store checkpoints after it


async def steps(store: Store) -> AsyncIterator[tuple[str, list[Transition]]]:
    """The story, one commit at a time; each is made when the one before has been done."""
    yield "submit", [accept(1, key=key()), accept(2, input=b"[1,2]"), accept(3), accept(6), Renew("w1", DAY, True)]
    yield "claim", [claim(room=4)]
    one, two, three, six = [await found(store, op_id(number)) for number in (1, 2, 3, 6)]
    report = Report(Progress(current=1), WARNED.warnings, (LogEntry(NOW.wall, "INFO", "line"),), b'{"row":1}')
    yield "advance", [held(Keep, one, number=0, data=b"chunk"), held(Advance, two, report=report)]
    artifact = Artifact("text/csv", 5, "0" * 64, 1)
    yield "complete", [complete(one, result=Result(artifact=artifact, path=PATH))]
    yield "cancel", [cancel(two, "enough"), accept(4, retention=0), cancel(pending(id=op_id(4)))]
    yield "stop", [complete(two)]
    yield "fail", [fail(three)]
    yield "retry", [Retry(op_id(3), op_id(5))]
    yield "grow", [held(Keep, six, number=0, data=CHUNK)]
    yield "expire", [Expire()]


async def tell(path: Path, acks: Path, vfs: FaultVfs | None) -> None:
    """All of it, noting what was acknowledged."""
    store = SqliteStore(str(path), clock=MovableClock(), vfs=vfs.name if vfs else None)
    with acks.open("a", encoding="ascii") as noted:
        await store.open()
        async for name, batch in steps(store):
            await store.commit(batch)
            print(name, file=noted, flush=True)
        await store.close()
        print("closed", file=noted, flush=True)


async def snapshot(store: Store) -> dict[str, Any]:
    """Everything that can be seen of the story in a store."""
    seen: dict[str, Any] = {"tally": await store.tally(), "resource": await store.resource("ann", PATH)}
    seen["workers"] = await store.workers()
    for number in range(1, 7):
        id = op_id(number)
        operation, input = await store.operation(id), await store.input(id)
        events, lines = await store.events(id, 0, 99), await store.lines(id, 0, 99)
        chunks = [(len(chunk), chunk[-9:]) async for chunk in store.chunks(id, 1, 0)]
        seen[id] = (operation, input, events, lines, chunks)
    return seen


def tell_until_it_ends(folder: Path, moment: str) -> None:
    """Each telling in a process of its own, which dies at one sync later than the one before."""
    for number in range(1, 100):
        home = folder / str(number)
        home.mkdir()
        process = os.fork()
        if process == 0:
            with FaultVfs() as vfs:
                setattr(vfs, moment, Counting("sync", number, die))
                asyncio.run(tell(home / "accepted.db", home / "acks", vfs))
            os._exit(0)
        _, status = os.waitpid(process, 0)
        if os.WIFEXITED(status):
            sys.exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(tell(Path(sys.argv[1]), Path(sys.argv[2]), None))
    else:
        tell_until_it_ends(Path(sys.argv[1]), sys.argv[3])
