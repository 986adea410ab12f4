"""The first page: title, key figures, sales over time, and what stands out. Who reads no further has the gist."""

from operator import attrgetter
from typing import Any

import msgspec

from accepted.demo import labels
from accepted.demo.highlights import highlights
from accepted.demo.pdf import charts
from accepted.demo.pdf.charts import Mark
from accepted.demo.pdf.layout import (
    ACCENT,
    BOLD,
    INK,
    INNER,
    LEFT,
    MUTED,
    RIGHT,
    RULE,
    TOP,
    heading,
    paragraph,
    rule,
    text,
)
from accepted.demo.sales import Sales
from accepted.demo.timeline import label, pieces, unit_of

DEFINITION = (
    "Sales are what the stores received. Discounts are loyalty prices and coupons the stores matched; coupons paid by "
    "manufacturers are not among them. A basket is one visit to the checkout. Days and hours are the stores' own (US "
    "Eastern)."
)


class Tile(msgspec.Struct, frozen=True):
    """A key figure: its name, its value, and what makes it tangible."""

    name: str
    value: str
    note: str


def title(sales: Sales) -> str:
    """The page's name in the document's outline."""
    return "Overview"


def draw(canvas: Any, sales: Sales) -> None:
    """Draws the page."""
    y = head(canvas, sales)
    y = key_figures(canvas, y, tiles(sales))
    y = over_hours(canvas, y, sales) if sales.period.days == 1 else over_time(canvas, y, sales)
    findings(canvas, y, sales)
    paragraph(canvas, LEFT, 68, DEFINITION, width=INNER, size=7.5, color=MUTED)


def head(canvas: Any, sales: Sales) -> float:
    """What this is, of which period, and how broad."""
    stores = f"{labels.number(sales.stores)} {'store' if sales.stores == 1 else 'stores'}"
    canvas.setFillColor(ACCENT)
    canvas.rect(LEFT, TOP + 6, 36, 4, stroke=0, fill=1)
    text(canvas, LEFT, TOP - 25, "Sales report", size=28, font=BOLD)
    text(canvas, LEFT, TOP - 45, labels.span(sales.period), size=13, color=MUTED)
    scope = f"{stores}, by {labels.HEADINGS[sales.group_by]}"
    text(canvas, RIGHT, TOP - 45, scope, size=9, color=MUTED, align="right")
    return TOP - 68


def tiles(sales: Sales) -> list[Tile]:
    """The five key figures."""
    total, days = sales.total, sales.period.days
    each = f"{total.baskets / total.households:.1f} baskets each"
    return [
        Tile("Sales", labels.dollars(total.sales), f"{labels.dollars(total.sales / days)} a day"),
        Tile("Baskets", labels.number(total.baskets), f"{labels.number(total.baskets / days)} a day"),
        Tile("Average basket", labels.exact(total.basket_value), f"{total.lines / total.baskets:.1f} lines each"),
        Tile("Households", labels.number(total.households), each),
        Tile("Discounts", labels.dollars(total.discounts), f"{100 * total.discount_rate:.1f}% of regular price"),
    ]


def key_figures(canvas: Any, y: float, shown: list[Tile]) -> float:
    """The key figures side by side between two lines."""
    rule(canvas, y)
    rule(canvas, y - 70)
    slot = INNER / len(shown)
    for number, tile in enumerate(shown):
        key_figure(canvas, LEFT + slot * number, y, tile, first=number == 0)
    return y - 98


def key_figure(canvas: Any, x: float, y: float, tile: Tile, *, first: bool) -> None:
    """One key figure, set off from the one before by a fine line."""
    inset = 0 if first else 11
    if not first:
        canvas.setStrokeColor(RULE)
        canvas.line(x, y - 13, x, y - 58)
    text(canvas, x + inset, y - 20, tile.name, size=8.5, color=MUTED)
    text(canvas, x + inset, y - 41, tile.value, size=16, font=BOLD, color=ACCENT if first else INK)
    text(canvas, x + inset, y - 56, tile.note, size=7.5, color=MUTED)


def over_time(canvas: Any, y: float, sales: Sales) -> float:
    """Sales by day, week or month, the strongest in full colour."""
    unit = unit_of(sales.period)
    parts = pieces(sales.period, sales.days, unit)
    best = max((part for part in parts if part.whole), key=attrgetter("pace"), default=None)
    marks = [Mark(label(part, unit), part.sales, labels.short(part.sales), part is best) for part in parts]
    cut = "" if all(part.whole for part in parts) else f"; the period begins or ends within a {unit}"
    y = heading(canvas, y, f"Sales by {unit}", f"US dollars{cut}")
    return charts.columns(canvas, y, marks, height=226, scale=labels.short) - 10


def over_hours(canvas: Any, y: float, sales: Sales) -> float:
    """The same for a single day, in baskets, which are what is known by the hour."""
    hours = [sum(day[hour] for day in sales.visits) for hour in range(24)]
    most = max(hours)
    marks = [Mark(charts.clock(hour), count, labels.number(count), count == most) for hour, count in enumerate(hours)]
    y = heading(canvas, y, "Baskets by hour", "How many baskets were paid for within the hour")
    return charts.columns(canvas, y, marks, height=226, scale=labels.number) - 10


def findings(canvas: Any, y: float, sales: Sales) -> None:
    """What stands out, in two columns."""
    y = heading(canvas, y, "What stands out", "Computed from this report's figures") - 8
    gap = 28.0
    width = (INNER - gap) / 2
    for number, (headline, sentence) in enumerate(highlights(sales)):
        x, top = LEFT + (width + gap) * (number % 2), y - 60 * (number // 2)
        text(canvas, x, top, headline, size=9.5, font=BOLD, color=ACCENT)
        paragraph(canvas, x, top - 15, sentence, width=width)
