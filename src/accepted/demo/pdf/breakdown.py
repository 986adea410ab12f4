"""The second page: the groups asked for, as bars and in figures.

At most MOST_ROWS groups are named, the rest are one row, so that a report by 457 stores stays a page and still adds up.
"""

from collections.abc import Sequence
from typing import Any

from accepted.demo import labels
from accepted.demo.highlights import plural
from accepted.demo.models import GroupBy
from accepted.demo.pdf import charts
from accepted.demo.pdf.charts import Mark
from accepted.demo.pdf.layout import TOP, Column, heading, table
from accepted.demo.sales import Figures, Sales
from accepted.demo.timeline import pieces

MOST_ROWS = 20
MOST_BARS = 10

COLUMNS = (
    Column("", 150, "left"),
    Column("Sales", 66),
    Column("Share", 48),
    Column("Baskets", 56),
    Column("Households", 60),
    Column("Sales per basket", 70),
    Column("Discount", 54),
)


def title(sales: Sales) -> str:
    """The page's name in the document's outline."""
    return f"Sales by {labels.HEADINGS[sales.group_by]}"


def draw(canvas: Any, sales: Sales) -> None:
    """Draws the page."""
    by = labels.HEADINGS[sales.group_by]
    y = paces(canvas, sales) if sales.group_by is GroupBy.MONTH else largest(canvas, sales)
    y = heading(
        canvas,
        y - 8,
        f"{plural(by).capitalize()} in figures",
        "A basket or household counts in every row it bought from",
    )
    table(canvas, y, COLUMNS, rows(sales), row("Total", sales.total, sales))


def largest(canvas: Any, sales: Sales) -> float:
    """The largest groups as bars."""
    by, count = labels.HEADINGS[sales.group_by], len(sales.groups)
    of = f"The {MOST_BARS} largest of {count} {plural(by)}; " if count > MOST_BARS else ""
    y = heading(canvas, TOP, title(sales), f"{of}US dollars and share of all sales")
    return charts.bars(canvas, y, [mark(group, sales) for group in sales.groups[:MOST_BARS]])


def mark(group: Figures, sales: Sales) -> Mark:
    """A group's bar, with its share behind."""
    note = f"{labels.short(group.sales)} · {labels.share(group.sales, sales.total.sales)}"
    return Mark(labels.name(sales.group_by, group.key), group.sales, note, group is sales.groups[0])


def paces(canvas: Any, sales: Sales) -> float:
    """What each month sold on an average day; its sales as they are stand on the first page."""
    y = heading(canvas, TOP, "An average day by month", "US dollars a day, so that short and cut months compare")
    parts = pieces(sales.period, sales.days, "month")
    most = max(part.pace for part in parts)
    marks = [Mark(f"{part.first:%B %Y}", part.pace, labels.dollars(part.pace), part.pace == most) for part in parts]
    return charts.bars(canvas, y, marks)


def rows(sales: Sales) -> list[Sequence[str]]:
    """The table's rows, the last of them for all groups that are not named."""
    named = sales.groups if len(sales.groups) <= MOST_ROWS else sales.groups[: MOST_ROWS - 1]
    found: list[Sequence[str]] = [row(labels.name(sales.group_by, group.key), group, sales) for group in named]
    if others := sales.groups[len(named) :]:
        found.append(rest(others, sales))
    return found


def row(name: str, group: Figures, sales: Sales) -> Sequence[str]:
    """A group in figures."""
    return (
        name,
        labels.dollars(group.sales),
        labels.share(group.sales, sales.total.sales),
        labels.number(group.baskets),
        labels.number(group.households),
        labels.exact(group.basket_value),
        f"{100 * group.discount_rate:.1f}%",
    )


def rest(others: Sequence[Figures], sales: Sales) -> Sequence[str]:
    """All further groups in one row. Their baskets overlap, so these and what follows from them cannot be added up."""
    sold = sum(group.sales for group in others)
    off = sum(group.discounts for group in others)
    name = f"{len(others)} others"
    return (
        name,
        labels.dollars(sold),
        labels.share(sold, sales.total.sales),
        labels.DASH,
        labels.DASH,
        labels.DASH,
        labels.share(off, sold + off),
    )
