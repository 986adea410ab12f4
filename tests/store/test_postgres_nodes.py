"""Several stores on one database commit at the same time: what holds for one alone holds for all of them together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from accepted.contract.operation import Status
from accepted.contract.problem import IdempotencyKeyReused
from accepted.contract.transition import Accepted, Claimed, Rescue
from accepted.store.postgres import PostgresStore
from accepted.store.postgres_hints import PAYLOAD, payloads
from accepted.store.protocol import Hint, Store
from tests.contract.given import DAY, SECOND, accept, cancel, claim, complete, fail, key, op_id
from tests.store.asking import ask, ask_one, found, register
from tests.store.clock import MovableClock
from tests.store.server import the_server

NODES = 4


@pytest.fixture
def url() -> str:
    return the_server().database()


@pytest.fixture
async def nodes(clock: MovableClock, url: str) -> AsyncIterator[list[Store]]:
    async with AsyncExitStack() as stack:
        stores: list[Store] = []
        for _ in range(NODES):
            store = PostgresStore(url, clock=clock, notify=False)
            await store.open()
            stack.push_async_callback(store.close)
            stores.append(store)
        yield stores


async def test_the_same_key_on_all_nodes_at_once_makes_one_operation(nodes: list[Store]) -> None:
    """Guarantee I3."""
    for round in range(20):
        submits = [accept(round * 10 + number, key=key(f"k{round}")) for number in range(NODES)]
        outcomes = [
            outcome
            for (outcome,) in await asyncio.gather(
                *(ask(node, submit) for node, submit in zip(nodes, submits, strict=True))
            )
        ]
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert len({outcome.operation.id for outcome in outcomes}) == 1
        assert sorted(outcome.replayed for outcome in outcomes) == [False, True, True, True]
    assert await nodes[0].tally() == {("report", Status.PENDING): 20}


WATCHED = ("event", "operation", "payload", "idempotency_key", "tally")
WRITES_IN_TURN = """
CREATE TABLE accepted.turns (number bigserial, name text);
CREATE FUNCTION accepted.note_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO accepted.turns (name) VALUES (TG_TABLE_NAME); RETURN NEW; END $$;
"""


async def test_the_rows_that_all_nodes_want_are_written_last(nodes: list[Store], url: str) -> None:
    """Though one statement writes them all: who has the tally's row waits for nothing but the disk any more."""
    other = await asyncpg.connect(url)
    await other.execute(WRITES_IN_TURN)
    for table in WATCHED:
        await other.execute(
            f"CREATE TRIGGER turn BEFORE INSERT ON accepted.{table} FOR EACH ROW EXECUTE FUNCTION accepted.note_turn()"
        )
    await asyncio.gather(*(ask(node, accept(n, key=key(f"k{n}"))) for n, node in enumerate(nodes)))
    await ask(nodes[0], accept(NODES, key=key("another")))  # on a connection that has planned it before
    names = [row[0] for row in await other.fetch("SELECT name FROM accepted.turns ORDER BY number")]
    assert set(names) == set(WATCHED)
    for last in ("tally", "idempotency_key"):
        assert names[-1] == last
        names.pop()
    await other.close()


async def test_a_commit_goes_to_the_database_three_times_and_a_claim_with_ends_six(
    nodes: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = _listened(monkeypatch)
    store = nodes[0]
    await register(store)
    for number in (1, 2):
        await ask(store, accept(number))
    sent.clear()
    await ask(store, accept(3))
    assert len(sent) == 3, sent
    (first,) = (await ask_one(store, claim())).operations
    sent.clear()
    await ask(store, complete(first), claim())
    assert len(sent) == 6, sent


async def test_polls_that_wait_together_share_a_query(nodes: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    await ask(nodes[0], *(accept(number) for number in range(60)))
    sent = _listened(monkeypatch)
    first = [asyncio.create_task(found(nodes[1], op_id(number))) for number in range(30)]
    while not sent:  # noqa: ASYNC110
        await asyncio.sleep(0)
    rest = [asyncio.create_task(found(nodes[1], op_id(number))) for number in range(30, 60)]
    assert [each.id for each in await asyncio.gather(*first, *rest)] == [op_id(number) for number in range(60)]
    assert len(sent) == 2, sent


def _listened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes to the database from now on."""
    sent: list[str] = []
    for name in ("fetch", "execute"):
        monkeypatch.setattr(asyncpg.Connection, name, _noting(getattr(asyncpg.Connection, name), sent))
    return sent


def _noting(call: Any, sent: list[str]) -> Any:
    async def noting(connection: Any, query: str, *bindings: Any, **options: Any) -> Any:
        sent.append(query)
        return await call(connection, query, *bindings, **options)

    return noting


async def test_the_same_key_with_another_body_is_refused_whoever_comes_first(nodes: list[Store]) -> None:
    """Guarantee I2."""
    one, two = accept(1, key=key()), accept(2, key=replace(key(), fingerprint="other"))
    outcomes = [*(await asyncio.gather(ask_one(nodes[0], one), ask_one(nodes[1], two)))]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Accepted", IdempotencyKeyReused.__name__]


async def test_many_keys_in_any_order_never_stand_in_each_others_way(nodes: list[Store]) -> None:
    """Commits that want the same rows in opposite orders are decided anew, and all get their answer."""
    batches = [
        [accept(number, key=key(f"k{number % 25}")) for number in range(n * 100, n * 100 + 25)] for n in range(4)
    ]
    batches[1].reverse()
    batches[3].reverse()
    outcomes = await asyncio.gather(*(ask(node, *batch) for node, batch in zip(nodes, batches, strict=True)))
    made = [outcome for answers in outcomes for outcome in answers if not outcome.replayed]
    assert len(made) == 25
    assert {outcome.operation.id for answers in outcomes for outcome in answers} == {o.operation.id for o in made}


async def test_nothing_is_claimed_twice(nodes: list[Store]) -> None:
    """Guarantee L1."""
    await ask(nodes[0], *(accept(number) for number in range(200)))
    for number, node in enumerate(nodes):
        await register(node, f"w{number}", DAY)

    async def drain(number: int) -> list[str]:
        taken: list[str] = []
        while claimed := (await ask_one(nodes[number], claim(f"w{number}", room=7))).operations:
            taken += [operation.id for operation in claimed]
        return taken

    taken = Counter(id for ids in await asyncio.gather(*map(drain, range(NODES))) for id in ids)
    assert taken == Counter(op_id(number) for number in range(200))
    assert await nodes[1].tally() == {("report", Status.PROCESSING): 200}


@pytest.mark.parametrize("room", [1, 3, 8])
async def test_a_claim_passes_by_what_others_hold(clock: MovableClock, room: int) -> None:
    """A claim is filled with the work of whoever is next, not put off because others have the first at hand."""
    url = the_server().database()
    store = PostgresStore(url, clock=clock, notify=False)
    await store.open()
    await register(store, ttl=DAY)
    await ask(store, *(accept(number, owner=f"o{number}") for number in range(8)), accept(8, owner="o7"))
    other = await asyncpg.connect(url)
    async with other.transaction():
        await other.execute("SELECT id FROM accepted.operation WHERE owner <= 'o5' FOR UPDATE")
        first = (await ask_one(store, claim(room=room))).operations
    then = (await ask_one(store, claim(room=9))).operations
    await other.close()
    await store.close()
    assert [operation.id for operation in first] == [op_id(number) for number in (6, 7, 8)][:room]
    assert len(first) + len(then) == 9


async def test_a_limit_holds_over_all_nodes(nodes: list[Store]) -> None:
    """`concurrency` of a type, however many claim at the same moment."""
    await ask(nodes[0], *(accept(number) for number in range(60)))
    for number, node in enumerate(nodes):
        await register(node, f"w{number}", DAY)
    for round in range(8):
        claims = [replace(claim(f"w{n}", room=5), limits={"report": 3}) for n in range(NODES)]
        outcomes: list[Claimed] = await asyncio.gather(*map(ask_one, nodes, claims))
        claimed = [operation for outcome in outcomes for operation in outcome.operations]
        assert len(claimed) == 3, round
        assert (await nodes[0].tally())["report", Status.PROCESSING] == 3
        await asyncio.gather(*(ask(nodes[0], complete(operation)) for operation in claimed))


async def test_one_end_though_all_want_another(nodes: list[Store]) -> None:
    """Guarantees S3 and C1: the row's lock decides, and all agree."""
    await register(nodes[0], ttl=DAY)
    await ask(nodes[0], accept(1), claim())
    one = await found(nodes[0], op_id(1))
    wanted = [complete(one), fail(one), cancel(one), complete(one)]
    await asyncio.gather(*map(ask_one, nodes, wanted))
    ends = {(await found(node, op_id(1))).status for node in nodes}
    events = await nodes[2].events(op_id(1), 0, 99)
    assert len(ends) == 1
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))


async def test_orphans_are_taken_back_once(nodes: list[Store], clock: MovableClock) -> None:
    """Guarantee L3: N concurrent scans are harmless."""
    await register(nodes[0])
    await ask(nodes[0], *(accept(number) for number in range(40)), claim(room=40))
    clock.advance(60 * SECOND)
    rescued = await asyncio.gather(*(ask_one(node, Rescue(3)) for node in nodes))
    assert sum(rescued) == 40
    assert [(await found(nodes[1], op_id(number))).crashes for number in range(40)] == [1] * 40


def test_a_payload_stays_within_its_bound() -> None:
    hints = [Hint(op_id(number), "report", Status.PENDING, "w" * 32, 1_767_225_600_000) for number in range(500)]
    told = payloads("12345678", hints)
    assert max(len(payload.encode()) for payload in told) <= PAYLOAD
    assert len(told) > 1


def test_what_is_too_much_to_say_is_something() -> None:
    assert payloads("me", [Hint(op_id(n), "report" * 20, Status.PENDING) for n in range(2000)]) == ['["me",[]]']
    assert payloads("me", [Hint(op_id(1), "r" * 9000, Status.PENDING)]) == ['["me",[]]']
