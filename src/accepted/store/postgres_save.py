"""What a batch has changed, written on PostgreSQL: one statement for each table, its rows as arrays.

Rows that two commits may both want and have not locked before come last and in one order: keys, durations, resources,
and the tally, whose rows are the most wanted of all.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Any

import msgspec

from ..contract.delivery import Delivery, DeliveryStatus
from ..contract.ledger import Changes, KeyId, place_of
from ..contract.operation import SUCCEEDED, Now, Operation
from ..contract.statistic import KEPT_MINUTES, MINUTE
from .postgres_schema import SQL
from .protocol import Work

STRIPES = 16  # of the tally: so many stores count without waiting for each other
DURATION_SLOTS = 64
DURATIONS_A_COMMIT = 4
_slots = count(random.randrange(DURATION_SLOTS))  # one after the other: by the time, a period of 64 ms would hit one
LOST_FOR = 60_000  # ms until a worker that is silent and holds nothing is forgotten
NOTHING = b"null"  # an input that is not worth a row

_encode = msgspec.json.encode

Rows = Sequence[tuple[Any, ...]]


async def save(connection: Any, changes: Changes, now: Now, *, known: frozenset[KeyId], stripe: int) -> None:
    """Everything that the batch has changed; `known` are the keys that there were before."""
    await _write(connection, "insert_operation", [(o.owner, o.type, *_row(o)) for o in changes.created.values()])
    moved = [_row(operation) for id, operation in changes.changed.items() if id in changes.moved]
    await _write(connection, "move_operation", moved)
    unmoved = [(_encode(operation), id) for id, operation in changes.changed.items() if id not in changes.moved]
    await _write(connection, "update_operation", unmoved)
    await _write(connection, "insert_event", [(e.operation_id, e.sequence, _encode(e)) for e in changes.events])
    await _write(connection, "compact_events", list(changes.compacted.items()))
    await _save_payloads(connection, changes)
    await _write(connection, "drop_chunks", list(changes.dropped_chunks.items()))
    await _save_workers(connection, changes, now)
    await _save_shared(connection, changes, known)
    if changes.statistics:
        rows = [(*row[:4], _encode(row.tallies)) for row in changes.statistics.values()]
        await _write(connection, "put_statistic", rows)
        await connection.execute(SQL["drop_statistics"], now.wall // MINUTE - KEPT_MINUTES)
    if changes.buried:
        await _bury(connection, changes, now)
    if changes.forget is not None:
        await connection.execute(SQL["forget_resources"], *changes.forget)
        await connection.execute(SQL["forget_tombstones"], *changes.forget)
        await connection.execute(SQL["forget_keys"], now.wall, changes.forget[1])
    await _write(
        connection, "add_to_tally", [(*group, number) for group, number in changes.tally.items() if number], stripe
    )


async def _write(connection: Any, name: str, rows: Rows, *further: Any) -> None:
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(SQL[name], *columns, *further)


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


async def _save_payloads(connection: Any, changes: Changes) -> None:
    payloads = [(id, "input", body) for id, body in changes.inputs.items() if body != NOTHING]
    payloads += [(id, "webhook", _encode(webhook)) for id, webhook in changes.webhooks.items()]
    payloads += [(id, "checkpoint", body) for id, body in changes.checkpoints.items()]
    await _write(connection, "put_payload", payloads)
    await _write(connection, "copy_input", list(changes.copied_inputs.items()))
    await _write(connection, "put_delivery", [_delivery_row(delivery) for delivery in changes.deliveries.values()])
    chunks = {tuple(place): body for *place, body in changes.chunks}  # the last word on each
    await _write(connection, "put_chunk", [(*place, body) for place, body in chunks.items()])
    await _write(connection, "insert_line", [(id, line.line, _encode(line)) for id, line in changes.lines])


def _delivery_row(delivery: Delivery) -> tuple[Any, ...]:
    due_at = delivery.due_at if delivery.status is DeliveryStatus.PENDING else None
    return delivery.operation_id, delivery.id, delivery.host, due_at, _encode(delivery)


async def _save_workers(connection: Any, changes: Changes, now: Now) -> None:
    if changes.leases:
        rows = [(id, until, _encode(about)) for id, (until, about) in changes.leases.items()]
        await _write(connection, "put_lease", rows)
        await connection.execute(SQL["drop_lost_workers"], now.tick - LOST_FOR)
    if changes.resigned:
        await connection.execute(SQL["drop_workers"], sorted(changes.resigned))


async def _save_shared(connection: Any, changes: Changes, known: frozenset[KeyId]) -> None:
    keys = [(*key, *row) for key, row in changes.keys.items()]
    await _write(connection, "insert_key", [row for row in keys if KeyId(*row[:3]) not in known])
    await _write(connection, "replace_key", [row for row in keys if KeyId(*row[:3]) in known])
    await _write(connection, "put_duration", list(_durations(changes)))
    await _write(connection, "put_resource", [(*path, id) for path, id in changes.resources.items()])


def _durations(changes: Changes) -> Iterator[tuple[str, int, int]]:
    """A sample is enough: a busy commit has seen hundreds of runs, and the table keeps the last few dozen."""
    ended = (o for e in changes.events if e.status in SUCCEEDED and (o := changes.changed.get(e.operation_id)))
    for operation in islice(ended, DURATIONS_A_COMMIT):
        if operation.attempt_at is not None:
            took = (operation.ended_at or 0) - operation.attempt_at
            yield operation.type, next(_slots) % DURATION_SLOTS, took


async def _bury(connection: Any, changes: Changes, now: Now) -> None:
    ids = [tombstone.id for tombstone in changes.buried]
    for name in ("drop_operation", "drop_events", "drop_payloads", "drop_lines", "drop_deliveries"):
        await connection.execute(SQL[name], ids)
    await _write(connection, "drop_chunks", [(id, -1) for id in ids])
    await _write(connection, "insert_tombstone", [tuple(tombstone) for tombstone in changes.buried])
    await _write(connection, "free_key", [(*key, id) for key, id in changes.freed_keys], now.wall)


async def work(connection: Any, changes: Changes) -> dict[str, Work]:
    """What the attempts that were just claimed start from."""
    found = {id: Work(changes.created[id], body, None) for id, body in _fresh_inputs(changes)}
    older = [id for id in changes.claimed if id not in found]
    if older:
        rows = await connection.fetch(SQL["payloads"], older)
        bodies = {(id, name): body for id, name, body in rows}
        for id in older:
            operation = changes.changed.get(id) or changes.created[id]
            found[id] = Work(operation, bodies.get((id, "input"), NOTHING), bodies.get((id, "checkpoint")))
    return found


def _fresh_inputs(changes: Changes) -> Iterator[tuple[str, bytes]]:
    """Of those that were claimed in the commit that made them."""
    return ((id, changes.inputs[id]) for id in changes.claimed if id in changes.inputs and id in changes.created)
