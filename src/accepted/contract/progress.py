"""How far an attempt has come, as a value (contract, section 3; guarantees P1, P2, P4).

Users report in a hurry and by millions; so the rules are here, in one pure place: nothing falls, nothing passes its
total, 100 is said only at the end, and phases roll up into one percentage by their weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from numbers import Integral, Real
from typing import Any

import msgspec
from msgspec.structs import replace

_LARGEST = 2**63 - 1  # what any reader of JSON can be expected to hold
_ROUNDING = 1e-9  # 29 of 100 is 28.999999999999996 % in floats


class PhaseStatus(StrEnum):
    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"


class Phase(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One named part of an operation. `duration` is in seconds, `started_at` in milliseconds since the epoch."""

    name: str
    status: PhaseStatus = PhaseStatus.PENDING
    weight: float = 1.0
    started_at: int | None = None
    duration: float | None = None
    percentage: int | None = None


class Progress(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """`current`, `total` and `message` belong to the running phase, `percentage` to the whole."""

    current: int | float | None = None
    total: int | float | None = None
    percentage: int | None = None
    message: str | None = None
    phase: str | None = None
    phases: tuple[Phase, ...] = ()


def announced(phases: Sequence[str] | Mapping[str, float]) -> Progress | None:
    """The progress before anything was done: the phases that will come, all PENDING; None where none are announced."""
    weights = phases if isinstance(phases, Mapping) else dict.fromkeys(phases, 1.0)
    if any(not (weight > 0 and math.isfinite(weight)) for weight in weights.values()):
        raise ValueError("the weight of a phase is a positive, finite number")
    return (
        Progress(phases=tuple(Phase(name, weight=float(weight)) for name, weight in weights.items()))
        if weights
        else None
    )


def advance(
    progress: Progress,
    *,
    current: float | None = None,
    total: float | None = None,
    message: str | None = None,
    percentage: float | None = None,
) -> Progress:
    """What is known after one more report; what is no finite number from 0 to 2^63 - 1 is not taken."""
    done, given, whole = progress.current or 0, _count(current), _count(total)
    # A total that shrinks below what is done is raised to it: neither may `current` fall nor pass its total.
    total = progress.total if whole is None else max(whole, done)
    current = progress.current if given is None else max(given, done)
    current = current if current is None or total is None else min(current, total)
    share = _share(current, total, percentage)
    moved = replace(
        progress, current=current, total=total, message=message if message is not None else progress.message
    )
    return _with_share(moved, share) if share is not None else moved


def enter(progress: Progress, name: str, at: int) -> Progress:
    """The phase `name` begins; one that was not announced joins at the end, one that still runs is completed."""
    progress = leave(progress, at) if progress.phase is not None else progress
    phases = progress.phases
    if all(phase.name != name for phase in phases):
        phases += (Phase(name),)
    running = tuple(
        replace(p, status=PhaseStatus.IN_PROGRESS, started_at=at, percentage=0) if p.name == name else p for p in phases
    )
    moved = replace(progress, phases=running, phase=name, current=None, total=None, message=None)
    return replace(moved, percentage=_rolled_up(moved))


def leave(progress: Progress, at: int) -> Progress:
    """The running phase is completed."""
    phases = tuple(_completed(p, at) if p.name == progress.phase else p for p in progress.phases)
    moved = replace(progress, phases=phases, phase=None, current=None, total=None)
    return replace(moved, percentage=_rolled_up(moved))


def finished(progress: Progress | None, at: int) -> Progress | None:
    """The progress of an operation that COMPLETED: the one place that says 100."""
    if progress is None:
        return None
    phases = tuple(_completed(p, at) if p.status is PhaseStatus.IN_PROGRESS else p for p in progress.phases)
    current = progress.total if progress.total is not None and not phases else progress.current
    return replace(progress, phases=phases, phase=None, percentage=100, current=current)


def restarted(progress: Progress | None) -> Progress | None:
    """What the next attempt starts from: the announced phases, nothing done."""
    if progress is None or not progress.phases:
        return None
    return Progress(phases=tuple(Phase(p.name, weight=p.weight) for p in progress.phases))


def _count(number: Any) -> int | float | None:
    """A plain number, for users also have numpy's; None for what cannot be counted with."""
    if not _is_number(number) or number < 0:
        return None
    return int(number) if isinstance(number, Integral) else float(number)


def _is_number(number: Any) -> bool:
    return isinstance(number, Real) and bool(-_LARGEST <= number <= _LARGEST)  # type: ignore[operator]  # typeshed compares no Real; not NaN, not inf


def _share(current: float | None, total: float | None, percentage: Any) -> float | None:
    if _is_number(percentage):
        return min(max(float(percentage) / 100, 0.0), 1.0)
    if current is None or not total:
        return None
    return current / total


def _with_share(progress: Progress, share: float) -> Progress:
    percentage = math.floor(share * 100 + _ROUNDING)
    if progress.phase is None and not progress.phases:
        return replace(progress, percentage=_never_falling(progress.percentage, percentage))
    phases = tuple(
        replace(p, percentage=max(p.percentage or 0, percentage)) if p.name == progress.phase else p
        for p in progress.phases
    )
    moved = replace(progress, phases=phases)
    return replace(moved, percentage=_rolled_up(moved))


def _rolled_up(progress: Progress) -> int:
    done = {PhaseStatus.PENDING: 0, PhaseStatus.COMPLETED: 100}
    weight = sum(phase.weight for phase in progress.phases)
    share = sum(done.get(phase.status, phase.percentage or 0) * phase.weight for phase in progress.phases)
    return _never_falling(progress.percentage, math.floor(share / weight + _ROUNDING))


def _never_falling(before: int | None, now: int) -> int:
    return min(max(before or 0, now), 99)


def _completed(phase: Phase, at: int) -> Phase:
    seconds = max(at - phase.started_at, 0) / 1000 if phase.started_at is not None else 0.0
    return replace(phase, status=PhaseStatus.COMPLETED, duration=(phase.duration or 0) + seconds, percentage=None)
