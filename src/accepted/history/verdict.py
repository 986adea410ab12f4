"""The judge: every rule over a whole history. It knows nothing of the engine and would judge any other server too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from .attempts import attempts_begin_once, one_at_a_time, only_harm_leaves_no_end, stale_writes, work_was_done
from .day import Day, Violation
from .promises import all_ended, nothing_lost, one_key_one_operation, refused_is_not_there
from .readings import attempts_grow, ends_as_meant, one_end, the_end_stays, versions_grow
from .record import Entry
from .streams import all_told_the_same, numbered_without_gaps, the_end_is_last, told_in_time

Rule = Callable[[Day], Iterable[Violation]]

WITHIN = 5.0  # seconds: a polling interval of one, and what a busy machine adds

RULES: tuple[Rule, ...] = (
    nothing_lost,
    all_ended,
    refused_is_not_there,
    one_key_one_operation,
    one_end,
    the_end_stays,
    versions_grow,
    attempts_grow,
    numbered_without_gaps,
    the_end_is_last,
    all_told_the_same,
    work_was_done,
    attempts_begin_once,
    one_at_a_time,
    stale_writes,
    only_harm_leaves_no_end,
)


class Verdict(NamedTuple):
    """What was found, and over how much."""

    records: int
    operations: int
    acknowledged: int
    violations: tuple[Violation, ...]

    @property
    def kept(self) -> bool:
        return not self.violations


def judge(entries: Iterable[Entry], *, within: float = WITHIN, meant: frozenset[str] | None = None) -> Verdict:
    """Hold a history to the guarantees: everything that speaks against it, in the order of the rules.

    Streams have to tell of an end `within` seconds; where `meant` is given, operations may end in these states alone.
    """
    day = Day(entries)
    rules: list[Rule] = [*RULES, partial(told_in_time, within=within)]
    if meant is not None:
        rules.append(partial(ends_as_meant, meant=meant))
    found = tuple(violation for rule in rules for violation in rule(day))
    return Verdict(day.size, len(day.operations), len(day.acknowledged), found)
