"""Reading one SQLite file. WAL readers wait for no writer and see each commit as soon as it is durable.

Short reads by key are done where they are asked for: they take microseconds, a hop to another thread would take longer.

Polls that are answered within one turn of the event loop share a snapshot. None of them can know of anything newer:
its end stands in the loop's queue before whatever this process may hear of after its beginning, be it a request, an
answer or the outcome of a commit.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import apsw
import msgspec

from ..contract.delivery import Delivery
from ..contract.event import Event
from ..contract.ledger import Tombstone
from ..contract.operation import LogLine, Now, Operation, Status
from ..contract.statistic import StatisticRow, Tallies
from ..contract.turns import Waiting, first_in_turn
from ..contract.webhook import Registration
from .protocol import OWNERS_SEEN, Selection, WorkerRow
from .sqlite_load import READY, decode_delivery, decode_operation, owners_from
from .sqlite_schema import SQL, connect, unavailable

_LAST_ID = "op-~"  # sorts after every id

_decode_event = msgspec.json.Decoder(Event).decode
_decode_webhook = msgspec.json.Decoder(Registration).decode
_decode_tallies = msgspec.json.Decoder(Tallies).decode
_decode_line = msgspec.json.Decoder(LogLine).decode


class Reader:
    """A reading connection; one thread at a time."""

    def __init__(self, path: str) -> None:
        self._connection = connect(path)
        self._connection.execute("PRAGMA query_only = ON")
        self.begun = False

    def begin(self) -> None:
        """Let all reads until `end` see one snapshot, which is taken with the first: a transaction costs more than a
        read.
        """
        with unavailable():
            self._connection.execute("BEGIN")
            self.begun = True

    def end(self) -> None:
        """Let go of the snapshot."""
        self.begun = False
        with contextlib.suppress(apsw.Error):  # it was closed meanwhile, or a failed read has ended the transaction
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close(force=True)

    def operation(self, id: str, owner: str | None = None) -> Operation | Tombstone | None:
        with unavailable():
            if owner is None:
                row = self._connection.execute(SQL["operation_by_id"], (id,)).fetchone()
            else:
                row = self._connection.execute(SQL["operation_of_owner"], (id, owner)).fetchone()
            if row is not None:
                return decode_operation(row[0])
            row = self._connection.execute(SQL["tombstone_by_id"], (id,)).fetchone()
            return Tombstone(*row) if row is not None else None

    def operations(self, selection: Selection) -> list[Operation]:
        wanted = selection.skip + selection.limit
        before = selection.before or _LAST_ID
        newest = [
            self._column("newest", (owner, type, status, before, selection.since, wanted))
            for owner, type, status, _ in self._partitions(selection)
        ]
        page = heapq.nlargest(wanted, (id for ids in newest for id in ids))[selection.skip :]
        found = [self.operation(id) for id in page]
        return [operation for operation in found if isinstance(operation, Operation)]

    def count(self, selection: Selection) -> int:
        return sum(number for *_, number in self._partitions(selection))

    def tally(self, owner: str | None = None) -> dict[tuple[str, Status], int]:
        total: Counter[tuple[str, Status]] = Counter()
        for _, type, status, number in self._partitions(Selection(owner)):
            total[type, Status(status)] += number
        return dict(total)

    def _partitions(self, selection: Selection) -> list[tuple[str, str, str, int]]:
        if selection.owner is None:
            rows = self._rows("partitions", ())
        else:
            rows = self._rows("partitions_of_owner", (selection.owner,))
        types, statuses = selection.types, selection.statuses
        return [r for r in rows if (types is None or r[1] in types) and (statuses is None or r[2] in statuses)]

    def input(self, id: str) -> bytes | None:
        body: bytes | None = self._first("payload", (id, "input"))
        return b"null" if body is None and isinstance(self.operation(id), Operation) else body

    def events(self, id: str, after: int, limit: int) -> list[Event]:
        return [_decode_event(body) for body in self._column("events", (id, after, limit))]

    def news(self, after: Mapping[str, int], limit: int) -> list[Event]:
        wanted = msgspec.json.encode(after).decode()
        return [_decode_event(body) for body in self._column("news", (wanted, limit))]

    def lines(self, id: str, after: int, limit: int) -> list[LogLine]:
        return [_decode_line(body) for body in self._column("lines", (id, after, limit))]

    def deliveries(self, id: str) -> list[Delivery]:
        return [decode_delivery(row[1]) for row in self._rows("deliveries_of", (msgspec.json.encode([id]).decode(),))]

    def webhook(self, id: str) -> Registration | None:
        body: bytes | None = self._first("payload", (id, "webhook"))
        return None if body is None else _decode_webhook(body)

    def next_delivery(self) -> int | None:
        due_at: int | None = self._first("next_delivery", ())
        return due_at

    def resource(self, owner: str, path: str) -> str | None:
        id: str | None = self._first("resource", (owner, path))
        return id

    def chunk(self, id: str, attempt: int, number: int) -> bytes | None:
        body: bytes | None = self._first("chunk", (id, attempt, number))
        return body

    def queue(self, type: str, limit: int) -> list[str]:
        def line(owner: str, number: int) -> list[Waiting]:
            return [Waiting(*row) for row in self._rows("queue", (type, owner, number))]

        return [each.id for each in first_in_turn(self._owners(type, limit), line, "", limit)]

    def _owners(self, type: str, limit: int) -> list[str]:
        with unavailable():
            return list(islice(owners_from(self._connection, READY, (type,), ""), limit))

    def oldest_due(self) -> dict[str, int]:
        waiting = {type for type, status in self.tally() if status is Status.PENDING}
        return {type: min(dates) for type in waiting if (dates := list(self._due_dates(type)))}

    def _due_dates(self, type: str) -> Iterator[int]:
        yield from self._column("next_due", (type,))
        for owner in self._owners(type, OWNERS_SEEN):
            for _, record in self._rows("line", (type, owner, 1)):
                yield decode_operation(record).due_at

    def durations(self, type: str) -> list[float]:
        return [milliseconds / 1000 for milliseconds in self._column("durations", (type,))]

    def workers(self, now: Now) -> list[WorkerRow]:
        rows = self._rows("workers", (now.tick,))
        return [WorkerRow(id, bool(alive), msgspec.json.decode(about)) for id, alive, about in rows]

    def running(self, limit: int) -> list[Operation]:
        return [decode_operation(record) for record in self._column("running_now", (limit,))]

    def statistics(self, scope: str, since: int) -> list[StatisticRow]:
        rows = self._rows("statistics", (scope, since))
        return [
            StatisticRow(scope, minute, type, source, _decode_tallies(body))
            for scope, minute, type, source, body in rows
        ]

    def change_counter(self) -> int:
        """A number that is another one once any other connection has committed."""
        with unavailable():
            counter: Any = self._connection.execute("PRAGMA data_version").fetchall()[0][0]
            return int(counter)

    def _rows(self, name: str, bindings: tuple[Any, ...]) -> list[Any]:
        with unavailable():
            return self._connection.execute(SQL[name], bindings).fetchall()

    def _column(self, name: str, bindings: tuple[Any, ...]) -> list[Any]:
        return [row[0] for row in self._rows(name, bindings)]

    def _first(self, name: str, bindings: tuple[Any, ...]) -> Any:
        rows = self._rows(name, bindings)
        return rows[0][0] if rows else None
