"""What has expired is gone from PostgreSQL's files as well (guarantee R4), once its pages have been written anew."""

from __future__ import annotations

from typing import Any

import asyncpg
import msgspec

from accepted.contract.operation import Result
from accepted.contract.transition import Expire
from accepted.store.postgres import PostgresStore
from tests.contract.given import DAY, complete, webhook
from tests.store.asking import ask, running
from tests.store.clock import MovableClock
from tests.store.server import the_server

INPUT, RESULT, SECRET = b"canary-input-a1", b"canary-result-b2", b"canary-secret-of-a-hook"
ALL = (INPUT, RESULT, SECRET)

_FILES = """
SELECT pg_read_binary_file(pg_relation_filepath(pg_class.oid)) FROM pg_class
WHERE relkind IN ('r', 'i', 't') AND relnamespace IN ('accepted'::regnamespace, 'pg_toast'::regnamespace)
"""


async def stored(connection: Any) -> bytes:
    """The bytes of all our tables and indexes as they are on the disk."""
    await connection.execute("CHECKPOINT")
    return b"".join([row[0] for row in await connection.fetch(_FILES)])


async def test_what_has_expired_is_gone_from_the_files(clock: MovableClock) -> None:
    url = the_server().database()
    store = PostgresStore(url, clock=clock)
    await store.open()
    connection = await asyncpg.connect(url)
    try:
        body = b'"%s"' % INPUT
        (one,) = await running(store, 1, input=body, webhook=webhook(secrets=(SECRET.decode(),), events=("FAILED",)))
        await ask(store, complete(one, result=Result(msgspec.Raw(b'"%s"' % RESULT))))
        assert [canary for canary in ALL if canary not in await stored(connection)] == []
        clock.advance(2 * DAY)
        assert await ask(store, Expire()) == [1]
        await connection.execute("VACUUM FULL")
        assert [canary for canary in ALL if canary in await stored(connection)] == []
    finally:
        await connection.close()
        await store.close()
