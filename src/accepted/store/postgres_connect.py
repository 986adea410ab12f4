"""Connections to PostgreSQL, and what may go wrong with them.

Each connection asks for a server that takes writes, so that a URL with several hosts finds the primary, and finds the
new one after a failover.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import weakref
from typing import Any

import asyncpg

from .protocol import StoreFull, StoreUnavailable
from .queries import statements

CONNECT_PATIENCE = 5.0  # seconds until a server that does not answer counts as down
READ_PATIENCE = 10.0
FAREWELL = 1.0  # seconds
SILENCE = 4.0  # seconds in which nothing we send is acknowledged; left to itself, TCP goes on for a quarter of an hour
POOL = 4  # reading connections of one process
OLDEST = 13  # the first PostgreSQL that can say what became of a transaction (`pg_current_xact_id`, `pg_xact_status`)

_SQL = statements("postgres")
_OPTIONS: dict[str, Any] = {
    "timeout": CONNECT_PATIENCE,
    "target_session_attrs": "read-write",
    "server_settings": {"application_name": "accepted"},
}


async def connect(url: str) -> Any:
    """A connection of one's own for a command, also through a pooler. Raises `StoreUnavailable`."""
    return await Door(url, prepared_statements=False).connect()


class Door:
    """The way into the database that `url` names, for one store."""

    def __init__(self, url: str, *, prepared_statements: bool = True) -> None:
        self._url = url
        self.begin = _SQL["begin"] if prepared_statements else _SQL["begin_bounded"]
        self._prepared = prepared_statements
        self._options = _OPTIONS if prepared_statements else _OPTIONS | _UNPREPARED
        self._made: weakref.WeakSet[Any] = weakref.WeakSet()

    async def connect(self) -> Any:
        """A connection of one's own. Raises `StoreUnavailable`."""
        with unavailable():
            return await self._connect(self._url, **self._options)

    async def connect_to_commit(self) -> Any:
        """The same, for transactions that start with `begin`: they are bounded in time."""
        connection = await self.connect()
        if self._prepared:
            with unavailable():
                await _set(connection, "bounds")
        return connection

    async def pool(self) -> Any:
        """A few connections that share the reading. Raises `StoreUnavailable`."""
        with unavailable():
            options = {"min_size": 0, "max_size": POOL, "reset": _leave, "connect": self._connect}
            return await asyncpg.create_pool(self._url, **options, **self._options)

    async def _connect(self, *arguments: Any, **options: Any) -> Any:
        connection = await asyncpg.connect(*arguments, **options)
        self._made.add(connection)
        await _be_modern(connection)
        _be_impatient(connection)
        if self._prepared:
            await _set(connection, "by_index")
        return connection

    def forsake(self) -> None:
        """Drop all connections of a loop that has ended and can close none of them any more."""
        for connection in list(self._made):
            _drop(connection)
        self._made.clear()


class _Wanderer(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """Behind a pooler that gives every transaction another connection, what one of them was told is not to be found on
    the next. So each statement goes out whole, in one message with its values; what types it takes and gives is known
    from the first time. asyncpg has no word for it: what it calls unnamed it still expects to find a message later.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._known: dict[str, Any] = {}

    async def _get_statement(self, query: str, timeout: float | None, **options: Any) -> Any:
        if (statement := self._known.get(query)) is None:
            statement = await super()._get_statement(query, timeout, **options | {"named": False, "use_cache": False})
            statement.mark_unprepared()
            self._known[query] = statement
        return statement


_UNPREPARED = {"connection_class": _Wanderer, "statement_cache_size": 0}


async def _be_modern(connection: Any) -> None:
    """An older server would take the schema, and then no commit."""
    if connection.get_server_version().major < OLDEST:
        found = connection.get_settings().server_version
        await hang_up(connection)
        raise StoreUnavailable(f"the database is PostgreSQL {found}, and {OLDEST} or newer is needed")


async def _set(connection: Any, name: str) -> None:
    """For this session."""
    try:
        await connection.execute(_SQL[name], timeout=CONNECT_PATIENCE)
    except BaseException:
        connection.terminate()
        raise


def _be_impatient(connection: Any) -> None:
    """A partition must not be waited out by TCP: after it, what was sent into it is sent again later and later."""
    wire = connection._transport.get_extra_info("socket")  # noqa: SLF001  (asyncpg has no word for it)
    if wire.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux has it
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(SILENCE * 1000))


def _drop(connection: Any) -> None:
    """Neither asyncpg nor asyncio has a word for it: what the loop would have called next has to be called here."""
    transport = connection._transport  # noqa: SLF001
    if not connection.is_closed() and transport is not None:
        with contextlib.suppress(OSError, AttributeError):
            transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)  # the server sees the end in any case
        with contextlib.suppress(RuntimeError, AttributeError):
            transport._call_connection_lost(None)  # noqa: SLF001


async def _leave(connection: Any) -> None:
    """Readers change nothing about a connection, so a round trip to reset it would be for nothing."""


LOST = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The connection is gone; whatever was not committed is not stored."""

CONFLICTS = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
"""Nothing is stored, and the same again may go well."""

_TROUBLE = (
    *LOST,
    *CONFLICTS,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a lock waited for too long; a database that takes no connections
    asyncpg.PostgresIOError,
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.InvalidSQLStatementNameError,  # a pooler that nobody has told us of: see `prepared_statements`
    asyncpg.DuplicatePreparedStatementError,
)
_BUGS = (asyncpg.DataError, asyncpg.UnsupportedClientFeatureError)  # of the client: they are interface errors by birth


async def hang_up(connection: Any) -> None:
    """Let go of a connection, or of a pool, in good order where it still answers."""
    try:
        async with asyncio.timeout(FAREWELL):
            await connection.close()
    except (*LOST, TimeoutError, asyncpg.PostgresError):
        connection.terminate()
        await asyncio.sleep(0)  # its transport is closed in the next turn of the loop


class unavailable:  # noqa: N801  (used like a function; a generator would cost twice as much on every read)
    """Turns what the server, the network or a lock may do to us into `StoreUnavailable`; bugs pass through as they
    are.
    """

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, asyncpg.DiskFullError):
            raise StoreFull("the database server has no room left") from error
        if isinstance(error, TimeoutError):
            raise StoreUnavailable("the database does not answer in time") from error
        if isinstance(error, _TROUBLE) and not is_bug(error):
            raise StoreUnavailable(f"the database cannot be used: {error or type(error).__name__}") from error


def is_bug(error: BaseException) -> bool:
    """Whether asyncpg complains of how it was called."""
    return isinstance(error, _BUGS) and not isinstance(error, asyncpg.PostgresError)
