"""A period cut into pieces a chart can show: days while there are few, then weeks, then months."""

from datetime import date, timedelta
from typing import Literal

import msgspec

from accepted.demo.models import DateRange
from accepted.demo.sales import Figures

Unit = Literal["day", "week", "month"]

# As many columns as a page is wide for; below four months, three or four fat monthly columns would say too little.
MOST_DAYS = 42
MOST_WEEKS = 26


class Piece(msgspec.Struct, frozen=True):
    """The sales, in cents, of a day, week or month, or of the part of it that lies in the period."""

    first: date
    last: date
    sales: int
    whole: bool

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def pace(self) -> float:
        """The cents sold on an average day."""
        return self.sales / self.days


def unit_of(period: DateRange) -> Unit:
    """What a chart of the period should count in."""
    if period.days <= MOST_DAYS:
        return "day"
    return "week" if period.days <= MOST_WEEKS * 7 else "month"


def pieces(period: DateRange, days: tuple[Figures, ...], unit: Unit) -> list[Piece]:
    """The period in the order of time, pieces without sales too."""
    sold = {figures.key: figures.sales for figures in days}
    found: list[Piece] = []
    first = period.start
    while first <= period.end:
        begin, end = bounds(first, unit)
        last = min(end, period.end)
        found.append(Piece(first, last, sum_between(sold, first, last), whole=(first, last) == (begin, end)))
        first = last + timedelta(days=1)
    return found


def bounds(day: date, unit: Unit) -> tuple[date, date]:
    """The first and last day of the day, week (from Monday) or month that a day lies in."""
    if unit == "day":
        return day, day
    if unit == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def sum_between(sold: dict[str, int], first: date, last: date) -> int:
    """The cents sold from the first to the last day."""
    return sum(sold.get((first + timedelta(days=n)).isoformat(), 0) for n in range((last - first).days + 1))


def label(piece: Piece, unit: Unit) -> str:
    """What stands under a piece's column."""
    return f"{piece.first:%b}" if unit == "month" else f"{piece.first:%b} {piece.first.day}"


def weekdays(period: DateRange) -> list[int]:
    """How often each weekday, Monday first, occurs in the period."""
    weeks, rest = divmod(period.days, 7)
    start = period.start.weekday()
    return [weeks + ((weekday - start) % 7 < rest) for weekday in range(7)]
