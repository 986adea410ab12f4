"""What a batch has changed, written on PostgreSQL: one statement for each table, its rows as arrays, and all of them in
one round trip.

Rows that two commits may both want and have not locked before come last and in one order: keys, durations, resources,
and the tally, whose rows are the most wanted of all. Only what is cleaned away comes after them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import msgspec

from ..contract.delivery import Delivery, DeliveryStatus
from ..contract.ledger import Changes, KeyId, place_of
from ..contract.operation import SUCCEEDED, Now, Operation
from ..contract.statistic import KEPT_MINUTES, MINUTE
from .postgres_bundle import Bundle, columns
from .postgres_schema import SQL
from .protocol import Work

STRIPES = 16  # of the tally: so many stores count without waiting for each other
DURATION_SLOTS = 64
DURATIONS_A_COMMIT = 4
_slots = count(random.randrange(DURATION_SLOTS))  # one after the other: by the time, a period of 64 ms would hit one
LOST_FOR = 60_000  # ms until a worker that is silent and holds nothing is forgotten
NOTHING = b"null"  # an input that is not worth a row

_encode = msgspec.json.encode


async def save(
    connection: Any, changes: Changes, now: Now, *, known: frozenset[KeyId], stripe: int
) -> tuple[dict[str, Work], str | None]:
    """Everything that the batch has changed; `known` are the keys that there were before. Gives back what the attempts
    that were just claimed start from, and the number of the transaction if it has written what others may miss.
    """
    bundle = Bundle()
    _bundle_operations(bundle, changes)
    _bundle_payloads(bundle, changes)
    _bundle_shared(bundle, changes, known)
    bundle.add("add_to_tally", [(*group, number) for group, number in changes.tally.items() if number], stripe)
    begun, transaction = await _store(connection, bundle, changes)
    await _clean(connection, changes, now)
    return begun, transaction


async def _store(connection: Any, bundle: Bundle, changes: Changes) -> tuple[dict[str, Work], str | None]:
    if not bundle:
        return {}, None
    begun = {id: Work(changes.created[id], body, None) for id, body in _fresh_inputs(changes)}
    older = [id for id in changes.claimed if id not in begun]
    rows = await bundle.fetch(connection, "stored", older)
    if changes.copied_inputs:  # from what may have come in this very batch
        await connection.execute(SQL["copy_input"], *columns(list(changes.copied_inputs.items())))
        rows = await connection.fetch(SQL["stored"], older)
    bodies = {(id, name): body for _, id, name, body, _ in rows}
    for id in older:
        checkpoint = changes.checkpoints.get(id) or bodies.get((id, "checkpoint"))
        operation = changes.changed.get(id) or changes.created[id]
        begun[id] = Work(operation, bodies.get((id, "input"), NOTHING), checkpoint)
    return begun, rows[0][0]


def _fresh_inputs(changes: Changes) -> Iterator[tuple[str, bytes]]:
    """Of those that were claimed in the commit that made them."""
    return ((id, changes.inputs[id]) for id in changes.claimed if id in changes.inputs and id in changes.created)


def _bundle_operations(bundle: Bundle, changes: Changes) -> None:
    created = [(o, o.ready and o.group is None) for o in changes.created.values()]
    bundle.add("insert_ready", [(o.owner, o.type, o.turn, _encode(o), o.id) for o, plain in created if plain])
    bundle.add("insert_operation", [(o.owner, o.type, *_row(o)) for o, plain in created if not plain])
    changed = changes.changed.items()
    bundle.add("move_operation", [_row(operation) for id, operation in changed if id in changes.moved])
    bundle.add("update_operation", [(_encode(operation), id) for id, operation in changed if id not in changes.moved])
    bundle.add("insert_event", [(e.operation_id, e.sequence, _encode(e)) for e in changes.events])
    bundle.add("compact_events", list(changes.compacted.items()))


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


def _bundle_payloads(bundle: Bundle, changes: Changes) -> None:
    payloads = [(id, "input", body) for id, body in changes.inputs.items() if body != NOTHING]
    payloads += [(id, "webhook", _encode(webhook)) for id, webhook in changes.webhooks.items()]
    payloads += [(id, "checkpoint", body) for id, body in changes.checkpoints.items()]
    bundle.add("put_payload", payloads)
    bundle.add("put_delivery", [_delivery_row(delivery) for delivery in changes.deliveries.values()])
    chunks = {tuple(place): body for *place, body in changes.chunks}  # the last word on each
    bundle.add("put_chunk", [(*place, body) for place, body in chunks.items()])
    bundle.add("insert_line", [(id, line.line, _encode(line)) for id, line in changes.lines])


def _delivery_row(delivery: Delivery) -> tuple[Any, ...]:
    due_at = delivery.due_at if delivery.status is DeliveryStatus.PENDING else None
    return delivery.operation_id, delivery.id, delivery.host, due_at, _encode(delivery)


def _bundle_shared(bundle: Bundle, changes: Changes, known: frozenset[KeyId]) -> None:
    bundle.add("put_lease", [(id, until, _encode(about)) for id, (until, about) in changes.leases.items()])
    statistics = changes.statistics.values()
    bundle.add("put_statistic", [(*row[:4], _encode(row.tallies)) for row in statistics])
    keys = [(*key, *row) for key, row in changes.keys.items()]
    bundle.add("insert_key", [row for row in keys if KeyId(*row[:3]) not in known])
    bundle.add("replace_key", [row for row in keys if KeyId(*row[:3]) in known])
    bundle.add("put_duration", list(_durations(changes)))
    bundle.add("put_resource", [(*path, id) for path, id in changes.resources.items()])


def _durations(changes: Changes) -> Iterator[tuple[str, int, int]]:
    """A sample is enough: a busy commit has seen hundreds of runs, and the table keeps the last few dozen."""
    ended = (o for e in changes.events if e.status in SUCCEEDED and (o := changes.changed.get(e.operation_id)))
    for operation in islice(ended, DURATIONS_A_COMMIT):
        if operation.attempt_at is not None:
            took = (operation.ended_at or 0) - operation.attempt_at
            yield operation.type, next(_slots) % DURATION_SLOTS, took


async def _clean(connection: Any, changes: Changes, now: Now) -> None:
    """What goes, once the rest is stored."""
    if changes.dropped_chunks:
        await connection.execute(SQL["drop_chunks"], *columns(list(changes.dropped_chunks.items())))
    if changes.leases:
        await connection.execute(SQL["drop_lost_workers"], now.tick - LOST_FOR)
    if changes.resigned:
        await connection.execute(SQL["drop_workers"], sorted(changes.resigned))
    if changes.statistics:
        await connection.execute(SQL["drop_statistics"], now.wall // MINUTE - KEPT_MINUTES)
    if changes.buried:
        await _bury(connection, changes, now)
    if changes.forget is not None:
        await connection.execute(SQL["forget_resources"], *changes.forget)
        await connection.execute(SQL["forget_tombstones"], *changes.forget)
        await connection.execute(SQL["forget_keys"], now.wall, changes.forget[1])


async def _bury(connection: Any, changes: Changes, now: Now) -> None:
    ids = [tombstone.id for tombstone in changes.buried]
    for name in ("drop_operation", "drop_events", "drop_payloads", "drop_lines", "drop_deliveries"):
        await connection.execute(SQL[name], ids)
    await connection.execute(SQL["drop_chunks"], ids, [-1] * len(ids))
    await connection.execute(SQL["insert_tombstone"], *columns([tuple(tombstone) for tombstone in changes.buried]))
    if changes.freed_keys:
        await connection.execute(SQL["free_key"], *columns([(*key, id) for key, id in changes.freed_keys]), now.wall)
