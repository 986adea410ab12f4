"""The commit on SQLite: begin, load what the batch needs, fold, save what changed, commit (house, section 5).

`Recorder` is synchronous and belongs to one thread at a time; a thread of this process or a process of its own drives
it. After any failure the connection is thrown away: what a failed fsync has left behind is never built upon
(guarantee D5).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, islice
from typing import Any

import apsw
import msgspec

from ..contract.delivery import Delivery, DeliveryStatus
from ..contract.fold import fold
from ..contract.ledger import Changes, needs, place_of
from ..contract.operation import SUCCEEDED, Now, Operation
from ..contract.statistic import KEPT_MINUTES, MINUTE
from ..contract.transition import Transition
from .clock import Clock
from .protocol import Committed, StoreUnavailable, Work, hints_of
from .sqlite_batch import write
from .sqlite_load import load
from .sqlite_schema import BUSY_TIMEOUT, SQL, connect, migrate, unavailable
from .turnstile import Turnstile

CHECKPOINT_PAGES = 4000  # 16 MiB of WAL; a quarter more throughput than 2000 and no slower slowest commit
ERASE_EVERY = 1.0  # seconds between two times that the WAL is emptied
DURATION_SLOTS = 64
DURATIONS_A_COMMIT = 4
_slots = count(random.randrange(DURATION_SLOTS))  # one after the other: by the time, a period of 64 ms would hit one
NOTHING = b"null"  # an input that is not worth a row

_encode = msgspec.json.encode


class Recorder:
    """The writing connection to one file."""

    def __init__(self, path: str, clock: Clock, *, vfs: str | None = None) -> None:
        self.path = path
        try:
            self.turnstile = Turnstile(path)
        except OSError as error:
            raise StoreUnavailable(f"cannot open the database {path}: {error.strerror}") from error
        self._clock = clock
        self._vfs = vfs
        self._connection: apsw.Connection | None = None
        self._wal_pages = 0
        self._erasing = False
        self._erased_at = -ERASE_EVERY

    def open(self) -> None:
        """Connect and migrate, so that trouble shows at the start."""
        with self.turnstile:
            self._connected()

    def commit(self, batch: Sequence[Transition]) -> Committed:
        """One durable transaction; the caller holds the turnstile."""
        try:
            with unavailable():
                return self._committed(self._connected(), list(batch))
        except BaseException:
            self._disconnect()
            raise

    def tidy(self) -> None:
        """Checkpoint when the WAL has grown, in a turn of its own: without the turnstile it would be busy, and the WAL
        never wrap. And empty it when something has expired: what was deleted from the file still stood there.
        """
        erasing = self._erasing and time.monotonic() - self._erased_at > ERASE_EVERY
        if self._connection is None or not (erasing or self._wal_pages > CHECKPOINT_PAGES):
            return
        with self.turnstile:
            try:
                if erasing:
                    self._erase(self._connection)
                else:
                    self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                    self._wal_pages = 0
            except apsw.Error:
                self._disconnect()

    def _erase(self, connection: apsw.Connection) -> None:
        """Leave nothing in the WAL (guarantee R4). A reader may be in the way: then another time, for nobody waits."""
        self._erased_at = time.monotonic()
        connection.set_busy_timeout(0)
        try:
            ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.set_busy_timeout(BUSY_TIMEOUT)
        if not busy:
            self._erasing, self._wal_pages = False, 0

    def close(self) -> None:
        """Leave a file without a WAL behind where nobody else has it open."""
        self._disconnect()
        self.turnstile.close()

    def _connected(self) -> apsw.Connection:
        if self._connection is None:
            connection = connect(self.path, vfs=self._vfs)
            migrate(connection, self._clock)
            connection.set_wal_hook(self._note_wal)
            self._connection = connection
        return self._connection

    def _note_wal(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._wal_pages = pages
        return 0  # SQLITE_OK

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(force=True)

    def _committed(self, connection: apsw.Connection, batch: list[Transition]) -> Committed:
        connection.execute("BEGIN IMMEDIATE")
        now = self._clock.now()
        changes = fold(batch, load(connection, needs(batch), now), now)
        save(connection, changes, now)
        work = _work(connection, changes)
        connection.execute("COMMIT")
        self._erasing = self._erasing or bool(changes.buried)
        return Committed(
            outcomes=changes.outcomes,
            operations=(*changes.created.values(), *changes.changed.values()),
            events=changes.events,
            work=work,
            expired=changes.buried,
            hints=hints_of(changes),
        )


# --- save


def save(connection: apsw.Connection, changes: Changes, now: Now) -> None:
    """Everything that the batch has changed."""
    many = partial(write, connection)
    many("insert_operation", [(o.owner, o.type, *_row(o)) for o in changes.created.values()])
    many("move_operation", [_row(operation) for id, operation in changes.changed.items() if id in changes.moved])
    unmoved = ((id, operation) for id, operation in changes.changed.items() if id not in changes.moved)
    many("update_operation", [(_encode(operation), id) for id, operation in unmoved])
    many("insert_event", [(e.operation_id, e.sequence, _encode(e)) for e in changes.events])
    for compacted in changes.compacted.items():
        connection.execute(SQL["compact_events"], compacted)
    _save_payloads(connection, changes)
    _save_workers(connection, changes, now)
    for id, attempt in changes.dropped_chunks.items():
        connection.execute(SQL["drop_chunks"], (id, attempt))
    many("add_to_tally", [(*group, number) for group, number in changes.tally.items() if number])
    _save_durations(connection, changes)
    if changes.statistics:
        many("put_statistic", [(*row[:4], _encode(row.tallies)) for row in changes.statistics.values()])
        connection.execute(SQL["drop_statistics"], (now.wall // MINUTE - KEPT_MINUTES,))
    if changes.buried:
        _bury(connection, changes, now)
    if changes.forget is not None:
        connection.execute(SQL["forget_resources"], changes.forget)
        connection.execute(SQL["forget_tombstones"], changes.forget)
        connection.execute(SQL["forget_keys"], (now.wall, changes.forget[1]))


def _row(operation: Operation) -> tuple[Any, ...]:
    settling = operation.cancellation if operation.worker is not None else None
    return (
        operation.status,
        *place_of(operation),
        operation.worker,
        settling.settle_at if settling else None,
        operation.expires_at if not operation.undelivered else None,
        _encode(operation),
        operation.id,
    )


def _save_payloads(connection: apsw.Connection, changes: Changes) -> None:
    many = partial(write, connection)
    many("put_payload", [(id, "input", body) for id, body in changes.inputs.items() if body != NOTHING])
    if changes.webhooks:
        many("put_payload", [(id, "webhook", _encode(webhook)) for id, webhook in changes.webhooks.items()])
    many("copy_input", list(changes.copied_inputs.items()))
    if changes.deliveries:
        many("put_delivery", [_delivery_row(delivery) for delivery in changes.deliveries.values()])
    many("put_payload", [(id, "checkpoint", body) for id, body in changes.checkpoints.items()])
    many("put_chunk", changes.chunks)
    many("insert_line", [(id, line.line, _encode(line)) for id, line in changes.lines])
    many("put_key", [(*key, *row) for key, row in changes.keys.items()])
    many("put_resource", [(*path, id) for path, id in changes.resources.items()])


def _delivery_row(delivery: Delivery) -> tuple[Any, ...]:
    due_at = delivery.due_at if delivery.status is DeliveryStatus.PENDING else None
    return delivery.operation_id, delivery.id, delivery.host, due_at, _encode(delivery)


def _save_workers(connection: apsw.Connection, changes: Changes, now: Now) -> None:
    for id, (until, about) in changes.leases.items():
        connection.execute(SQL["put_lease"], (id, until, _encode(about)))
        connection.execute(SQL["drop_lost_workers"], (now.tick - 60_000,))
    for id in changes.resigned:
        connection.execute(SQL["drop_worker"], (id,))


def _save_durations(connection: apsw.Connection, changes: Changes) -> None:
    """A sample is enough: a busy commit has seen hundreds of runs, and the table keeps the last few dozen."""
    ended = (o for e in changes.events if e.status in SUCCEEDED and (o := changes.changed.get(e.operation_id)))
    rows = [
        (operation.type, next(_slots) % DURATION_SLOTS, (operation.ended_at or 0) - operation.attempt_at)
        for operation in islice(ended, DURATIONS_A_COMMIT)
        if operation.attempt_at is not None
    ]
    write(connection, "put_duration", rows)


def _bury(connection: apsw.Connection, changes: Changes, now: Now) -> None:
    many = partial(write, connection)
    ids = [(tombstone.id,) for tombstone in changes.buried]
    for name in ("drop_operation", "drop_events", "drop_payloads", "drop_lines", "drop_deliveries"):
        many(name, ids)
    many("drop_chunks", [(id, -1) for (id,) in ids])
    many("insert_tombstone", [tuple(tombstone) for tombstone in changes.buried])
    many("free_key", [(now.wall, *key, id) for key, id in changes.freed_keys])


def _work(connection: apsw.Connection, changes: Changes) -> dict[str, Work]:
    """What the attempts that were just claimed start from."""
    work = {id: Work(changes.created[id], body, None) for id, body in _fresh_inputs(changes)}
    older = [id for id in changes.claimed if id not in work]
    if older:
        bodies = {
            (id, name): body for id, name, body in connection.execute(SQL["payloads"], (_encode(older).decode(),))
        }
        for id in older:
            operation = changes.changed.get(id) or changes.created[id]
            work[id] = Work(operation, bodies.get((id, "input"), NOTHING), bodies.get((id, "checkpoint")))
    return work


def _fresh_inputs(changes: Changes) -> Iterator[tuple[str, bytes]]:
    """Of those that were claimed in the commit that made them."""
    return ((id, changes.inputs[id]) for id in changes.claimed if id in changes.inputs and id in changes.created)
