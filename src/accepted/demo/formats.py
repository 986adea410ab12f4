"""A sales report as a file: PDF for people, CSV for spreadsheets, JSON for programs. All three say the same figures.

CSV and JSON keep the catalogue's own keys, so that they can be joined with other data; only the PDF speaks in words.
"""

import csv
import io
from collections.abc import Callable
from typing import Any

import msgspec

from accepted.demo.models import ReportFormat
from accepted.demo.sales import Figures, Product, Sales
from accepted.demo.tick import Tick


class Rendering(msgspec.Struct, frozen=True):
    """How a format is made, and what the file is called and declared as."""

    render: Callable[[Sales, Tick], bytes]
    media_type: str
    suffix: str


def rendering(format: ReportFormat) -> Rendering:
    """The rendering of a format."""
    return RENDERINGS[format]


def as_pdf(sales: Sales, tick: Tick) -> bytes:
    """The report for people; reportlab is loaded by the first one."""
    from accepted.demo.pdf import render

    return render(sales, tick)


def as_csv(sales: Sales, tick: Tick) -> bytes:
    """The breakdown, one group a line, and nothing else: a total would be one more group to a spreadsheet."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([str(sales.group_by), "sales", "discounts", "lines", "baskets", "households"])
    for number, group in enumerate(sales.groups, start=1):
        amounts = (f"{group.sales / 100:.2f}", f"{group.discounts / 100:.2f}")
        writer.writerow([group.key, *amounts, group.lines, group.baskets, group.households])
        tick(number, len(sales.groups))
    return text.getvalue().encode()


def as_json(sales: Sales, tick: Tick) -> bytes:
    """Everything the PDF is drawn from; amounts in dollars."""
    document = {
        "dateRange": sales.period,
        "currency": "USD",
        "groupBy": sales.group_by,
        "total": figures(sales.total) | {"stores": sales.stores},
        "groups": [{"key": group.key} | figures(group) for group in sales.groups],
        "months": [{"month": month.key} | figures(month) for month in sales.months],
        "days": [{"date": day.key} | figures(day) for day in sales.days],
        "products": [product(each) for each in sales.products],
        "basketsByWeekdayAndHour": sales.visits,
    }
    tick(1, 1)
    return msgspec.json.encode(document)


def figures(group: Figures) -> dict[str, Any]:
    """A group's figures under their JSON names."""
    return amounts(group) | {"baskets": group.baskets, "households": group.households}


def product(each: Product) -> dict[str, Any]:
    """A product type's figures under their JSON names."""
    return {"productType": each.key, "productCategory": each.category} | amounts(each)


def amounts(group: Figures | Product) -> dict[str, Any]:
    """What figures of both kinds have."""
    return {"sales": group.sales / 100, "discounts": group.discounts / 100, "lines": group.lines}


RENDERINGS = {
    ReportFormat.PDF: Rendering(as_pdf, "application/pdf", "pdf"),
    ReportFormat.CSV: Rendering(as_csv, "text/csv; charset=utf-8", "csv"),
    ReportFormat.JSON: Rendering(as_json, "application/json", "json"),
}
