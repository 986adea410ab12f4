"""What streams tell: every event once, in order, none missing, and soon."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import cast

from .day import Day, Seen, Violation
from .record import ENDS, Close, Entry, Listed, Open, Told


def numbered_without_gaps(day: Day) -> Iterator[Violation]:
    """E1, E2: on one connection events are counted on from where it began; and so are those that are stored."""
    for connection, entries in day.told.items():
        opened = day.opened.get(connection)
        after = cast("Open", opened[0].record).after if opened else None
        before: Entry | None = opened[0] if opened else None
        for entry in entries:
            told = cast("Told", entry.record)
            if after is not None and not told.reset and told.sequence != after + 1:
                what = "again" if told.sequence <= after else f"after {after}"
                sentence = f"{told.operation_id}: connection {connection} was told event {told.sequence} {what}"
                yield Violation("E2", "numbered without gaps", sentence, (*((before,) if before else ()), entry))
            after, before = told.sequence, entry
    for id, entries in day.listed.items():
        listed = cast("Listed", entries[-1].record)
        numbers = [sequence for sequence, _ in listed.events or ()]
        if listed.events is not None and (not numbers or numbers != list(range(1, len(numbers) + 1))):
            yield Violation("E1", "numbered without gaps", f"{id} has events {numbers}", (entries[-1],))


def the_end_is_last(day: Day) -> Iterator[Violation]:
    """S3: one terminal event, and none after it."""
    for connection, entries in day.told.items():
        end: Entry | None = None
        for entry in entries:
            told = cast("Told", entry.record)
            if end is not None:
                sentence = f"{told.operation_id}: connection {connection} was told event {told.sequence} after the end"
                yield Violation("S3", "the end is last", sentence, (end, entry))
            if told.state in ENDS and not told.reset:
                end = entry
    for id, entries in day.listed.items():
        listed = cast("Listed", entries[-1].record)
        if listed.events is None:
            continue
        ends = [state for _, state in listed.events if state in ENDS]
        if listed.state in ENDS and ends != [listed.state]:
            sentence = f"{id} is {listed.state} and its terminal events are {ends}"
            yield Violation("S3", "the end is last", sentence, (entries[-1],))
        elif ends and listed.events[-1][1] != ends[-1]:
            yield Violation("S3", "the end is last", f"{id} has events after its end", (entries[-1],))


def all_told_the_same(day: Day) -> Iterator[Violation]:
    """E3: event n of an operation is the same event to everybody."""
    said: dict[tuple[str, int], dict[str, Entry]] = defaultdict(dict)
    for entries in day.told.values():
        for entry in entries:
            told = cast("Told", entry.record)
            if told.state and not told.reset:
                said[told.operation_id, told.sequence].setdefault(told.state, entry)
    for id, entries in day.listed.items():
        for sequence, state in cast("Listed", entries[-1].record).events or ():
            said[id, sequence].setdefault(state, entries[-1])
    for (id, sequence), states in said.items():
        if len(states) > 1:
            sentence = f"event {sequence} of {id} is {' and '.join(sorted(states))}"
            yield Violation("E3", "all told the same", sentence, tuple(states.values()))


def told_in_time(day: Day, within: float) -> Iterator[Violation]:
    """E8: who follows an operation hears of its end at most `within` seconds after somebody has read it."""
    for connection, opened in day.opened.items():
        begin = cast("Open", opened[0].record)
        end = _first_read(day.ended(begin.operation_id), begin.clock)
        closed = day.closed.get(connection)
        if end is None or closed is None:
            continue
        over = cast("Close", closed[0].record).at
        since = max(end.ended, begin.at)
        told = day.told.get(connection, [])
        heard = next((t.at for e in told if (t := cast("Told", e.record)).state in ENDS), over)
        if heard - since > within:
            sentence = (
                f"{begin.operation_id}: connection {connection} was not told of the end for {heard - since:.1f} s"
            )
            yield Violation("E8", "told in time", sentence, (opened[0], end.entry, closed[0]))


def _first_read(ends: Sequence[Seen], clock: str) -> Seen | None:
    comparable = [seen for seen in ends if seen.clock == clock]
    return min(comparable, key=lambda seen: seen.ended, default=None)
