"""The three charts of a report: columns over time, bars by size, and a week as a grid of hours.

Each is drawn below the height `y` and returns the height where the next thing may begin. What the page speaks of is in
full colour, the rest in its tint; scales begin at zero, and their steps are round numbers.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from reportlab.lib.colors import linearlyInterpolatedColor, white
from reportlab.pdfbase.pdfmetrics import stringWidth

from accepted.demo import labels
from accepted.demo.pdf.layout import (
    ACCENT,
    BOLD,
    INK,
    INNER,
    LEFT,
    MUTED,
    REGULAR,
    RIGHT,
    SOFT,
    WASH,
    fitted,
    rule,
    text,
)

AXIS = 38.0
"""Room for the numbers left of a chart."""

ROOMY = 32.0
"""How wide a column's slot must be to carry its value."""


class Mark(msgspec.Struct, frozen=True):
    """One column or bar: its name, its size, what is written at it, and whether it is the one to look at."""

    name: str
    value: float
    note: str
    strong: bool = False


def columns(canvas: Any, y: float, marks: Sequence[Mark], *, height: float, scale: Callable[[float], str]) -> float:
    """Columns from left to right: few of them each with its value above, many of them with a scale at the left."""
    floor = y - height
    most = max(mark.value for mark in marks) or 1
    if INNER / len(marks) >= ROOMY:
        return row_of_columns(canvas, marks, floor, left=LEFT, unit=(height - 14) / most)
    top = ceiling(most)
    axis(canvas, floor, height, [(step / steps(top), scale(top * step / steps(top))) for step in range(steps(top) + 1)])
    return row_of_columns(canvas, marks, floor, left=LEFT + AXIS, unit=height / top)


def axis(canvas: Any, floor: float, height: float, levels: Sequence[tuple[float, str]]) -> None:
    """Lines across the chart, each at a part of its height and with what it stands for."""
    for part, name in levels:
        rule(canvas, floor + height * part, left=LEFT + AXIS, thickness=0.5)
        text(canvas, LEFT + AXIS - 6, floor + height * part - 2.5, name, size=7.5, color=MUTED, align="right")


def row_of_columns(canvas: Any, marks: Sequence[Mark], floor: float, *, left: float, unit: float) -> float:
    """All columns from `left` to the margin, `unit` points high for each one of value; names thin out, not to touch."""
    slot = (RIGHT - left) / len(marks)
    for number, mark in enumerate(marks):
        middle = left + slot * (number + 0.5)
        column(canvas, middle, floor, mark, slot=slot, height=unit * mark.value)
        if number % math.ceil(ROOMY / slot) == 0:
            text(canvas, middle, floor - 12, mark.name, size=7.5, color=MUTED, align="center")
    rule(canvas, floor, left=left, color=INK, thickness=0.8)
    return floor - 26


def column(canvas: Any, middle: float, floor: float, mark: Mark, *, slot: float, height: float) -> None:
    """One column in its slot, with its value above where there is room."""
    width = min(slot * 0.72, 48)
    canvas.setFillColor(ACCENT if mark.strong else SOFT)
    canvas.rect(middle - width / 2, floor, width, height, stroke=0, fill=1)
    if slot >= ROOMY:
        font, color = (BOLD, INK) if mark.strong else (REGULAR, MUTED)
        text(canvas, middle, floor + height + 4, mark.note, size=7.5, font=font, color=color, align="center")


def bars(canvas: Any, y: float, marks: Sequence[Mark]) -> float:
    """Horizontal bars, one below the other, with names at the left and notes behind."""
    names, pitch = 140.0, 19.0
    longest = max(mark.value for mark in marks) or 1
    for mark in marks:
        width = (INNER - names - 84) * mark.value / longest
        text(canvas, LEFT + names - 8, y - 11.5, fitted(mark.name, names - 10, 8.5), size=8.5, align="right")
        canvas.setFillColor(ACCENT if mark.strong else SOFT)
        canvas.rect(LEFT + names, y - 15, max(width, 0.5), 12.5, stroke=0, fill=1)
        text(canvas, LEFT + names + width + 6, y - 11.5, mark.note, size=8, color=MUTED)
        y -= pitch
    return y - 12


def week(canvas: Any, y: float, rows: Sequence[tuple[str, Sequence[float]]]) -> float:
    """A grid of days and hours, darker where there is more; hours before the first and after the last are left out."""
    used = [hour for hour in range(24) if any(values[hour] for _, values in rows)]
    first, last = used[0], used[-1]
    most = max(max(values) for _, values in rows)
    cell = (INNER - AXIS) / (last - first + 1)
    for name, values in rows:
        y = day_of_cells(canvas, y, name, [value / most for value in values[first : last + 1]])
    for hour in range(first, last + 1):
        if hour % 3 == 0:
            text(canvas, LEFT + AXIS + cell * (hour - first), y - 9, clock(hour), size=7.5, color=MUTED)
    return legend(canvas, y - 9, most)


def day_of_cells(canvas: Any, y: float, name: str, parts: Sequence[float]) -> float:
    """One day of the grid; returns the next one's height."""
    cell, pitch = (INNER - AXIS) / len(parts), 17.0
    text(canvas, LEFT, y - 11.5, name, size=8.5)
    for place, part in enumerate(parts):
        canvas.setFillColor(shade(part))
        canvas.rect(LEFT + AXIS + cell * place, y - pitch + 1, cell - 1, pitch - 1, stroke=0, fill=1)
    return y - pitch


def legend(canvas: Any, y: float, most: float) -> float:
    """What the shades mean, under the grid at the right."""
    y -= 16
    most_baskets = f"{labels.number(most)} baskets"
    text(canvas, RIGHT, y, most_baskets, size=7.5, color=MUTED, align="right")
    x = RIGHT - stringWidth(most_baskets, REGULAR, 7.5) - 5
    for step in range(5, 0, -1):
        x -= 15
        canvas.setFillColor(shade(step / 5))
        canvas.rect(x, y - 1.5, 14, 8, stroke=0, fill=1)
    text(canvas, x - 5, y, "0", size=7.5, color=MUTED, align="right")
    return y - 16


def shade(part: float) -> Any:
    """From nearly white for nothing to the accent for the most."""
    low = WASH if part == 0 else linearlyInterpolatedColor(white, ACCENT, 0, 1, 0.08)
    return linearlyInterpolatedColor(low, ACCENT, 0, 1, part)


def clock(hour: int) -> str:
    """An hour as Americans read it: 0 is `12 am`, 15 is `3 pm`."""
    return f"{hour % 12 or 12} {'am' if hour < 12 else 'pm'}"


def ceiling(value: float) -> float:
    """The next round number a scale can end at: 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if factor * power >= value)


def steps(top: float) -> int:
    """How many equal steps divide a scale that ends at `top`, each again a round number."""
    lead = round(top / 10.0 ** math.floor(math.log10(top)), 1)
    return {1.0: 5, 1.5: 3, 2.0: 4, 3.0: 3, 4.0: 4, 5.0: 5, 6.0: 3, 8.0: 4}[lead]
