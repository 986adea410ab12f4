"""The scribe, a process that writes for a worker: nothing is lost on the way to it, and its death is survived."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from accepted.contract.operation import Artifact, Result, Status
from accepted.contract.problem import Refusal
from accepted.contract.progress import Progress
from accepted.contract.transition import (
    Advance,
    Expire,
    Forget,
    Keep,
    LogEntry,
    Release,
    Renew,
    Renewed,
    Report,
    Resign,
    Retry,
    Settle,
    Stop,
    Transition,
)
from accepted.store.protocol import Committed, Store, StoreUnavailable
from accepted.store.scribe import HEADER, encode_batch
from accepted.store.sqlite import SqliteStore
from accepted.store.turnstile import Turnstile
from tests.contract.given import (
    BROKEN,
    BUSY,
    DAY,
    WARNED,
    accept,
    cancel,
    claim,
    complete,
    fail,
    held,
    key,
    op_id,
    pending,
    processing,
    rescue,
)
from tests.store.asking import ask, ask_one, found, register
from tests.store.children import PATIENCE, ROOT, Child, Watch, environment, scribe_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accepted.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """A store of a process that runs users' functions."""
    store = SqliteStore(str(path), apart=True)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def web(path: Path) -> AsyncIterator[Store]:
    """A store of a web process, on the same file."""
    store = SqliteStore(str(path))
    await store.open()
    yield store
    await store.close()


def everything() -> list[list[Transition]]:
    """Batches that bring about every kind of outcome there is, with everything that a record may hold."""
    lines = (LogEntry(1, "INFO", "line", {"n": [1.5, None]}),)
    report = Report(Progress(1, 2.5, 40, "é\u2028"), WARNED.warnings, lines, b'{"row":1}', msgspec.Raw(b"[1.0,  2]"))
    runs = {number: processing(id=op_id(number)) for number in range(1, 8)}
    artifact = Result(
        artifact=Artifact("text/csv", 2, "0" * 64, 1, "a.csv", {"n": 1}), path="/r/1", identity={"r": "1"}
    )
    return [
        [claim("nobody"), Renew("w1", DAY, True, {"pid": 1}), Renew("nobody", DAY), Expire(), Forget(), rescue()],
        [*(accept(n, input=b"[%d,  1.0]" % n) for n in runs), accept(8, key=key()), accept(9, key=key())],
        [accept(10, key=key(body="another")), cancel(pending(id=op_id(8)), "é"), cancel(pending(id=op_id(99)))],
        [
            claim(room=7),
            Renew("w1", DAY),
            held(Advance, runs[1], report=report),
            held(Keep, runs[1], number=0, data=b"\0\xff"),
        ],
        [complete(runs[1], result=artifact), complete(runs[2], b'{"a":  1.0}', report=report), cancel(runs[1])],
        [
            fail(runs[3], BUSY),
            fail(runs[4], BROKEN, report=report),
            Retry(op_id(3), op_id(11)),
            Retry(op_id(4), op_id(12)),
        ],
        [held(Release, runs[5]), cancel(runs[6]), Settle(op_id(6)), held(Stop, runs[6], report=report)],
        [Retry(op_id(3), op_id(13)), complete(runs[7], b"null"), claim(room=2), held(Stop, runs[1])],
        [Resign("w1"), rescue()],
        [],
    ]


async def test_all_that_is_said_comes_across_unchanged(store: Store, tmp_path: Path) -> None:
    """Both writers tell the same; only their clocks differ, and so do the times they write."""
    other = SqliteStore(str(tmp_path / "other.db"))
    await other.open()
    for batch in everything():
        told, expected = await store.commit(batch), await other.commit(batch)
        assert timeless(told) == timeless(expected)
        assert [type(outcome) for outcome in told.outcomes] == [type(outcome) for outcome in expected.outcomes]
    assert await store.tally() == await other.tally()
    await other.close()


TIMES = {
    "created_at", "updated_at", "due_at", "started_at", "attempt_at", "ended_at", "expires_at", "at", "settle_at",
}  # fmt: skip


def timeless(committed: Committed) -> Any:
    plain = [
        (outcome.detail, outcome.retry_after, outcome.members) if isinstance(outcome, Refusal) else outcome
        for outcome in committed.outcomes
    ]
    parts = (plain, committed.operations, committed.events, dict(committed.work), committed.hints)
    return [_timeless(msgspec.json.decode(msgspec.json.encode(part))) for part in parts]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(part) for name, part in value.items() if name not in TIMES}
    if isinstance(value, list):
        return [_timeless(part) for part in value if not (isinstance(part, int) and part > 10**12)]
    return value


async def test_a_value_returned_comes_back_with_its_very_bytes(store: Store) -> None:
    await ask(store, accept(1), Renew("w1", DAY, True), claim())
    ended = await ask_one(store, complete(await found(store, op_id(1)), b'{"a":  1.0, "big":12345678901234567890123}'))
    assert bytes(ended.result.value) == b'{"a":  1.0, "big":12345678901234567890123}'
    assert await found(store, op_id(1)) == ended


async def test_a_batch_may_be_larger_than_any_pipe(store: Store) -> None:
    body = b'"' + b"x" * (4 << 20) + b'"'
    await ask(store, *(accept(number, input=body) for number in range(4)), Renew("w1", DAY, True))
    committed = await store.commit([claim(room=4)])
    assert [work.input for work in committed.work.values()] == [body] * 4


async def test_a_bad_transition_is_an_error_and_not_the_end(store: Store) -> None:
    await ask(store, accept(1))
    with pytest.raises(RuntimeError, match="UNIQUE"):
        await store.commit([accept(2), accept(1)])
    assert await store.operation(op_id(2)) is None
    await ask(store, accept(2))


class TestDeath:
    async def test_the_commit_in_flight_is_unavailable_and_the_next_one_works(
        self, store: Store, web: Store, path: Path
    ) -> None:
        turnstile = Turnstile(str(path))
        with turnstile:  # so that the commit stays in flight
            asked = asyncio.ensure_future(store.commit([accept(1)]))
            await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0))])
            os.kill(scribe_of(path, os.getpid()), signal.SIGKILL)
            with pytest.raises(StoreUnavailable):
                async with asyncio.timeout(PATIENCE):
                    await asked
        turnstile.close()
        assert await web.operation(op_id(1)) is None
        await ask(store, accept(2))
        assert (await found(web, op_id(2))).status is Status.PENDING

    async def test_each_commit_after_a_death_starts_another(self, store: Store, path: Path) -> None:
        pids = set()
        for number in range(3):
            pid = scribe_of(path, os.getpid())
            pids.add(pid)
            watch = Watch(pid)
            os.kill(pid, signal.SIGKILL)
            assert watch.ended()
            with pytest.raises(StoreUnavailable):
                await store.commit([accept(number)])
            await ask(store, accept(number))
        assert len(pids) == 3
        assert await store.tally() == {("report", Status.PENDING): 3}

    async def test_leases_outlive_the_scribe(self, store: Store, path: Path) -> None:
        await register(store, ttl=DAY)
        os.kill(scribe_of(path, os.getpid()), signal.SIGKILL)
        with pytest.raises(StoreUnavailable):
            await store.commit([Renew("w1", DAY)])
        assert await ask_one(store, Renew("w1", DAY)) == Renewed(())

    def test_it_ends_with_its_worker(self, path: Path) -> None:
        with Child("tests.store.neighbour", "work", path) as worker:
            watch = Watch(int(worker.line()))
            assert worker.line() == "renewed"
            worker.kill()
            assert watch.ended()

    async def test_it_ends_when_the_store_is_closed(self, path: Path) -> None:
        store = SqliteStore(str(path), apart=True)
        await store.open()
        watch = Watch(scribe_of(path, os.getpid()))
        await store.close()
        assert watch.ended()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_what_a_terminal_says_to_its_worker_does_not_end_it(
        self, store: Store, path: Path, number: signal.Signals
    ) -> None:
        os.kill(scribe_of(path, os.getpid()), number)
        await ask(store, accept(1))
        await ask(store, accept(2))


async def test_whoever_gives_up_waiting_does_not_confuse_the_next(store: Store, path: Path) -> None:
    turnstile = Turnstile(str(path))
    with turnstile:
        asked = asyncio.ensure_future(store.commit([accept(1)]))
        await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0))])
        asked.cancel()
        await asyncio.wait([asked], timeout=0.05)
    turnstile.close()
    (outcome,) = await ask(store, accept(2))
    assert outcome.operation.id == op_id(2)


async def test_a_disk_that_refuses_is_said_and_forgiven(store: Store, path: Path) -> None:
    """A limit on how long files may grow is the one fault that can be put upon a running process from outside."""
    scribe = scribe_of(path, os.getpid())
    await ask(store, accept(1))
    unlimited = resource.prlimit(scribe, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        await store.commit([accept(2)])
    assert await store.operation(op_id(2)) is None
    resource.prlimit(scribe, resource.RLIMIT_FSIZE, unlimited)
    await ask(store, accept(2))
    assert scribe_of(path, os.getpid()) == scribe
    assert await store.tally() == {("report", Status.PENDING): 2}


async def test_a_worker_that_reads_no_answer_holds_up_nobody(web: Store, path: Path) -> None:
    """It may be frozen while a claim with large inputs is on its way to it: more than any socket buffers."""
    body = b'"' + b"x" * (8 << 20) + b'"'
    await ask(web, accept(1, input=body))
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "accepted.store.scribe", str(path), str(theirs.fileno())]
    scribe = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT, env=environment())  # noqa: ASYNC220
    theirs.close()
    batch = encode_batch([Renew("w1", DAY, True), claim()])
    ours.sendall(HEADER.pack(len(batch)) + batch)
    async with asyncio.timeout(PATIENCE):
        while (await found(web, op_id(1))).status is not Status.PROCESSING:
            await web.commit([])
        for number in range(2, 12):
            await web.commit([accept(number)])
    ours.close()
    assert await asyncio.to_thread(scribe.wait, PATIENCE) == 0
