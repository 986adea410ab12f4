"""The power goes, at any moment: what was acknowledged had been synced, and nothing is found by half (D2)."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from accepted.store.sqlite import SqliteStore
from tests.store.aftermath import check, told
from tests.store.clock import MovableClock
from tests.store.fault_vfs import FaultVfs, fine
from tests.store.story import steps
from tests.store.tape import Choice, Tape, kept, lost, torn

MOMENTS = 36  # of some thousand; each costs a database


async def recorded(path: Path) -> Tape:
    """The story on a disk that takes everything down, from an empty database on."""
    tape = Tape()
    with FaultVfs() as disk:
        store = SqliteStore(str(path), clock=MovableClock(), vfs=disk.name)
        await store.open()
        disk.before = tape
        async for _, batch in steps(store):
            await store.commit(batch)
            tape.promises += 1
        await store.commit([])  # its turn comes after the last checkpoint
        disk.before = fine
        await store.close()
    return tape


def moments(tape: Tape, random: Random) -> list[int]:
    """Before and after every sync, and some in between."""
    syncs = [number for number, access in enumerate(tape.accesses) if access.kind == "sync"]
    around = {number + shift for number in syncs for shift in (0, 1)}
    return sorted(around | set(random.sample(range(len(tape.accesses)), MOMENTS - len(around))))


async def empty(path: Path) -> Path:
    """A database with its tables and nothing in them."""
    store = SqliteStore(str(path), clock=MovableClock())
    await store.open()
    await store.close()
    return path


@pytest.mark.parametrize("choice", [lost, kept, torn(Random(0))], ids=["lost", "kept", "torn"])
async def test_it_recovers_from_a_power_cut_at_any_moment(choice: Choice, tmp_path: Path) -> None:
    expected = await told(tmp_path / "told.db")
    for name in ("start", "disk"):
        (tmp_path / name).mkdir()
    await empty(tmp_path / "disk" / "accepted.db")
    start = await empty(tmp_path / "start" / "accepted.db")
    tape = await recorded(tmp_path / "disk" / "accepted.db")
    assert tape.promises == len(expected) - 1
    for moment in moments(tape, Random(1)):
        home = tmp_path / str(moment)
        home.mkdir()
        tape.play(moment, choice, start, home)
        promised = tape.acknowledged[moment] if moment < len(tape.accesses) else tape.promises
        await check(home / "accepted.db", expected, promised)


async def test_a_disk_that_lies_about_its_syncs_is_found_out(tmp_path: Path) -> None:
    """That the test above would notice: without the syncs, something that was promised is lost."""
    expected = await told(tmp_path / "told.db")
    for name in ("start", "disk", "home"):
        (tmp_path / name).mkdir()
    await empty(tmp_path / "disk" / "accepted.db")
    start = await empty(tmp_path / "start" / "accepted.db")
    tape = await recorded(tmp_path / "disk" / "accepted.db")
    tape.accesses = [access for access in tape.accesses if access.kind != "sync"]
    tape.play(len(tape.accesses), lost, start, tmp_path / "home")
    with pytest.raises(AssertionError):
        await check(tmp_path / "home" / "accepted.db", expected, tape.promises)
