"""What a measurement says: series of values, one a round, and the figure that is drawn from them.

A figure is a median over rounds, with the least and the greatest round beside it; a ratio is one of medians, with the
least and the greatest ratio of rounds that ran next to each other.
"""

import statistics
from collections.abc import Sequence

import msgspec


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One round of one subject.

    `rate` is per second; `cpu_us` the server's processor time for each, in microseconds; `p50` and `p99` are
    milliseconds; `busy` is the share of the load's core that the load used, `foreign` the share of the server's core
    that went to anybody else, and `crowd` that of the load's core.
    """

    rate: float
    cpu_us: float
    p50: float = 0.0
    p99: float = 0.0
    busy: float = 0.0
    foreign: float = 0.0
    crowd: float = 0.0


class Row(msgspec.Struct, frozen=True):
    """All rounds of one subject."""

    quantity: str
    subject: str
    samples: Sequence[Sample]
    remark: str = ""

    @property
    def rates(self) -> list[float]:
        return [sample.rate for sample in self.samples]

    def median(self, field: str) -> float:
        """The median over the rounds of one field of the samples."""
        values: list[float] = [getattr(sample, field) for sample in self.samples]
        return statistics.median(values)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table of figures. Where `smaller` is true, floor and aim are upper bounds."""

    quantity: str
    what: str
    value: float
    low: float
    high: float
    rounds: int
    unit: str = ""
    floor: float | None = None
    aim: float | None = None
    smaller: bool = False

    @property
    def verdict(self) -> str:
        """aim, floor, MISSED, or nothing where there is no bound."""
        if self.floor is None:
            return ""
        if self.aim is not None and self._reaches(self.aim):
            return "aim"
        return "floor" if self._reaches(self.floor) else "MISSED"

    def _reaches(self, bound: float) -> bool:
        return self.value <= bound if self.smaller else self.value >= bound


class Result(msgspec.Struct, frozen=True):
    """What one quantity found: figures, the rows under them, and remarks a reader needs to judge both."""

    figures: Sequence[Figure]
    rows: Sequence[Row] = ()
    notes: Sequence[str] = ()


def figure(values: Sequence[float], **fields: object) -> Figure:
    """The median of some rounds."""
    return _build(statistics.median(values), values, fields)


def ratio(ours: Sequence[float], theirs: Sequence[float], **fields: object) -> Figure:
    """The ratio of the medians of paired rounds."""
    rounds = [one / other for one, other in zip(ours, theirs, strict=True)]
    return _build(statistics.median(ours) / statistics.median(theirs), rounds, fields)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def _build(value: float, rounds: Sequence[float], fields: dict[str, object]) -> Figure:
    known = {"value": value, "low": min(rounds), "high": max(rounds), "rounds": len(rounds)}
    return msgspec.convert(known | fields, Figure)
