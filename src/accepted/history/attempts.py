"""What functions wrote down of themselves: one attempt at a time, each with the right to write, each to its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, cast

from .day import Day, Violation
from .record import End, Entry, Harm, Listed, Read, Start, Write


class _Run(NamedTuple):
    """One attempt in one process; `end` is None where nobody knows."""

    start: Start
    entry: Entry
    end: float | None
    last: Entry | None


def work_was_done(day: Day) -> Iterator[Violation]:
    """D3: what is COMPLETED has returned before, in the attempt that counts. Asked of operations whose functions
    write down what they do.
    """
    for id in day.starts:
        returned = {end.attempt: end for e in day.ends.get(id, []) if (end := cast("End", e.record)).returned}
        for seen in day.ended(id):
            attempt = cast("Read | Listed", seen.entry.record).attempt if _numbered(seen.entry) else None
            if attempt is None or seen.state not in {"COMPLETED", "COMPLETED_WITH_ERRORS"}:
                continue
            if attempt not in returned:
                sentence = f"{id} is {seen.state}, but its attempt {attempt} never returned"
            elif returned[attempt].clock == seen.clock and returned[attempt].at > seen.ended:
                early = returned[attempt].at - seen.ended
                sentence = f"{id} was {seen.state} {early:.3f} s before its attempt {attempt} returned"
            else:
                continue
            yield Violation("D3", "work was done", sentence, (seen.entry, *day.starts[id][-2:]))
            break


def _numbered(entry: Entry) -> bool:
    return isinstance(entry.record, (Read, Listed))


def attempts_begin_once(day: Day) -> Iterator[Violation]:
    """L1, S5: no attempt begins twice, and each begins after those with lower numbers."""
    for id, entries in day.starts.items():
        begun: dict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            begun[cast("Start", entry.record).attempt].append(entry)
        for attempt, twice in begun.items():
            if len(twice) > 1:
                sentence = f"{id} began its attempt {attempt} {len(twice)} times"
                yield Violation("L1", "attempts begin once", sentence, tuple(twice))
        for one, two in pairwise(sorted(entries, key=lambda entry: cast("Start", entry.record).at)):
            earlier, later = cast("Start", one.record), cast("Start", two.record)
            if earlier.clock == later.clock and later.attempt < earlier.attempt:
                sentence = f"{id} began attempt {later.attempt} after attempt {earlier.attempt}"
                yield Violation("S5", "attempts begin once", sentence, (one, two))


def one_at_a_time(day: Day) -> Iterator[Violation]:
    """L1, L6: no attempt begins while another runs. One whose process was frozen before has lost its lease without
    being able to know; of it is only asked that it writes nothing.
    """
    for id, entries in day.starts.items():
        runs = sorted((_run(day, entry) for entry in entries), key=lambda run: run.start.at)
        for number, later in enumerate(runs):
            for earlier in runs[:number]:
                if earlier.start.clock == later.start.clock and _beside(day, earlier, later.start.at):
                    sentence = (
                        f"{id}: attempt {later.start.attempt} began before attempt {earlier.start.attempt} was over"
                    )
                    evidence = (earlier.entry, later.entry, *((earlier.last,) if earlier.last else ()))
                    yield Violation("L1", "one at a time", sentence, evidence)


def _run(day: Day, entry: Entry) -> _Run:
    start = cast("Start", entry.record)
    for found in day.ends.get(start.operation_id, []):
        end = cast("End", found.record)
        if (end.attempt, end.process) == (start.attempt, start.process):
            return _Run(start, entry, end.at, found)
    for found in day.harms.get(start.process, []):
        harm = cast("Harm", found.record)
        if harm.kind == "killed" and harm.at >= start.at:
            return _Run(start, entry, harm.at, found)
    return _Run(start, entry, None, None)


def _beside(day: Day, earlier: _Run, at: float) -> bool:
    if earlier.end is None or earlier.end <= at:
        return False
    harms = (cast("Harm", found.record) for found in day.harms.get(earlier.start.process, []))
    return not any(h.kind == "frozen" and h.at <= at and (h.until or at) > earlier.start.at for h in harms)


def stale_writes(day: Day) -> Iterator[Violation]:
    """L2: once a later attempt has begun, an earlier one has nothing stored any more."""
    for id, entries in day.writes.items():
        starts = [(cast("Start", entry.record), entry) for entry in day.starts.get(id, [])]
        for entry in entries:
            write = cast("Write", entry.record)
            for start, begun in starts:
                if start.attempt > write.attempt and start.clock == write.clock and start.at <= write.began:
                    sentence = f"{id}: attempt {write.attempt} wrote after attempt {start.attempt} had begun"
                    yield Violation("L2", "stale writes", sentence, (begun, entry))
                    break


def only_harm_leaves_no_end(day: Day) -> Iterator[Violation]:
    """An attempt that began and never ended was in a process that was killed."""
    for id, entries in day.starts.items():
        for entry in entries:
            run = _run(day, entry)
            if run.end is None:
                sentence = (
                    f"{id}: attempt {run.start.attempt} vanished in process {run.start.process}, which nobody killed"
                )
                yield Violation("D1", "only harm leaves no end", sentence, (entry,))
