"""What a power cut may leave of a file: all that was synced, and of the rest any part.

A tape takes down every write, truncation and sync of a disk (`fault_vfs.py`). Played back to some moment it gives the
files as they may be found after the power has gone just then: what was written since a file's last sync may be there
or not, in any choice, and the last of it torn within a page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

from tests.store.fault_vfs import Access

SECTOR = 512  # bytes; the least that a disk writes at once

Choice = Callable[[list[Access]], list[Access]]
"""What becomes of the accesses since the last sync of a file."""


def lost(pending: list[Access]) -> list[Access]:
    """Nothing has reached the disk."""
    return []


def kept(pending: list[Access]) -> list[Access]:
    """Everything has."""
    return pending


def torn(random: Random) -> Choice:
    """Some has, and the last of it in part."""

    def choose(pending: list[Access]) -> list[Access]:
        chosen = [access for access in pending if random.random() < 0.5]
        if chosen and chosen[-1].kind == "write":
            sectors = random.randint(0, len(chosen[-1].data) // SECTOR)
            chosen[-1] = chosen[-1]._replace(data=chosen[-1].data[: sectors * SECTOR])
        return chosen

    return choose


class Tape:
    """All accesses in their order; `acknowledged` counts what had been promised before each."""

    def __init__(self) -> None:
        self.accesses: list[Access] = []
        self.acknowledged: list[int] = []
        self.promises = 0

    def __call__(self, access: Access) -> None:
        if access.kind != "open":
            self.accesses.append(access)
            self.acknowledged.append(self.promises)

    def play(self, until: int, choice: Choice, start: Path, into: Path) -> None:
        """Write the files into the folder `into`, as the power leaves them before access number `until`."""
        synced: defaultdict[str, bytearray] = defaultdict(bytearray)
        synced[start.name] = bytearray(start.read_bytes())
        pending: defaultdict[str, list[Access]] = defaultdict(list)
        for access in self.accesses[:until]:
            name = Path(access.file).name
            if access.kind == "sync":
                _apply(synced[name], pending.pop(name, []))
            else:
                pending[name].append(access)
        for name, accesses in pending.items():
            _apply(synced[name], choice(accesses))
        for name, content in synced.items():
            (into / name).write_bytes(content)


def _apply(content: bytearray, accesses: Iterable[Access]) -> None:
    for access in accesses:
        if access.kind == "truncate":
            del content[access.offset :]
        else:
            content.extend(bytes(max(access.offset - len(content), 0)))
            content[access.offset : access.offset + len(access.data)] = access.data
