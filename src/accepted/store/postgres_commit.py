"""The commit on PostgreSQL: begin, lock and load what the batch needs, fold, save what changed, commit (house,
section 5).

Correct by row locks alone, whoever else commits at the same time: rows that are named are locked in one order, rows
that are due are skipped where others have them. The time is read once these locks are held, so a lease is never judged
by a clock from before a wait. What meets another transaction half-way (a deadlock, an idempotency key that was made
just now) is decided anew as a whole.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import msgspec

from ..contract.delivery import Delivery
from ..contract.fold import fold
from ..contract.ledger import (
    Changes,
    DueDeliveries,
    Facts,
    GroupId,
    GroupRow,
    KeyId,
    KeyRow,
    Needs,
    groups_needed,
    needs,
)
from ..contract.operation import Now, Operation, Status
from ..contract.problem import Overloaded
from ..contract.transition import Accept, ClaimDeliveries, Transition
from ..contract.turns import in_turn, share
from .clock import RemoteClock
from .postgres_bundle import columns
from .postgres_connect import CONFLICTS, LOST, Door, hang_up, is_bug, unavailable
from .postgres_doubt import Doubt, finish
from .postgres_save import STRIPES, save
from .postgres_schema import SQL
from .protocol import Committed, FateUnknown, StoreUnavailable, hints_of

TRIES = 6
PATIENCE = 10.0  # seconds for one transaction; a submit waits as long before it is refused

decode_operation = msgspec.json.Decoder(Operation).decode
decode_delivery = msgspec.json.Decoder(Delivery).decode


class Recorder:
    """The committing connection of one store; after any failure it is thrown away."""

    def __init__(self, door: Door, clock: RemoteClock) -> None:
        self._door = door
        self._clock = clock
        self._turn = asyncio.Lock()
        self._connection: Any = None
        self._tasks: set[asyncio.Task[Committed]] = set()
        self._stripe = random.randrange(STRIPES)

    async def commit(self, batch: Sequence[Transition]) -> Committed:
        """One durable transaction, also when whoever asked gives up waiting. Raises `StoreUnavailable`."""
        task = asyncio.create_task(self._in_turn(batch))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Committed]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone; an error is nobody's then

    async def _in_turn(self, batch: Sequence[Transition]) -> Committed:
        async with self._turn:
            with unavailable():
                try:
                    return await self._persist(list(batch))
                except asyncpg.LockNotAvailableError:
                    return await self._persist_rest(list(batch))

    async def close(self) -> None:
        """Wait for commits under way, and let go."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                await hang_up(connection)

    async def _persist(self, batch: list[Transition]) -> Committed:
        for number in range(1, TRIES + 1):
            await self._connected()
            try:
                return await self._attempt(batch)
            except Doubt as doubt:
                stored = await doubt.settle(self._door)
                if stored is None:
                    raise FateUnknown(f"{doubt}; what became of the batch is not known") from doubt
                if stored:
                    return doubt.committed
                if number == TRIES:
                    raise StoreUnavailable(f"{doubt}; nothing of the batch is stored") from doubt
            except (*CONFLICTS, *LOST, asyncpg.OperatorInterventionError, asyncpg.UniqueViolationError) as error:
                if number == TRIES or not _may_go_well(error):
                    raise
            await asyncio.sleep(random.random() * 0.01 * number)
        raise AssertionError("the last try returns or raises")

    async def _persist_rest(self, batch: list[Transition]) -> Committed:
        """Somebody holds a row for too long: who named it is refused, and nobody else has to suffer for it."""
        await self._connected()
        wanted = needs(batch)
        ids = list(wanted.operations), list(wanted.deliveries)
        held = {row[0] for row in await self._connection.fetch(SQL["held_elsewhere"], *ids)}
        refused = [not held.isdisjoint(needs([transition]).operations) for transition in batch]
        if not any(refused):
            raise StoreUnavailable("somebody holds what the commit needs")
        rest = [transition for transition, no in zip(batch, refused, strict=True) if not no]
        committed = await self._persist(rest) if rest else _told(Changes(), {})
        outcomes = iter(committed.outcomes)
        told = [Overloaded("Somebody holds this operation.", retry_after=1) if no else next(outcomes) for no in refused]
        return msgspec.structs.replace(committed, outcomes=told)

    async def _attempt(self, batch: list[Transition]) -> Committed:
        connection = self._connection
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._committed(connection, batch)
        except BaseException as error:
            if (
                isinstance(error, asyncpg.PostgresError)
                and not connection.is_closed()
                and await _rolled_back(connection)
            ):
                raise
            self._connection = None
            connection.terminate()
            raise

    async def _connected(self) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._door.connect_to_commit()

    async def _committed(self, connection: Any, batch: list[Transition]) -> Committed:
        await connection.execute(self._door.begin)
        new = all(type(transition) is Accept for transition in batch)
        now, facts = await load(connection, needs(batch), self._clock, judged=not new)
        known = frozenset(facts.keys)
        changes = fold(batch, facts, now)
        begun, transaction = await save(connection, changes, now, known=known, stripe=self._stripe)
        told = _told(changes, begun)
        await finish(connection, told, transaction)
        return told


def _told(changes: Changes, begun: dict[str, Any]) -> Committed:
    return Committed(
        outcomes=changes.outcomes,
        operations=(*changes.created.values(), *changes.changed.values()),
        events=changes.events,
        work=begun,
        expired=changes.buried,
        hints=hints_of(changes),
    )


async def _rolled_back(connection: Any) -> bool:
    try:
        async with asyncio.timeout(1):
            await connection.execute("ROLLBACK")
    except (*LOST, TimeoutError, asyncpg.PostgresError):
        return False
    return True


def _may_go_well(error: BaseException) -> bool:
    """Whether the same batch may be stored in another try; nothing of it is stored yet."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return bool(error.table_name == "idempotency_key")
    return not isinstance(error, (asyncpg.QueryCanceledError, TimeoutError)) and not is_bug(error)


# --- load


async def load(connection: Any, wanted: Needs, clock: RemoteClock, *, judged: bool) -> tuple[Now, Facts]:
    """The rows that the batch has to see, locked where it may change them, and the time after the last wait; where
    nobody is `judged` by it, the time that there is without asking.
    """
    facts = Facts()
    if wanted.running:
        await connection.fetch(SQL["lock_types"], list(wanted.running))
    if wanted.keys:
        await _load_keys(connection, facts, wanted.keys)
    if wanted.operations:
        _take(facts, await connection.fetch(SQL["lock_operations"], list(wanted.operations)))
    if wanted.deliveries:
        _take_deliveries(facts, await connection.fetch(SQL["lock_deliveries"], list(wanted.deliveries)))
    if wanted.holdings:
        await connection.fetch(SQL["lock_workers"], list(wanted.holdings))
    await _load_groups(connection, facts, wanted)
    now, ready = None if judged else clock.now(), set[str]()
    if now is None:
        now, ready = await _load_moment(connection, facts, wanted, clock)
    if wanted.holdings:
        await _load_holdings(connection, facts, wanted)
    for type in ready:
        room = wanted.due[type]
        facts.due[type] = await _take_in_turn(connection, facts, "due", (type,), wanted.after, room)
    await _load_woken(connection, facts, wanted, now)
    if wanted.owners:
        for owner, status, number in await connection.fetch(SQL["standing"], list(wanted.owners)):
            facts.standing[owner, Status(status)] = number
    await _load_bites(connection, facts, wanted, now)
    if facts.woken or facts.orphans:
        await _load_groups(connection, facts, wanted)  # late, but nobody's lease is judged by them
    facts.due_deliveries = [
        await _load_due_deliveries(connection, facts, claim, now) for claim in wanted.due_deliveries
    ]
    return now, facts


async def _load_moment(connection: Any, facts: Facts, wanted: Needs, clock: RemoteClock) -> tuple[Now, set[str]]:
    """The time, and the types of which any is ready."""
    ready: dict[str, int] = {}
    time, found = 0, {"lease": facts.leases, "due": facts.next_due, "ready": ready, "running": facts.running}
    asked = list(wanted.workers), list(wanted.due), list(wanted.running)
    for what, name, number in await connection.fetch(SQL["moment"], *asked):
        if what == "now":
            time = number
        else:
            found[what][name] = number
    return clock.tell(time), set(ready)


async def _load_woken(connection: Any, facts: Facts, wanted: Needs, now: Now) -> None:
    over = [type for type, due_at in facts.next_due.items() if due_at <= now.wall]
    for type in over:
        del facts.next_due[type]
        facts.woken[type] = _take(facts, await connection.fetch(SQL["woken"], type, now.wall, wanted.woken(type)))
    if over:
        facts.next_due |= dict(await connection.fetch(SQL["due_after"], over, now.wall))


async def _load_groups(connection: Any, facts: Facts, wanted: Needs) -> None:
    needed = groups_needed(wanted, facts)
    if not needed:
        return
    await connection.fetch(SQL["lock_groups"], *columns(needed))
    for type, key, active, any_parked in await connection.fetch(SQL["groups"], *columns(needed)):
        need = needed[group := GroupId(type, key)]
        heads = need.heads(active) if any_parked else 0
        parked = await _take_in_turn(connection, facts, "parked", group, need.after, heads) if heads else []
        facts.groups[group] = GroupRow(active, parked, need.after)


async def _take_in_turn(
    connection: Any, facts: Facts, name: str, of: tuple[str, ...], after: str, wanted: int
) -> list[str]:
    """The first so many in turn; asked again with a larger share where some owners have less than theirs, and for more
    owners where others hold what these have.
    """
    asked: int | None = 0
    owners = wanted
    while asked is not None:
        rows = await connection.fetch(SQL[name], *of, after, owners, asked)
        found = Counter({row[0]: 0 for row in rows})
        found.update(row[0] for row in rows if row[1] is not None)
        if found.total() < wanted and len(found) == owners:
            owners *= 2
        else:
            asked = share(found, asked, wanted)
    taken = _take(facts, (tuple(row)[1:] for row in rows if row[1] is not None))
    return [operation.id for operation in in_turn([facts.operations[id] for id in taken], after)[:wanted]]


async def _load_keys(connection: Any, facts: Facts, keys: Iterable[KeyId]) -> None:
    """Keys, and their operations as they are: nothing about those is changed on account of a key."""
    for owner, route, value, *row in await connection.fetch(SQL["keys"], *columns(keys)):
        facts.keys[KeyId(owner, route, value)] = KeyRow(*row)
    if facts.keys:
        ids = [row.operation_id for row in facts.keys.values()]
        _take(facts, await connection.fetch(SQL["operations_by_ids"], ids))


async def _load_holdings(connection: Any, facts: Facts, wanted: Needs) -> None:
    facts.holdings = {worker: [] for worker in wanted.holdings}
    for worker, id, record in await connection.fetch(SQL["held"], list(wanted.holdings)):
        facts.holdings[worker].append(id)
        facts.operations.setdefault(id, decode_operation(record))  # only to be told; what is locked is truer


async def _load_bites(connection: Any, facts: Facts, wanted: Needs, now: Now) -> None:
    """What a sweeper asks for."""
    if wanted.orphans:
        lost = [row[0] for row in await connection.fetch(SQL["lost_workers"], now.tick)]
        orphans = _take(facts, await connection.fetch(SQL["orphans"], lost, wanted.orphans))
        settling = _take(facts, await connection.fetch(SQL["settling"], now.tick, wanted.orphans))
        facts.orphans = list(dict.fromkeys(orphans + settling))
    if wanted.expiring:
        facts.expiring = _take(facts, await connection.fetch(SQL["expiring"], now.wall, wanted.expiring))


async def _load_due_deliveries(connection: Any, facts: Facts, claim: ClaimDeliveries, now: Now) -> DueDeliveries:
    """Host by host, until there is enough; where it ends, the next claim goes on."""
    by_host: dict[str, list[str]] = {}
    found, host = 0, ""
    waiting = await connection.fetch(SQL["waiting_hosts"], claim.after, claim.hosts)
    for host, first in waiting:
        room = claim.rooms.get(host, claim.share)
        if room > 0 and first is not None and first <= now.wall:
            rows = await connection.fetch(SQL["due_deliveries"], host, now.wall, room)
            by_host[host] = _take_deliveries(facts, rows)
            found += len(by_host[host])
        if found >= claim.room:
            return DueDeliveries(by_host, host)
    return DueDeliveries(by_host, host if len(waiting) == claim.hosts else None)


def _take(facts: Facts, rows: Iterable[Any]) -> list[str]:
    taken = []
    for id, record in rows:
        facts.operations[id] = decode_operation(record)
        taken.append(id)
    return taken


def _take_deliveries(facts: Facts, rows: Iterable[Any]) -> list[str]:
    taken = []
    for id, record in rows:
        facts.deliveries[id] = decode_delivery(record)
        taken.append(id)
    return taken
