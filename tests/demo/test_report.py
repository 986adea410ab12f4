"""What a report says: the same figures in every format, in words a reader knows, on pages that hold them."""

import base64
import csv
import io
import json
import re
import zlib
from datetime import date

import msgspec
import pytest

from accepted.demo import formats, labels, pdf, timeline
from accepted.demo.highlights import highlights
from accepted.demo.models import DateRange, GroupBy, ReportFormat
from accepted.demo.pdf.charts import ceiling, steps
from accepted.demo.pdf.layout import FLOOR
from accepted.demo.sales import Sales
from tests.demo.conftest import MARCH, YEAR, silent, summarised


def streams(document: bytes) -> list[str]:
    """The drawing instructions of each page."""
    found = re.findall(rb"/FlateDecode[^>]*>>\s*stream\r?\n(.*?)~>", document, re.DOTALL)
    return [zlib.decompress(base64.a85decode(stream)).decode("cp1252") for stream in found]


def texts(page: str) -> list[str]:
    """The texts drawn on a page, in order."""
    drawn = re.findall(r"\(((?:[^()\\]|\\.)*)\) Tj", page)
    octal = re.compile(r"\\(\d{3})|\\(.)")
    return [octal.sub(lambda m: bytes([int(m[1], 8)]).decode("cp1252") if m[1] else m[2], each) for each in drawn]


def test_a_year_is_three_pages_that_say_what_they_are(year: Sales) -> None:
    document = pdf.render(year, silent)
    pages = [texts(page) for page in streams(document)]
    assert document.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", document)) == len(pages) == 3
    assert [page[-1] for page in pages] == ["Page 1 of 3", "Page 2 of 3", "Page 3 of 3"]
    assert pages[0][:2] == ["Sales report", f"January 1 {labels.DASH} December 31, 2017"]
    assert {"$4,596,040", "155,848", "$29.49", "2,469"} <= set(pages[0])
    assert "Sales by department" in pages[1]
    assert "When customers shop" in pages[2]


def test_the_table_of_a_page_adds_up(year: Sales) -> None:
    page = texts(streams(pdf.render(year, silent))[1])
    rows = page[page.index("Departments in figures") :]
    total = rows.index("Total")
    assert rows[total + 1] == "$4,596,040"
    amounts = [text for text in rows[:total] if re.fullmatch(r"\$[\d,]+", text)]
    assert sum(int(text[1:].replace(",", "")) for text in amounts) == pytest.approx(4_596_040, abs=len(amounts))


@pytest.mark.parametrize(
    ("start", "end", "group_by"),
    [
        ("2017-01-01", "2017-12-31", GroupBy.STORE),
        ("2017-03-15", "2017-12-31", GroupBy.MONTH),
        ("2017-02-13", "2017-06-20", GroupBy.CATEGORY),
        ("2017-07-04", "2017-07-04", GroupBy.DEPARTMENT),
        ("2017-12-24", "2017-12-26", GroupBy.STORE),
    ],
)
def test_whatever_the_period_nothing_runs_into_the_footer(start: str, end: str, group_by: GroupBy) -> None:
    period = DateRange(date.fromisoformat(start), date.fromisoformat(end))
    pages = streams(pdf.render(summarised(period, group_by), silent))
    for page in pages:
        heights = [float(y) for y in re.findall(r"1 0 0 1 [\d.-]+ ([\d.-]+) Tm", page)]
        assert len(heights) > 10
        assert [y for y in heights if y < FLOOR] == [31.0, 31.0]


def test_the_same_sales_give_the_same_bytes(march: Sales) -> None:
    assert pdf.render(march, silent) == pdf.render(march, silent)


def test_every_format_says_the_same(march: Sales) -> None:
    made = {each: formats.rendering(each).render(march, silent) for each in ReportFormat}
    document = json.loads(made[ReportFormat.JSON])
    rows = list(csv.DictReader(io.StringIO(made[ReportFormat.CSV].decode(), newline="")))
    assert document["dateRange"] == {"start": "2017-03-01", "end": "2017-03-31"}
    assert document["total"]["sales"] == march.total.sales / 100
    assert [row["department"] for row in rows] == [group["key"] for group in document["groups"]]
    assert [float(row["sales"]) for row in rows] == [group["sales"] for group in document["groups"]]
    assert labels.dollars(march.total.sales) in texts(streams(made[ReportFormat.PDF])[0])


@pytest.mark.parametrize("format", list(ReportFormat))
def test_writing_ticks_to_the_end(format: ReportFormat, march: Sales, ticks: list[tuple[int, int]]) -> None:
    formats.rendering(format).render(march, lambda *tick: ticks.append(tick))
    assert ticks[-1][0] == ticks[-1][1]


def test_what_stands_out_follows_from_the_figures(year: Sales) -> None:
    found = dict(highlights(year))
    assert found["December sold most a day"].startswith("$13,604 a day")
    assert found["Grocery leads with 50.4% of sales"] == "The three largest of 31 departments bring 70.6%."
    assert found["Sundays are busiest"].startswith("480 baskets on an average Sunday")


def test_a_single_day_has_no_busiest_weekday_and_no_strongest_day() -> None:
    day = summarised(DateRange(date(2017, 7, 4), date(2017, 7, 4)), GroupBy.MONTH)
    assert [headline for headline, _ in highlights(day)] == ["Discounts took 18.1% off regular prices"]


def test_pieces_of_a_period_cover_it_once_and_know_when_they_are_cut(year: Sales) -> None:
    period = DateRange(date(2017, 3, 15), date(2017, 5, 20))
    pieces = timeline.pieces(period, year.days, "month")
    assert [(piece.first.isoformat(), piece.days, piece.whole) for piece in pieces] == [
        ("2017-03-15", 17, False),
        ("2017-04-01", 30, True),
        ("2017-05-01", 20, False),
    ]
    assert sum(piece.sales for piece in timeline.pieces(YEAR, year.days, "week")) == year.total.sales


@pytest.mark.parametrize(("days", "unit"), [(1, "day"), (42, "day"), (43, "week"), (182, "week"), (183, "month")])
def test_a_chart_counts_in_what_fits(days: int, unit: str) -> None:
    period = DateRange(date(2017, 1, 1), date.fromordinal(date(2017, 1, 1).toordinal() + days - 1))
    assert timeline.unit_of(period) == unit


def test_weekdays_are_counted() -> None:
    assert timeline.weekdays(MARCH) == [4, 4, 5, 5, 5, 4, 4]  # March 2017 began on a Wednesday
    assert sum(timeline.weekdays(YEAR)) == 365


@pytest.mark.parametrize("value", [0.0, 0.7, 1, 99, 101, 1_499, 1_501, 42_172_000])
def test_a_scale_ends_above_what_it_shows_at_a_round_number(value: float) -> None:
    top = ceiling(value)
    assert value <= top <= max(1.0, value * 2)
    assert top / steps(top) == pytest.approx(float(f"{top / steps(top):.2g}"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (labels.words("MEAT-PCKGD"), "Packaged meat"),
        (labels.words("FRZN ICE"), "Frozen ice"),
        (labels.name(GroupBy.STORE, "367"), "Store 367"),
        (labels.name(GroupBy.MONTH, "2017-03"), "March 2017"),
        (labels.span(DateRange(date(2017, 7, 4), date(2017, 7, 4))), "July 4, 2017"),
        (labels.short(459_603_958), "$4.6M"),
        (labels.short(99_999_999), "$1M"),
        (labels.short(99_960), "$1K"),
        (labels.short(7_500), "$75"),
        (labels.share(1, 10_000), "<0.1%"),
        (labels.share(0, 10_000), "0.0%"),
        (labels.share(0, 0), labels.DASH),
    ],
)
def test_figures_read_as_people_write_them(said: str, expected: str) -> None:
    assert said == expected


def test_a_period_needs_its_days_in_order() -> None:
    with pytest.raises(msgspec.ValidationError, match="before it starts"):
        msgspec.convert({"start": "2017-02-01", "end": "2017-01-01"}, DateRange)
