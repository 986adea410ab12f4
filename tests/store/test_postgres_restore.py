"""A database that is put back to an earlier moment: whoever worked on the later one has nothing to say in it (L2)."""

from __future__ import annotations

from urllib.parse import urlsplit

import asyncpg

from accepted.contract.operation import Status
from accepted.contract.problem import Refusal
from accepted.contract.transition import Claimed, Renew
from accepted.store.postgres import PostgresStore
from tests.contract.given import DAY, accept, claim, complete, op_id
from tests.store.asking import ask, ask_one, found, register
from tests.store.clock import MovableClock
from tests.store.server import the_server


async def copied(url: str) -> str:
    """A backup of the database, restored under another name."""
    server = the_server()
    name = f"{urlsplit(url).path[1:]}_restored"
    connection = await asyncpg.connect(server.maintenance)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {urlsplit(url).path[1:]}")
    await connection.close()
    return url.replace(urlsplit(url).path, f"/{name}")


async def test_fences_from_before_the_restore_are_stale(clock: MovableClock) -> None:
    """The same attempt number is given again there, to somebody else: the worker's random id tells them apart (L4)."""
    url = the_server().database()
    before = PostgresStore(url, clock=clock, notify=False)
    await before.open()
    await ask(before, accept(1))
    await before.close()
    restored = await copied(url)

    later = PostgresStore(url, clock=clock, notify=False)
    await later.open()
    await register(later, "old", DAY)
    (theirs,) = (await ask_one(later, claim("old"))).operations
    await later.close()

    store = PostgresStore(restored, clock=clock, notify=False)
    await store.open()
    assert isinstance(await ask_one(store, complete(theirs)), Refusal)
    assert isinstance(await ask_one(store, Renew("old", DAY)), Refusal)
    await register(store, "new", DAY)
    claimed: Claimed = await ask_one(store, claim("new"))
    (ours,) = claimed.operations
    assert ours.attempt == theirs.attempt == 1
    assert isinstance(await ask_one(store, complete(theirs)), Refusal)
    assert (await found(store, op_id(1))).status is Status.PROCESSING
    assert not isinstance(await ask_one(store, complete(ours)), Refusal)
    await store.close()


async def test_what_was_accepted_after_the_backup_is_gone(clock: MovableClock) -> None:
    """No promise can be kept that is nowhere; the pages say so."""
    url = the_server().database()
    store = PostgresStore(url, clock=clock, notify=False)
    restored = await copied(url)
    await store.open()
    await ask(store, accept(1))
    await store.close()
    there = PostgresStore(restored, clock=clock, notify=False)
    await there.open()
    assert await there.operation(op_id(1)) is None
    await there.close()
