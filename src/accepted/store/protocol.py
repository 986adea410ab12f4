"""What a store promises. The docstrings here are the specification; `tests/store` holds every store to them.

Times are milliseconds since the epoch. All methods belong to the event loop that called `open`; once that has ended,
`commit` and `close` may be called on another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from ..contract.credential import ApiKey, Ticket
from ..contract.delivery import Delivery
from ..contract.event import Event
from ..contract.ledger import Changes, Tombstone
from ..contract.operation import LogLine, Now, Operation, Status
from ..contract.problem import Refusal
from ..contract.statistic import StatisticRow
from ..contract.transition import Transition
from ..contract.webhook import Registration

OWNERS_SEEN = 1000


class StoreUnavailable(Exception):
    """The store cannot commit or read now; nothing of the batch is stored. It may work again without a restart."""


class StoreFull(StoreUnavailable):
    """There is no room left for what was to be written."""


class FateUnknown(StoreUnavailable):
    """Unlike its parent: the batch may be stored, and the store could not find out."""


class Hint(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """That an operation has changed, and just enough to know whom it concerns.

    A hint is never the data; it may be lost.
    """

    operation_id: str
    type: str
    status: Status
    worker: str | None = None
    due_at: int = 0
    cancelling: bool = False
    attempt: int = 0
    sequence: int = 0
    delivering: bool = False
    """Whether a delivery of this operation has become due."""


class Work(NamedTuple):
    """A claimed operation with what its attempt starts from: the input, and the checkpoint of an earlier attempt."""

    operation: Operation
    input: bytes
    checkpoint: bytes | None


class Committed(msgspec.Struct, frozen=True):
    """What a commit has done, durably.

    `outcomes` has one entry for each transition, in order: its value, or the `Refusal`. `operations` are all that are
    new or changed, as they are now; `work` has an entry for each operation that was claimed.
    """

    outcomes: Sequence[Any | Refusal]
    operations: Sequence[Operation]
    events: Sequence[Event]
    work: Mapping[str, Work]
    expired: Sequence[Tombstone]
    hints: Sequence[Hint]


class Selection(msgspec.Struct, frozen=True):
    """Which operations to list: newest first, strictly older than the id `before` and newer than `since`; None does not
    filter.
    """

    owner: str | None
    types: tuple[str, ...] | None = None
    statuses: tuple[Status, ...] | None = None
    before: str | None = None
    skip: int = 0
    limit: int = 10
    since: str = ""


class WorkerRow(NamedTuple):
    """A registered worker; `alive` by the store's clock, `about` is what it said of itself."""

    id: str
    alive: bool
    about: Mapping[str, Any]


class Credentials(Protocol):
    """Who may come in. These are no operations, so their changes are no transitions; each is durable when it returns.

    All methods raise `StoreUnavailable`.
    """

    async def keys(self, after: int = 0) -> list[ApiKey]:
        """Keys that were added or changed since a revision, in the order of theirs. Nobody who asks again and again, on
        whatever node, misses a change. Keys are never forgotten: once there is one, there always is.
        """

    async def add_key(self, key: ApiKey) -> None:
        """Keep a new key."""

    async def change_key(self, id: str, change: Callable[[ApiKey], ApiKey]) -> ApiKey | None:
        """Keep what `change` makes of a key; None where there is none. Two changes of one key follow one another."""

    async def add_ticket(self, digest: bytes, ticket: Ticket) -> None:
        """Keep a ticket under the digest of its text."""

    async def take_ticket(self, digest: bytes) -> Ticket | None:
        """The ticket, unless its time is over; to one asker alone over all nodes, and only once."""


class Store(Protocol):
    """A home of operations."""

    @property
    def credentials(self) -> Credentials:
        """The keys and tickets that are kept beside them."""

    async def open(self) -> None:
        """Connect, and bring the schema up to date where that is safe to do unasked. Raises `StoreUnavailable`."""

    async def close(self) -> None:
        """Let go of everything. Commits that have begun are finished first."""

    async def commit(self, batch: Sequence[Transition]) -> Committed:
        """Decide and store the whole batch in one durable transaction (guarantee D1).

        Raises `StoreUnavailable` when nothing could be stored, `FateUnknown` when that is not known; any other
        exception means that some transition is bad, and again that nothing was stored.
        """

    async def operation(self, id: str, owner: str | None = None) -> Operation | Tombstone | None:
        """The operation with this id as last committed anywhere, or what is left of it; with an `owner` only theirs.

        What is somebody else's takes as long as what never was.

        "Last" is judged when the event loop began its present turn with reading, at the earliest.
        """

    async def input(self, id: str) -> bytes | None:
        """The input it was submitted with."""

    async def operations(self, selection: Selection) -> list[Operation]:
        """A page of operations. Its cost does not grow with how many there are in all."""

    async def count(self, selection: Selection) -> int:
        """How many there are in all, whatever `before`, `since`, `skip` and `limit` are; as cheap as a
        page.
        """

    async def tally(self, owner: str | None = None) -> dict[tuple[str, Status], int]:
        """How many operations there are, by (type, status), of one owner or of all."""

    async def events(self, id: str, after: int, limit: int) -> list[Event]:
        """Events of one operation with a sequence greater than `after`, in order."""

    async def news(self, after: Mapping[str, int], limit: int) -> list[Event]:
        """Events of several operations, of each those with a sequence greater than its own number, in order; of at
        most `limit` in all, those of an operation are its first.
        """

    async def lines(self, id: str, after: int, limit: int) -> list[LogLine]:
        """Lines of its log with a number greater than `after`, in order."""

    async def deliveries(self, id: str) -> list[Delivery]:
        """The deliveries of one operation in the order of their events."""

    async def webhook(self, id: str) -> Registration | None:
        """Where deliveries of this operation go, secrets included: for who sends them, and for nobody else."""

    async def next_delivery(self) -> int | None:
        """When the first of all pending deliveries is due; cheap enough to be asked all the time."""

    async def resource(self, owner: str, name: str) -> str | None:
        """The id of the operation whose result has this name (`ledger.resource_name` of its path); known until the
        tombstone goes.
        """

    def chunks(self, id: str, attempt: int, first: int) -> AsyncIterator[bytes]:
        """The chunks of an artifact from number `first` (0 is the first) on."""

    async def queue(self, type: str, limit: int) -> list[str]:
        """Ids of operations of a type that wait for nothing but their turn, in the order of their turns.

        Where several owners wait it is the order in which a claim takes them that has served none of them before.
        Those that wait for a date or for a place in their group have no turn yet.
        """

    async def oldest_due(self) -> dict[str, int]:
        """For each type with such operations, or with some that wait for a date: since when the first of them has been
        due, of those that stand first in the lines of the first `OWNERS_SEEN` owners.
        """

    async def durations(self, type: str) -> list[float]:
        """Seconds that recent successful runs of a type took, in no order; survives the expiry of the operations."""

    async def workers(self) -> list[WorkerRow]:
        """All workers that have registered and not resigned."""

    async def running(self, limit: int) -> list[Operation]:
        """Operations that workers hold, at most so many; its cost does not grow with how many there are besides."""

    async def statistics(self, scope: str, since: int) -> list[StatisticRow]:
        """What all processes have counted for a scope since a minute (of the epoch), in no order; the last two hours of
        it are kept.
        """

    async def now(self) -> Now:
        """The time by the store's clock."""

    def hints(self) -> AsyncIterator[Sequence[Hint] | None]:
        """What other processes have committed, as it happens; None for "anything may have changed".

        Ends with `close`.
        """


def hint_of(operation: Operation, *, delivering: bool = False) -> Hint:
    """What there is to tell about an operation."""
    return Hint(
        operation.id,
        operation.type,
        operation.status,
        operation.worker,
        operation.due_at,
        operation.cancellation is not None and operation.ended_at is None,
        operation.attempt,
        operation.sequence,
        delivering,
    )


def hints_of(changes: Changes) -> list[Hint]:
    """The hints that follow from a commit."""
    hints = [
        hint_of(operation, delivering=operation.id in changes.summons)
        for operation in (*changes.created.values(), *changes.changed.values())
    ]
    known = changes.created.keys() | changes.changed.keys() if changes.summons else ()
    return hints + [hint_of(o, delivering=True) for o in changes.summons.values() if o.id not in known]
