"""What may be read of an operation as time goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import cast

from .day import Day, Span, Violation, fallen
from .record import ENDS, Entry, Listed, Read


def one_end(day: Day) -> Iterator[Violation]:
    """S3: nobody has seen another end than anybody else."""
    for id in day.seen:
        ends: dict[str, Entry] = {}
        for seen in day.ended(id):
            ends.setdefault(seen.state, seen.entry)
        if len(ends) > 1:
            sentence = f"{id} was seen to end as {' and as '.join(sorted(ends))}"
            yield Violation("S3", "one end", sentence, tuple(ends.values()))


def the_end_stays(day: Day) -> Iterator[Violation]:
    """S2: a terminal operation never changes again, and its document is the same byte for byte."""
    for id, entries in day.reads.items():
        bodies: dict[bool, dict[str, Entry]] = defaultdict(dict)
        for entry in entries:
            read = cast("Read", entry.record)
            if read.state in ENDS and read.body:
                bodies[read.retried].setdefault(read.body, entry)
        for found in bodies.values():
            if len(found) > 1:
                sentence = f"{id} has ended, and {len(found)} different documents of it were read"
                yield Violation("S2", "the end stays", sentence, tuple(found.values())[:3])
    for id, sightings in day.seen.items():
        for clock in {seen.clock for seen in sightings}:
            present = [
                s for s in sightings if s.clock == clock and (s.state in ENDS or isinstance(s.entry.record, Read))
            ]
            spans = [Span(s.began, s.ended, int(s.state in ENDS), s.entry) for s in present]  # events are of the past
            for earlier, later in fallen(spans):
                yield Violation("S2", "the end stays", f"{id} had ended, and goes on", (earlier.entry, later.entry))


def versions_grow(day: Day) -> Iterator[Violation]:
    """S4: a read that began when another was over never sees an older version, on whatever node."""
    return _growing(day, "S4", "versions grow", "version", lambda read: read.version)


def attempts_grow(day: Day) -> Iterator[Violation]:
    """S5: nor a lower attempt."""
    return _growing(day, "S5", "attempts grow", "attempt", lambda read: read.attempt)


def _growing(
    day: Day, guarantee: str, rule: str, name: str, number: Callable[[Read], int | None]
) -> Iterator[Violation]:
    for id, entries in day.reads.items():
        spans: dict[str, list[Span]] = defaultdict(list)
        for entry in entries:
            read = cast("Read", entry.record)
            if (value := number(read)) is not None:
                spans[read.clock].append(Span(read.began, read.ended, value, entry))
        for found in spans.values():
            for earlier, later in fallen(found):
                sentence = f"{id} was read with {name} {later.value} after {name} {earlier.value}"
                yield Violation(guarantee, rule, sentence, (earlier.entry, later.entry))


def ends_as_meant(day: Day, meant: frozenset[str]) -> Iterator[Violation]:
    """Work that cannot fail by itself has not failed. Not a promise of the system; for who knows his functions."""
    for id in day.seen:
        for seen in day.ended(id)[-1:]:
            if seen.state not in meant:
                problem = seen.entry.record.problem if isinstance(seen.entry.record, Listed) else ""
                sentence = f"{id} ended {seen.state} {problem}".rstrip()
                yield Violation("-", "ends as meant", sentence, (seen.entry,))
