"""The third page: when customers shop, month by month, and what they buy most."""

import calendar
from collections.abc import Sequence
from typing import Any

from accepted.demo import labels
from accepted.demo.models import GroupBy
from accepted.demo.pdf import charts
from accepted.demo.pdf.layout import TOP, Column, heading, table, table_rows
from accepted.demo.sales import Product, Sales
from accepted.demo.timeline import pieces, weekdays

MOST_PRODUCTS = 20

MONTHS = (
    Column("Month", 112, "left"),
    Column("Days", 40),
    Column("Sales", 72),
    Column("A day", 64),
    Column("Baskets", 60),
    Column("Average basket", 84),
    Column("Discount", 72),
)
PRODUCTS = (
    Column("Product type", 140, "left"),
    Column("Category", 132, "left"),
    Column("Sales", 62),
    Column("Share", 50),
    Column("Lines sold", 60),
    Column("Discount", 60),
)


def title(sales: Sales) -> str:
    """The page's name in the document's outline."""
    return "When customers shop and what they buy"


def draw(canvas: Any, sales: Sales) -> None:
    """Draws the page; a table of months only where there is more than one, and the page before does not show it."""
    y = grid(canvas, TOP, sales)
    if len(sales.months) > 1 and sales.group_by is not GroupBy.MONTH:
        y = heading(canvas, y - 8, "Month by month", "Discount in per cent of regular prices")
        y = table(canvas, y, MONTHS, months(sales)) - 4
    y = heading(canvas, y - 8, "What sells most", f"The largest of {labels.number(len(sales.products))} product types")
    room = min(MOST_PRODUCTS, table_rows(y))
    table(canvas, y, PRODUCTS, [product(each, sales) for each in sales.products[:room]])


def grid(canvas: Any, y: float, sales: Sales) -> float:
    """Baskets by hour on an average one of each weekday that the period has."""
    times = weekdays(sales.period)
    rows = [
        (calendar.day_abbr[day], [baskets / times[day] for baskets in hours])
        for day, hours in enumerate(sales.visits)
        if times[day]
    ]
    y = heading(canvas, y, "When customers shop", "Baskets an hour on an average day of the period, in store time")
    return charts.week(canvas, y, rows)


def months(sales: Sales) -> list[Sequence[str]]:
    """The months' rows, with how many of their days the period has."""
    found = {part.first.isoformat()[:7]: part for part in pieces(sales.period, sales.days, "month")}
    return [
        (
            labels.month(month.key),
            labels.number(found[month.key].days),
            labels.dollars(month.sales),
            labels.dollars(found[month.key].pace),
            labels.number(month.baskets),
            labels.exact(month.basket_value),
            f"{100 * month.discount_rate:.1f}%",
        )
        for month in sales.months
    ]


def product(each: Product, sales: Sales) -> Sequence[str]:
    """A product type's row."""
    return (
        labels.words(each.key),
        labels.words(each.category),
        labels.dollars(each.sales),
        labels.share(each.sales, sales.total.sales),
        labels.number(each.lines),
        labels.share(each.discounts, each.sales + each.discounts),
    )
