"""The two or three sentences a manager reads first, computed and never guessed.

A sentence that the period is too short for is left out: the weekdays of nine days say nothing.
"""

import calendar
from collections.abc import Iterator
from operator import attrgetter

from accepted.demo import labels
from accepted.demo.models import GroupBy
from accepted.demo.sales import Sales
from accepted.demo.timeline import Piece, Unit, pieces, unit_of, weekdays

Highlight = tuple[str, str]
"""A headline and the sentence behind it."""

PACE = attrgetter("pace")
FEWEST_WEEKS = 4
FEWEST_PIECES = 3


def highlights(sales: Sales) -> list[Highlight]:
    """What stands out in a period, most telling first."""
    return [*strongest(sales), *concentration(sales), *busiest_day(sales), *discounts(sales)]


def strongest(sales: Sales) -> Iterator[Highlight]:
    """The best and weakest whole piece of the timeline, by sales per day, for months differ in length."""
    unit = unit_of(sales.period)
    whole = [piece for piece in pieces(sales.period, sales.days, unit) if piece.whole]
    if len(whole) < FEWEST_PIECES:
        return
    best, worst = max(whole, key=PACE), min(whole, key=PACE)
    yield (
        f"{when(best, unit)[:1].upper()}{when(best, unit)[1:]} sold most{' a day' * (unit == 'month')}",
        f"{amount(best, unit)}; the slowest was {when(worst, unit)} with {amount(worst, unit)}.",
    )


def when(piece: Piece, unit: Unit) -> str:
    """A piece in a sentence: `March`, `the week of March 6`, `Saturday, March 4`."""
    first = f"{piece.first:%B} {piece.first.day}"
    return {"month": f"{piece.first:%B}", "week": f"the week of {first}", "day": f"{piece.first:%A}, {first}"}[unit]


def amount(piece: Piece, unit: Unit) -> str:
    """What pieces are compared by: months by the day, for they differ in length."""
    return f"{labels.dollars(piece.pace)} a day" if unit == "month" else labels.dollars(piece.sales)


def concentration(sales: Sales) -> Iterator[Highlight]:
    """How much of the sales the largest groups bring; months are no such groups."""
    if sales.group_by is GroupBy.MONTH or len(sales.groups) < FEWEST_PIECES:
        return
    largest = sales.groups[0]
    three = sum(group.sales for group in sales.groups[:3])
    all_groups = f"{len(sales.groups)} {plural(labels.HEADINGS[sales.group_by])}"
    share = labels.share(largest.sales, sales.total.sales)
    yield (
        f"{labels.name(sales.group_by, largest.key)} leads with {share} of sales",
        f"The three largest of {all_groups} bring {labels.share(three, sales.total.sales)}.",
    )


def plural(heading: str) -> str:
    """`store` as `stores`, `product category` as `product categories`."""
    return f"{heading[:-1]}ies" if heading.endswith("y") else f"{heading}s"


def busiest_day(sales: Sales) -> Iterator[Highlight]:
    """The weekday with most baskets on an average day, against the quietest."""
    if sales.period.days < FEWEST_WEEKS * 7:
        return
    averages = [sum(row) / times for row, times in zip(sales.visits, weekdays(sales.period), strict=True)]
    best, worst = averages.index(max(averages)), averages.index(min(averages))
    most = f"{averages[best]:,.0f} baskets on an average {calendar.day_name[best]}"
    yield (
        f"{calendar.day_name[best]}s are busiest",
        f"{most}, against {averages[worst]:,.0f} on a {calendar.day_name[worst]}.",
    )


def discounts(sales: Sales) -> Iterator[Highlight]:
    """What loyalty prices and matched coupons took off the regular price."""
    total = sales.total
    came_to = f"{labels.dollars(total.discounts)}, {labels.exact(total.discounts / total.baskets)} a basket"
    yield (
        f"Discounts took {labels.share(total.discounts, total.sales + total.discounts)} off regular prices",
        f"Loyalty prices and matched coupons came to {came_to}.",
    )
