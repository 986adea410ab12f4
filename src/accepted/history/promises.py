"""What a 202 and a refusal promise, and a key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import cast

from .day import Day, Violation
from .record import ENDS, Entry, Listed, Read, Submit


def nothing_lost(day: Day) -> Iterator[Violation]:
    """D1: whoever has read a 202 finds the operation, at once and to the end."""
    for id, answers in day.acknowledged.items():
        if day.listed and id not in day.listed:
            yield _lost(f"{id} was acknowledged and is lost", answers[0])
            continue
        reads = day.reads.get(id, [])
        if any(cast("Read", entry.record).status == 410 for entry in reads):
            continue  # it has expired; a 404 may follow one day
        told = min((entry for entry in answers), key=lambda entry: cast("Submit", entry.record).ended)
        missed = next((entry for entry in reads if _later_404(entry, told)), None)
        if missed is not None:
            yield _lost(f"{id} was acknowledged, and a later read did not find it", told, missed)


def _later_404(entry: Entry, told: Entry) -> bool:
    read, submit = cast("Read", entry.record), cast("Submit", told.record)
    return read.status == 404 and read.clock == submit.clock and read.began >= submit.ended


def _lost(sentence: str, *evidence: Entry) -> Violation:
    return Violation("D1", "nothing lost", sentence, evidence)


def all_ended(day: Day) -> Iterator[Violation]:
    """D1: every operation has come to an end by the time the history does."""
    for id in day.operations:
        listed = day.listed.get(id)
        if listed is not None:
            state = cast("Listed", listed[-1].record).state
            if state not in ENDS:
                yield Violation("D1", "all ended", f"{id} is stuck as {state}", (listed[-1],))
        elif not day.listed and not day.ended(id):
            seen = day.seen.get(id, [])
            last = f"last seen {seen[-1].state}" if seen else "nobody has seen it again"
            evidence = (*day.acknowledged.get(id, [])[:1], *(one.entry for one in seen[-1:]))
            yield Violation("D1", "all ended", f"{id} has no end: {last}", evidence)


def one_key_one_operation(day: Day) -> Iterator[Violation]:
    """I1, I3: whoever says the same key speaks of the same operation."""
    named: dict[str, dict[str, Entry]] = defaultdict(dict)
    for key, id, entry in day.named():
        named[key].setdefault(id, entry)
    for key, ids in named.items():
        if len(ids) > 1:
            sentence = f"key {key} has {len(ids)} operations: {', '.join(sorted(ids))}"
            yield Violation("I1", "one key, one operation", sentence, tuple(ids.values()))


def refused_is_not_there(day: Day) -> Iterator[Violation]:
    """D4: what was refused definitely, and nothing else was answered for this key, is not stored."""
    there = {key: (id, entry) for key, id, entry in day.named()}
    for key, asked in day.submits.items():
        if key in there and all(cast("Submit", entry.record).refused for entry in asked):
            id, entry = there[key]
            yield Violation("D4", "refused is not there", f"key {key} was refused, and {id} exists", (asked[0], entry))
