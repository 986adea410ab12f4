"""Whose turn it is: owners one after the other, of each the first in its line.

Nothing is kept about turns but who was served last. An owner with a hundred thousand operations and one with a single
one get the same; among the operations of one owner the `turn` decides (`Operation.turn`).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar


class Waits(Protocol):
    """Whatever has a turn."""

    @property
    def owner(self) -> str: ...
    @property
    def turn(self) -> int: ...
    @property
    def id(self) -> str: ...


class Waiting(NamedTuple):
    """As little of an operation as its turn needs."""

    owner: str
    turn: int
    id: str


W = TypeVar("W", bound=Waits)


def lines(waiting: Iterable[W], after: str = "") -> list[deque[W]]:
    """The line of each owner; the owners in the order of their turns, which begin behind `after`."""
    by_owner: defaultdict[str, list[W]] = defaultdict(list)
    for each in waiting:
        by_owner[each.owner].append(each)
    owners = sorted(by_owner, key=lambda owner: (owner <= after, owner))
    return [deque(sorted(by_owner[owner], key=_turn)) for owner in owners]


def in_turn(waiting: Iterable[W], after: str = "") -> list[W]:
    """All of them in the order in which they are served: one of each owner, and again, until all are."""
    found: list[W] = []
    queues = lines(waiting, after)
    while len(queues) > 1:
        found += [queue.popleft() for queue in queues]
        queues = [queue for queue in queues if queue]
    return found + [each for queue in queues for each in queue]


def first_in_turn(owners: Sequence[str], line: Callable[[str, int], list[W]], after: str, wanted: int) -> list[W]:
    """The first `wanted` of these owners, each of which has something in its `line`; little more of it is read."""
    asked: int | None = fair_share(len(owners), wanted)
    found: dict[str, list[W]] = {}
    while asked is not None:
        longest = max(map(len, found.values()), default=0)
        found |= {owner: line(owner, asked) for owner in owners if len(found.get(owner, ())) == longest}
        asked = share({owner: len(some) for owner, some in found.items()}, asked, wanted)
    every = [one for some in found.values() for one in some]
    return (in_turn(every, after) if len(found) > 1 else every)[:wanted]


def share(found: Mapping[str, int], asked: int, wanted: int) -> int | None:
    """How many of each owner have to be loaded for the first `wanted` in turn; None if they are all there.

    `found` is how many there were of each, when at most `asked` of each were loaded, or `fair_share` if that is more.
    """
    missing = wanted - sum(found.values())
    loaded = max(asked, fair_share(len(found), wanted))
    longer = sum(number >= loaded for number in found.values())
    return loaded - (-missing // longer) if missing > 0 and longer else None


def fair_share(owners: int, wanted: int) -> int:
    """What one of so many owners gets of `wanted` places, rounded up."""
    return -(-wanted // owners) if owners else wanted


def _turn(each: Waits) -> tuple[int, str]:
    return each.turn, each.id
