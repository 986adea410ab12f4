"""After a crash: what is to be seen of the story (`story.py`), compared with what it had acknowledged."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import apsw

from accepted.store.protocol import Store
from accepted.store.sqlite import SqliteStore
from tests.contract.given import accept, key, op_id
from tests.store.asking import ask_one
from tests.store.clock import MovableClock
from tests.store.story import snapshot, steps


async def told(path: Path) -> list[dict[str, Any]]:
    """What is to be seen before the first step of the story, and after each."""
    store = SqliteStore(str(path), clock=MovableClock())
    await store.open()
    seen = [await snapshot(store)]
    async for _, batch in steps(store):
        await store.commit(batch)
        seen.append(await snapshot(store))
    await store.close()
    return seen


async def check(database: Path, expected: list[dict[str, Any]], acknowledged: int) -> None:
    """The file is whole, all that was acknowledged is there, nothing is half done, and life goes on."""
    connection = apsw.Connection(str(database))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    async with contextlib.AsyncExitStack() as stack:
        store = SqliteStore(str(database), clock=MovableClock())
        await store.open()
        stack.push_async_callback(store.close)
        seen = await snapshot(store)
        await _check(store, seen, expected[acknowledged : acknowledged + 2])
    assert not database.with_name(f"{database.name}-wal").exists()


async def _check(store: Store, seen: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert seen in expected  # the commit under way may have come through, but whole
    replay = await ask_one(store, accept(9, key=key()))
    assert replay.replayed == (seen[op_id(1)][0] is not None)
    assert (await ask_one(store, accept(8))).operation.id == op_id(8)
