"""What a batch has to see, loaded from SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import apsw
import msgspec

from ..contract.delivery import Delivery
from ..contract.ledger import DueDeliveries, Facts, GroupRow, KeyRow, Needs, groups_needed
from ..contract.operation import Now, Operation, Status
from ..contract.transition import ClaimDeliveries
from ..contract.turns import first_in_turn, in_turn
from .sqlite_schema import SQL

_encode = msgspec.json.encode
decode_operation = msgspec.json.Decoder(Operation).decode
decode_delivery = msgspec.json.Decoder(Delivery).decode


def load(connection: apsw.Connection, wanted: Needs, now: Now) -> Facts:
    """The rows that the batch has to see."""
    facts = Facts()
    ids = set(wanted.operations)
    for key in wanted.keys:
        for operation_id, fingerprint, keep_until in connection.execute(SQL["key"], key):
            facts.keys[key] = KeyRow(operation_id, fingerprint, keep_until)
            ids.add(operation_id)
    if ids:
        _take(facts, connection.execute(SQL["operations_by_ids"], (_encode(list(ids)).decode(),)))
    for worker in wanted.workers:
        for (lease_until,) in connection.execute(SQL["lease"], (worker,)):
            facts.leases[worker] = lease_until
    for worker in wanted.holdings:
        facts.holdings[worker] = _take(facts, connection.execute(SQL["held"], (worker,)))
    for type in wanted.due:
        _load_due(connection, facts, type, wanted, now)
    _load_numbers(connection, facts, wanted)
    if wanted.orphans:
        limit = (now.tick, wanted.orphans)
        orphans = _take(facts, connection.execute(SQL["orphans"], limit))
        facts.orphans = list(dict.fromkeys(orphans + _take(facts, connection.execute(SQL["settling"], limit))))
    _load_groups(connection, facts, wanted)
    if wanted.expiring:
        facts.expiring = _take(facts, connection.execute(SQL["expiring"], (now.wall, wanted.expiring)))
    if wanted.deliveries:
        _take_deliveries(facts, connection.execute(SQL["deliveries_of"], (_encode(list(wanted.deliveries)).decode(),)))
    facts.due_deliveries = [_load_due_deliveries(connection, facts, claim, now) for claim in wanted.due_deliveries]
    return facts


def _load_numbers(connection: apsw.Connection, facts: Facts, wanted: Needs) -> None:
    for type in wanted.running:
        row: Any = connection.execute(SQL["running"], (type,)).fetchone()
        facts.running[type] = row[0]
    for owner in wanted.owners:
        for status, number in connection.execute(SQL["standing"], (owner,)):
            facts.standing[owner, Status(status)] = number


def _load_due(connection: apsw.Connection, facts: Facts, type: str, wanted: Needs, now: Now) -> None:
    facts.due[type] = _take_in_turn(connection, facts, READY, (type,), wanted.after, wanted.due[type])
    for (due_at,) in connection.execute(SQL["next_due"], (type,)):
        facts.next_due[type] = due_at
    if facts.next_due.get(type, now.wall + 1) <= now.wall:
        facts.woken[type] = _take(facts, connection.execute(SQL["woken"], (type, now.wall, wanted.woken(type))))
        del facts.next_due[type]
        for (due_at,) in connection.execute(SQL["due_after"], (type, now.wall)):
            facts.next_due[type] = due_at


def _load_groups(connection: apsw.Connection, facts: Facts, wanted: Needs) -> None:
    for group, need in groups_needed(wanted, facts).items():
        row: Any = connection.execute(SQL["groups"], group).fetchone()
        heads = need.heads(row[0])
        parked = _take_in_turn(connection, facts, PARKED, group, need.after, heads) if heads else []
        facts.groups[group] = GroupRow(row[0], parked, need.after)


class Names(NamedTuple):
    """Statements about what waits for the same."""

    all: str
    first: str
    next: str
    line: str


READY = Names("due", "first_owner", "next_owner", "line")
PARKED = Names("parked", "first_parked", "next_parked", "parked_line")


def _take_in_turn(
    connection: apsw.Connection, facts: Facts, names: Names, of: tuple[str, ...], after: str, wanted: int
) -> list[str]:
    """The first so many in turn. With a single owner, as it mostly is, turns cost nothing."""

    def take(name: str, *bindings: object) -> list[Operation]:
        return [facts.operations[id] for id in _take(facts, connection.execute(SQL[name], (*of, *bindings)))]

    found = take(names.all, wanted)
    if len(found) < wanted:
        found = in_turn(found, after)
    elif found[0].owner != found[-1].owner or connection.execute(SQL[names.next], (*of, found[0].owner)).fetchone():
        owners = list(islice(owners_from(connection, names, of, after), wanted))
        found = first_in_turn(owners, lambda owner, number: take(names.line, owner, number), after, wanted)
    return [operation.id for operation in found]


def owners_from(connection: apsw.Connection, names: Names, of: tuple[str, ...], after: str) -> Iterator[str]:
    """Owners that wait, those behind `after` first: one step of an index for each."""
    row: Any = (after,)
    while (row := connection.execute(SQL[names.next], (*of, *row)).fetchone()) is not None:
        yield row[0]
    row = connection.execute(SQL[names.first], of).fetchone()
    while row is not None and row[0] <= after:
        yield row[0]
        row = connection.execute(SQL[names.next], (*of, *row)).fetchone() if row[0] < after else None


def _load_due_deliveries(connection: apsw.Connection, facts: Facts, claim: ClaimDeliveries, now: Now) -> DueDeliveries:
    """Host by host, until there is enough; where it ends, the next claim goes on."""
    by_host: dict[str, list[str]] = {}
    found, host = 0, ""
    waiting: list[Any] = connection.execute(SQL["waiting_hosts"], (claim.after, claim.hosts)).fetchall()
    for host, first in waiting:
        room = claim.rooms.get(host, claim.share)
        if room > 0 and first <= now.wall:
            by_host[host] = _take_deliveries(facts, connection.execute(SQL["due_deliveries"], (host, now.wall, room)))
            found += len(by_host[host])
        if found >= claim.room:
            return DueDeliveries(by_host, host)
    return DueDeliveries(by_host, host if len(waiting) == claim.hosts else None)


def _take_deliveries(facts: Facts, rows: Iterable[tuple[Any, ...]]) -> list[str]:
    taken = []
    for id, record in rows:
        facts.deliveries[id] = decode_delivery(record)
        taken.append(id)
    return taken


def _take(facts: Facts, rows: Iterable[tuple[Any, ...]]) -> list[str]:
    taken = []
    for id, record in rows:
        facts.operations[id] = decode_operation(record)
        taken.append(id)
    return taken
