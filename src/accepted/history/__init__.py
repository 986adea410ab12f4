"""Judges a bad day after the fact: what clients saw and what functions did, held against the guarantees.

    from accepted import history

    with open("history.jsonl", "rb") as lines:
        verdict = history.judge(history.read("history.jsonl", lines))

`accepted check-history` does the same. Pure: no clock, no file, no network.
"""

from .day import Violation
from .record import (
    ENDS,
    Close,
    End,
    Entry,
    Harm,
    Listed,
    Open,
    Read,
    Record,
    Start,
    Submit,
    Told,
    Unreadable,
    Write,
    read,
    write,
)
from .verdict import RULES, Verdict, judge

__all__ = [
    "ENDS",
    "RULES",
    "Close",
    "End",
    "Entry",
    "Harm",
    "Listed",
    "Open",
    "Read",
    "Record",
    "Start",
    "Submit",
    "Told",
    "Unreadable",
    "Verdict",
    "Violation",
    "Write",
    "judge",
    "read",
    "write",
]
