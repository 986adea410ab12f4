"""Concurrency keys: at most so many operations of one key at once, and nobody else has to wait for them.

Of one group (a type and a key) no more operations have a turn or run than may run; they are *active*. All others are
parked, out of the sight of every claim, so that a million of them cost nothing. Whoever enters a group is parked first;
whenever one enters or leaves, the group lets in as many as there is room for, its owners taking turns. That is the only
rule, and it mends by itself what an operator or an older version has left amiss.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from .ledger import Facts, GroupId, GroupRow
from .operation import Operation
from .turns import lines


class Groups:
    """The groups of one batch; `write` is told of each operation that is let in."""

    def __init__(self, facts: Facts, write: Callable[[Operation], None]) -> None:
        self._facts = facts
        self._write = write

    def moved(self, before: Operation, after: Operation) -> None:
        """An operation that has a group is somewhere else now."""
        if before.active and not after.active:
            self._row(before).active -= 1
            self._let_in(before)
        elif before.parked and not after.parked:
            parked = self._row(before).parked
            if before.id in parked:
                parked.remove(before.id)

    def entered(self, operation: Operation) -> None:
        """One has come, and is parked."""
        self._row(operation).parked.append(operation.id)
        self._let_in(operation)

    def _let_in(self, cause: Operation) -> None:
        row, operations = self._row(cause), self._facts.operations
        while row.parked:
            first = lines((operations[id] for id in row.parked), row.after)[0][0]
            if first.group is None or row.active >= first.group.limit:
                return
            row.parked.remove(first.id)
            row.active += 1
            row.after = first.owner
            self._write(replace(first, parked=False))

    def _row(self, operation: Operation) -> GroupRow:
        assert operation.group is not None
        return self._facts.groups[GroupId(operation.type, operation.group.key)]
