"""What became of a commit whose answer was lost (guarantee D4): asked on another connection, and only then.

Two things tell. The server knows of each recent transaction whether it is over; and a batch that is stored has left its
witness, an event that nobody else can have written. The witness decides, because a server that took over in between
counts transactions of its own; the transaction says when there is no more to wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg
import msgspec

from ..contract.event import Event
from .postgres_connect import LOST, Door, hang_up, unavailable
from .postgres_schema import SQL
from .protocol import Committed, StoreUnavailable

PATIENCE = 5.0  # seconds for finding out; a server that comes up again takes some
REST = 0.1


class Doubt(Exception):
    """COMMIT was sent and nothing came back."""

    def __init__(self, committed: Committed, transaction: str | None) -> None:
        super().__init__("the connection was lost in a commit")
        self.committed = committed
        self._transaction = transaction
        first = (event for event in committed.events if event.sequence == 1)  # in no other batch
        self._witness = next(first, committed.events[0] if committed.events else None)

    async def settle(self, door: Door) -> bool | None:
        """Whether the batch is stored; None where that cannot be found out in time."""
        if self._witness is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    with contextlib.suppress(StoreUnavailable):
                        if (stored := await self._look(door, self._witness)) is not None:
                            return stored
                    await asyncio.sleep(REST)
        except TimeoutError:
            return None

    async def _look(self, door: Door, witness: Event) -> bool | None:
        connection = await door.connect()
        try:
            with unavailable():
                over = await self._over(connection)  # before the witness is looked for, or it may come in between
                row = witness.operation_id, witness.sequence, msgspec.json.encode(witness)
                if await connection.fetchval(SQL["witness"], *row):
                    return True
                return False if over else None
        finally:
            await hang_up(connection)

    async def _over(self, connection: Any) -> bool:
        """Whether its transaction can commit no more."""
        if self._transaction is None:
            return False
        try:
            return bool(await connection.fetchval(SQL["fate"], self._transaction) != "in progress")
        except asyncpg.InvalidParameterValueError:
            return True  # a number that this server has not given out yet: it has taken over from the one that had


async def finish(connection: Any, committed: Committed, transaction: str | None) -> None:
    """COMMIT, which makes `committed` true. Raises `Doubt` where no answer comes."""
    try:
        await connection.execute("COMMIT")
    except asyncpg.PostgresError as error:
        if isinstance(error, (asyncpg.OperatorInterventionError, asyncpg.PostgresConnectionError)):
            raise Doubt(committed, transaction) from error  # the server may have gone down before or after
        raise
    except (*LOST, TimeoutError, asyncio.CancelledError) as error:
        raise Doubt(committed, transaction) from error
