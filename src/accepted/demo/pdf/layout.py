"""The look of a report: one typeface in few sizes, one colour and its tint, and what every page has, text and tables.

Lengths are points (1/72 inch) on US Letter. A page is written from the top down: a drawing function takes the height
`y` to begin at and returns the height where the next thing may begin. So the order in the file is the order on the
page, which is what text extraction and screen readers follow.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from reportlab.lib.colors import HexColor
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase.pdfmetrics import stringWidth

WIDTH, HEIGHT = 612.0, 792.0
MARGIN = 54.0
LEFT, RIGHT = MARGIN, WIDTH - MARGIN
INNER = RIGHT - LEFT
TOP = HEIGHT - 56.0

FLOOR = 52.0
"""Where the footer begins; nothing else is drawn below."""

ROW, HEADER = 16.0, 27.0
"""How far the lines of a table are apart, and how high what stands above them is."""

REGULAR, BOLD = "Helvetica", "Helvetica-Bold"

INK = HexColor(0x1A2530)
MUTED = HexColor(0x66727F)
RULE = HexColor(0xD8DEE4)
ACCENT = HexColor(0x0B6E69)
SOFT = HexColor(0x9CC5C1)
WASH = HexColor(0xF3F6F7)

Align = Literal["left", "right", "center"]


class Column(msgspec.Struct, frozen=True):
    """A table's column: what stands above it, how wide it is, and where its text leans."""

    title: str
    width: float
    align: Align = "right"


def text(
    canvas: Any,
    x: float,
    y: float,
    words: str,
    *,
    size: float = 9,
    font: str = REGULAR,
    color: Any = INK,
    align: Align = "left",
) -> None:
    """One line of text on the baseline `y`."""
    canvas.setFont(font, size)
    canvas.setFillColor(color)
    draw = {"left": canvas.drawString, "right": canvas.drawRightString, "center": canvas.drawCentredString}[align]
    draw(x, y, words)


def fitted(words: str, width: float, size: float, font: str = REGULAR) -> str:
    """The words, cut with an ellipsis where they are wider than `width`."""
    if stringWidth(words, font, size) <= width:
        return words
    while words and stringWidth(f"{words}…", font, size) > width:
        words = words[:-1]
    return f"{words.rstrip()}…"


def paragraph(canvas: Any, x: float, y: float, words: str, *, width: float, size: float = 9, color: Any = INK) -> float:
    """Text broken into lines; returns the height below the last."""
    for line in simpleSplit(words, REGULAR, size, width):
        text(canvas, x, y, line, size=size, color=color)
        y -= size * 1.4
    return y


def rule(
    canvas: Any, y: float, *, color: Any = RULE, thickness: float = 0.6, left: float = LEFT, right: float = RIGHT
) -> None:
    """A horizontal line."""
    canvas.setStrokeColor(color)
    canvas.setLineWidth(thickness)
    canvas.line(left, y, right, y)


def heading(canvas: Any, y: float, title: str, subtitle: str) -> float:
    """A section's headline with what it measures in the line below."""
    text(canvas, LEFT, y - 12, title, size=13, font=BOLD)
    text(canvas, LEFT, y - 26, subtitle, size=8.5, color=MUTED)
    return y - 40


def table(
    canvas: Any, y: float, columns: Sequence[Column], rows: Sequence[Sequence[str]], total: Sequence[str] | None = None
) -> float:
    """Rows of figures under a header, with a total below where there is one; returns the height below."""
    y = cells(canvas, y - HEADER + ROW + 2, columns, [column.title for column in columns], size=7.5, color=MUTED)
    rule(canvas, y + ROW - 5.5, color=INK, thickness=0.8)
    y -= 2
    for number, row in enumerate(rows):
        if number % 2:
            canvas.setFillColor(WASH)
            canvas.rect(LEFT, y - 4.8, INNER, ROW, stroke=0, fill=1)
        y = cells(canvas, y, columns, row)
    if total:
        rule(canvas, y + ROW - 5, color=INK, thickness=0.8)
        y = cells(canvas, y - 1, columns, total, font=BOLD)
    return y


def table_rows(y: float) -> int:
    """How many rows a table that begins at `y` can have on this page."""
    return int((y - HEADER - FLOOR) / ROW)


def cells(
    canvas: Any,
    y: float,
    columns: Sequence[Column],
    row: Sequence[str],
    *,
    size: float = 8.5,
    color: Any = INK,
    font: str = REGULAR,
) -> float:
    """One row of a table on the baseline `y`; returns the next row's baseline."""
    x = LEFT
    for column, words in zip(columns, row, strict=True):
        at = x + 4 if column.align == "left" else x + column.width - 4
        shown = fitted(words, column.width - 8, size, font)
        text(canvas, at, y, shown, size=size, color=color, font=font, align=column.align)
        x += column.width
    return y - ROW
