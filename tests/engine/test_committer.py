"""The committer: groups without a timer, order, refusals, and a culprit that stands alone (house, section 5)."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, cast

import apsw
import asyncpg
import pytest

from accepted.app import open_store
from accepted.contract.operation import Operation, Status
from accepted.contract.problem import InvariantViolation, OperationNotFound, Overloaded, Refusal, StorageFull
from accepted.contract.transition import Accept, Accepted, Cancel, Renew, Transition
from accepted.engine import committer as room
from accepted.engine.committer import BATCH_LIMIT, Committer
from accepted.engine.feed import Feed
from accepted.settings import load
from accepted.store.clock import Clock
from accepted.store.protocol import Store, StoreFull, StoreUnavailable
from tests.databases import Database
from tests.engine.gate import Gate
from tests.engine.stage import Meddled

numbers = itertools.count()


def accept(id: str = "") -> Accept:
    """A submit; every one has its own id unless it is given."""
    id = id or f"op-{next(numbers):026d}"
    return Accept(id=id, type="any", owner="somebody", input=b"1", retention=60_000, cancel_grace=2_000)


class Committing:
    """A committer that runs on a real file, with commits that a test can hold up."""

    def __init__(self, store: Meddled, **options: Any) -> None:
        self.store = store
        self.feed = Feed(cast(Store, store))
        self.committer = Committer(cast(Store, store), self.feed, **options)
        self.commit = self.committer.commit
        self.running = asyncio.create_task(self.committer.run())

    async def hold(self, error: Exception | None = None) -> Gate:
        """Keep a commit of one transition under way until the gate is open; then every later one goes through."""
        begun, gate = Gate(), Gate()

        async def before(_batch: Sequence[Transition]) -> None:
            self.store.before = None
            begun.open()
            await gate.passed()
            if error is not None:
                raise error

        self.store.before = before
        self.first = self.commit(accept())
        await begun.passed()
        return gate

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.store.batches]


@pytest.fixture
async def committing(database: Database) -> AsyncIterator[Committing]:
    store = Meddled(open_store(load({"database": database.url}, {}), Clock()))
    await store.open()
    committing = Committing(store, queue_limit=1_000)
    yield committing
    store.before = None
    committing.committer.stop()
    await committing.running
    await store.close()


async def settled(futures: Sequence[asyncio.Future[Any]]) -> list[Any]:
    """All outcomes, refusals as values."""
    return await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 10)


async def test_an_idle_committer_takes_one_at_once(committing: Committing) -> None:
    for _ in range(3):
        assert isinstance(await committing.commit(accept()), Accepted)
    assert committing.sizes == [1, 1, 1]


async def test_a_batch_grows_while_a_commit_runs_and_keeps_its_order(committing: Committing) -> None:
    gate = await committing.hold()
    accepts = [accept() for _ in range(50)]
    futures = [committing.commit(each) for each in accepts]
    gate.open()
    outcomes = await settled(futures)
    assert committing.sizes == [1, 50]
    assert committing.store.batches[1] == accepts
    assert [outcome.operation.id for outcome in outcomes] == [each.id for each in accepts]


async def test_one_commit_takes_at_most_the_limit(committing: Committing) -> None:
    gate = await committing.hold()
    futures = [committing.commit(accept()) for _ in range(BATCH_LIMIT + 100)]
    gate.open()
    assert all(isinstance(outcome, Accepted) for outcome in await settled(futures))
    assert committing.sizes == [1, BATCH_LIMIT, 100]


async def test_a_refusal_spoils_nothing_around_it(committing: Committing) -> None:
    gate = await committing.hold()
    futures = [committing.commit(t) for t in (accept(), Cancel("op-" + "z" * 26), accept())]
    gate.open()
    first, refused, last = await settled(futures)
    assert isinstance(refused, OperationNotFound)
    assert isinstance(first, Accepted)
    assert isinstance(last, Accepted)
    assert committing.sizes == [1, 3]


@pytest.mark.parametrize("place", [0, 1, 20, 39])
async def test_a_bad_transition_among_good_ones_fails_alone(committing: Committing, place: int) -> None:
    there = accept()
    await committing.commit(there)
    gate = await committing.hold()
    batch = [accept() for _ in range(40)]
    batch[place] = accept(there.id)  # an id that is taken: the database itself says no
    futures = [committing.commit(each) for each in batch]
    gate.open()
    outcomes = await settled(futures)
    assert isinstance(outcomes.pop(place), (apsw.ConstraintError, asyncpg.UniqueViolationError))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    for outcome in outcomes:
        stored = await committing.store.operation(outcome.operation.id)
        assert isinstance(stored, Operation)
        assert stored.status is Status.PENDING
    tried = committing.sizes[2:]
    assert tried[0] == 40
    assert len(tried) <= 1 + 2 * 6  # halving: two for each level of 40


def note(resolved: list[str], id: str, _future: asyncio.Future[Any]) -> None:
    resolved.append(id)


async def test_halves_keep_the_order(committing: Committing) -> None:
    there = accept()
    await committing.commit(there)
    gate = await committing.hold()
    batch = [accept(), accept(there.id), accept(), accept()]
    resolved: list[str] = []
    futures = [committing.commit(each) for each in batch]
    for each, future in zip(batch, futures, strict=True):
        future.add_done_callback(partial(note, resolved, each.id))
    gate.open()
    await settled(futures)
    assert resolved == [each.id for each in batch]


@pytest.mark.parametrize(
    ("error", "refusal"), [(StoreUnavailable("gone"), Overloaded), (StoreFull("full"), StorageFull)]
)
async def test_a_store_that_is_not_usable_fails_the_batch_and_nothing_is_stored(
    committing: Committing, error: StoreUnavailable, refusal: type[Refusal]
) -> None:
    gate = await committing.hold(error)
    gate.open()
    with pytest.raises(refusal) as refused:
        await committing.first
    assert refused.value.retry_after
    lost = committing.store.batches[0][0]
    assert isinstance(lost, Accept)
    assert await committing.store.operation(lost.id) is None
    assert isinstance(await committing.commit(accept()), Accepted)  # it works again without a restart


async def test_what_waits_behind_a_failed_batch_is_tried(committing: Committing) -> None:
    gate = await committing.hold(StoreUnavailable("gone"))
    behind = committing.commit(accept())
    gate.open()
    first, second = await settled([committing.first, behind])
    assert isinstance(first, Overloaded)
    assert isinstance(second, Accepted)


async def test_a_store_that_fails_in_the_middle_of_halving_fails_only_that_part(committing: Committing) -> None:
    there = accept()
    await committing.commit(there)
    gate = await committing.hold()
    batch = [accept(), accept(), accept(there.id), accept()]
    futures = [committing.commit(each) for each in batch]

    async def gone(attempted: Sequence[Transition]) -> None:
        if attempted[0] is batch[2]:
            raise StoreUnavailable("gone")

    committing.store.before = gone  # `hold` has begun already and looks no more
    gate.open()
    outcomes = await settled(futures)
    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, Overloaded, Overloaded]


async def test_too_much_that_waits_refuses_submits_and_only_submits(committing: Committing) -> None:
    gate = await committing.hold()
    futures = [committing.commit(accept()) for _ in range(1_000)]
    one_more = committing.commit(accept())
    assert isinstance(one_more.exception(), Overloaded)
    renew = committing.commit(Renew("worker", 1_000, True))
    cancel = committing.commit(Cancel(cast(Accept, committing.store.batches[0][0]).id))
    gate.open()
    assert all(isinstance(outcome, Accepted) for outcome in await settled(futures))
    assert (await renew).held == ()
    assert (await cancel).status is Status.CANCELLED
    assert isinstance(await committing.commit(accept()), Accepted)  # there is room again


async def test_a_submit_that_has_waited_too_long_is_refused_with_nothing_stored(
    committing: Committing, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = await committing.hold()
    late = accept()
    waiting, renew = committing.commit(late), committing.commit(Renew("worker", 1_000, True))
    monkeypatch.setattr(room, "ACCEPT_PATIENCE", 0.0)
    gate.open()
    refused, renewed = await settled([waiting, renew])
    assert isinstance(refused, Overloaded)
    assert renewed.held == ()  # what workers say is never too late
    assert await committing.store.operation(late.id) is None


async def test_a_submit_whose_caller_has_gone_is_not_stored(committing: Committing) -> None:
    gate = await committing.hold()
    gone = accept()
    committing.commit(gone).cancel()
    behind = committing.commit(accept())
    gate.open()
    await behind
    assert await committing.store.operation(gone.id) is None
    assert committing.sizes == [1, 1]


async def test_a_caller_that_goes_away_during_the_commit_hurts_nobody(committing: Committing) -> None:
    gate = await committing.hold()
    committing.first.cancel()
    gate.open()
    assert isinstance(await committing.commit(accept()), Accepted)


async def test_a_violated_invariant_is_told_and_reaches_its_caller_alone(committing: Committing) -> None:
    alarms: list[None] = []
    committing.feed.follow_alarms(lambda: alarms.append(None))
    bad = Cancel("op-" + "b" * 26)

    async def before(batch: Sequence[Transition]) -> None:
        if bad in batch:
            raise InvariantViolation("a step that the table does not have")

    gate = await committing.hold()
    futures = [committing.commit(t) for t in (accept(), bad, accept())]
    committing.store.before = before
    gate.open()
    first, violation, last = await settled(futures)
    assert isinstance(first, Accepted)
    assert isinstance(violation, InvariantViolation)
    assert isinstance(last, Accepted)
    assert len(alarms) == 1


async def test_stop_finishes_what_waits(committing: Committing) -> None:
    gate = await committing.hold()
    futures = [committing.commit(accept()) for _ in range(BATCH_LIMIT + 1)]
    committing.committer.stop()
    gate.open()
    assert all(isinstance(outcome, Accepted) for outcome in await settled(futures))
    await asyncio.wait_for(committing.running, 10)


async def test_what_comes_after_the_end_is_refused_and_not_left_waiting(committing: Committing) -> None:
    committing.committer.stop()
    await asyncio.wait_for(committing.running, 10)
    with pytest.raises(Overloaded):
        await asyncio.wait_for(committing.commit(accept()), 10)
    with pytest.raises(Overloaded):
        await asyncio.wait_for(committing.commit(Cancel("op-" + "b" * 26)), 10)


async def test_when_the_committer_itself_dies_nobody_waits_for_ever(committing: Committing) -> None:
    def broken(_committed: object, _seconds: float) -> None:
        raise ZeroDivisionError

    committing.feed.follow_commits(broken)
    gate = await committing.hold()
    behind = committing.commit(accept())
    gate.open()
    assert isinstance(await committing.first, Accepted)  # it is stored, and its caller hears so
    assert isinstance((await settled([behind]))[0], Overloaded)
    with pytest.raises(ZeroDivisionError):
        await committing.running
    committing.running = asyncio.create_task(asyncio.sleep(0))
