"""Death at every single sync of a store's life: what was acknowledged is there, and nothing is half done (D1, D2).

Once with a disk under SQLite that ends the process, before and after it syncs, and once more without our doing, by
strace.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from accepted.store.sqlite import SqliteStore
from tests.programs import program
from tests.store.aftermath import check, told
from tests.store.children import Child
from tests.store.clock import MovableClock

STORY = "tests.store.story"
METHODS = ["before", "after", "strace"]


async def by_vfs(folder: Path, moment: str) -> AsyncIterator[Path]:
    """Folders in which the story was told up to some sync; in the last one to its end."""
    with Child(STORY, folder, "acks", moment) as child:
        assert child.ended() == 0
    for home in in_order(folder):
        yield home


def in_order(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda home: int(home.name))


async def by_strace(folder: Path) -> AsyncIterator[Path]:
    """The same. It counts the syncs of each thread apart, so the file is there before: then only one thread syncs."""
    for number in range(1, 100):
        home = folder / str(number)
        home.mkdir()
        store = SqliteStore(str(home / "accepted.db"), clock=MovableClock())
        await store.open()
        await store.close()
        inject = f"inject=fdatasync,fsync:signal=KILL:when={number}"
        tracing = ("-o", str(folder / "trace"), "-e", "trace=fdatasync,fsync", "-e", inject)
        strace = (program("strace"), "-f", "-qq", *tracing)
        with Child(STORY, home / "accepted.db", home / "acks", prefix=strace) as child:
            status = child.ended()
        yield home
        if status == 0:
            return


@pytest.mark.parametrize("method", METHODS)
async def test_it_recovers_from_death_at_any_sync(method: str, tmp_path: Path) -> None:
    expected = await told(tmp_path / "told.db")
    homes = tmp_path / "homes"
    homes.mkdir()
    acknowledged = []
    async for home in by_strace(homes) if method == "strace" else by_vfs(homes, method):
        acks = (home / "acks").read_text(encoding="ascii").split()
        acknowledged.append(len(acks))
        await check(home / "accepted.db", expected, len(acks) - ("closed" in acks))
    # Tidying up syncs as well, and while it does the last acknowledgement is still on its way, or is not.
    assert all(later >= earlier - 1 for earlier, later in pairwise(acknowledged))
    assert set(acknowledged) >= {
        *range(len(expected) - 1),
        len(expected),
    }  # it died in every commit, and in the end in none
