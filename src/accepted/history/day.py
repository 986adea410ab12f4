"""A whole history, sorted by what the rules ask of it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeVar, cast

from .record import ENDS, Close, End, Entry, Harm, Listed, Open, Read, Start, Submit, Told, Write

T = TypeVar("T")


class Seen(NamedTuple):
    """That somebody saw an operation in a state, between two moments of a clock (0 and 0: at the very end)."""

    state: str
    began: float
    ended: float
    clock: str
    entry: Entry


class Violation(NamedTuple):
    """A promise that was not kept, as a sentence, with the records that show it."""

    guarantee: str
    rule: str
    sentence: str
    evidence: tuple[Entry, ...] = ()


class Day:
    """Records by kind and by operation, in the order in which they were written down."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.size = 0
        self._kinds: dict[type, list[Entry]] = defaultdict(list)
        for entry in entries:
            self.size += 1
            self._kinds[type(entry.record)].append(entry)
        self.submits = self._by(Submit, lambda record: record.key)
        self.reads = self._by(Read, lambda record: record.operation_id)
        self.listed = self._by(Listed, lambda record: record.operation_id)
        self.opened = self._by(Open, lambda record: record.connection)
        self.told = self._by(Told, lambda record: record.connection)
        self.closed = self._by(Close, lambda record: record.connection)
        self.starts = self._by(Start, lambda record: record.operation_id)
        self.ends = self._by(End, lambda record: record.operation_id)
        self.writes = self._by(Write, lambda record: record.operation_id)
        self.harms = self._by(Harm, lambda record: record.process)
        self.acknowledged = self._acknowledged()
        self.seen = self._seen()

    def _by(self, kind: type[T], name: Callable[[T], str]) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self._kinds[kind]:
            found[name(cast("T", entry.record))].append(entry)
        return dict(found)

    def _acknowledged(self) -> dict[str, list[Entry]]:
        """The 202s by operation."""
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self._kinds[Submit]:
            record = cast("Submit", entry.record)
            if record.acknowledged:
                found[record.operation_id].append(entry)
        return dict(found)

    def _seen(self) -> dict[str, list[Seen]]:
        """Every state in which anybody saw each operation."""
        found: dict[str, list[Seen]] = defaultdict(list)
        for entry in self._kinds[Read] + self._kinds[Told] + self._kinds[Listed]:
            match entry.record:
                case Read(operation_id=id, state=state, began=began, ended=ended, clock=clock) if state:
                    found[id].append(Seen(state, began, ended, clock, entry))
                case Told(operation_id=id, state=state, at=at, clock=clock) if state:
                    found[id].append(Seen(state, at, at, clock, entry))
                case Listed(operation_id=id, state=state):
                    found[id].append(Seen(state, 0, 0, "the end", entry))
        return dict(found)

    @property
    def operations(self) -> list[str]:
        """Every operation that anybody has spoken of, sorted."""
        return sorted({*self.acknowledged, *self.seen, *self.reads, *self.starts})

    def ended(self, id: str) -> list[Seen]:
        """Sightings of its end."""
        return [seen for seen in self.seen.get(id, ()) if seen.state in ENDS]

    def named(self) -> Iterator[tuple[str, str, Entry]]:
        """(key, operation, entry) wherever a record ties one to the other."""
        for entry in self._kinds[Submit] + self._kinds[Listed] + self._kinds[Start]:
            record = cast("Submit | Listed | Start", entry.record)
            if record.key and record.operation_id:
                yield record.key, record.operation_id, entry


class Span(NamedTuple):
    """A value that was seen between two moments."""

    began: float
    ended: float
    value: int
    entry: Entry


def fallen(spans: Sequence[Span]) -> Iterator[tuple[Span, Span]]:
    """Pairs of sightings of which the later began when the earlier was over, and yet saw less."""
    by_end = sorted(spans, key=lambda span: span.ended)
    moments = [span.ended for span in by_end]
    highest = list(accumulate(by_end, _higher))
    for span in spans:
        before = bisect_right(moments, span.began)
        if before and highest[before - 1].value > span.value and highest[before - 1] is not span:
            yield highest[before - 1], span


def _higher(one: Span, two: Span) -> Span:
    return two if two.value > one.value else one
