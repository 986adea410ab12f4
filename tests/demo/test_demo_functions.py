"""The demo's figures against the parquet files, added up by other means: plain loops and the zone database."""

import asyncio
import csv
import io
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from accepted.demo import dataset, sales, transactions
from accepted.demo.faults import NoTransactions, ServiceUnavailable
from accepted.demo.models import DateRange, GroupBy, SalesReportRequest, TransactionExportRequest, WarehouseSyncRequest
from accepted.demo.warehouse import PretendWarehouse
from tests.demo.conftest import MARCH, YEAR, silent, summarised

EASTERN = ZoneInfo("America/New_York")
Ticks = list[tuple[int, int]]


def raw(*columns: str) -> pa.Table:
    """Columns of the file as they are, timestamps in seconds."""
    table = pq.read_table(dataset.data_file("transactions"), columns=["transaction_timestamp", *columns])
    return table.set_column(0, "at", table["transaction_timestamp"].cast(pa.timestamp("s"), safe=False))


def test_the_year_is_the_whole_file(year: sales.Sales) -> None:
    table = raw("sales_value", "retail_disc", "coupon_match_disc", "basket_id", "household_id", "store_id")
    discounts = pc.sum(table["retail_disc"]).as_py() + pc.sum(table["coupon_match_disc"]).as_py()
    assert year.total.sales == round(pc.sum(table["sales_value"]).as_py() * 100)
    assert year.total.discounts == round(discounts * 100)
    assert year.total.lines == table.num_rows == 1_469_307
    assert year.total.baskets == len(set(table["basket_id"].to_pylist()))
    assert year.total.households == len(set(table["household_id"].to_pylist()))
    assert year.stores == len(set(table["store_id"].to_pylist()))


def test_a_months_departments_match_a_loop_over_the_file(march: sales.Sales, departments: dict[int, str]) -> None:
    sold: Counter[str] = Counter()
    baskets: defaultdict[str, set[int]] = defaultdict(set)
    households: defaultdict[str, set[int]] = defaultdict(set)
    begin, end = (datetime(2017, month, 1, tzinfo=EASTERN).astimezone(UTC).replace(tzinfo=None) for month in (3, 4))
    table = raw("product_id", "sales_value", "basket_id", "household_id")
    table = table.filter(pc.and_(pc.greater_equal(table["at"], pa.scalar(begin)), pc.less(table["at"], pa.scalar(end))))
    for _, product, value, basket, household in zip(*(column.to_pylist() for column in table.columns), strict=True):
        department = departments.get(product) or dataset.UNKNOWN
        sold[department] += round(value * 100)
        baskets[department].add(basket)
        households[department].add(household)
    assert {group.key: group.sales for group in march.groups} == sold
    assert {group.key: group.baskets for group in march.groups} == {key: len(found) for key, found in baskets.items()}
    assert {group.key: group.households for group in march.groups} == {
        key: len(found) for key, found in households.items()
    }


@pytest.mark.parametrize("group_by", list(GroupBy))
def test_every_breakdown_adds_up_to_the_total(group_by: GroupBy, march: sales.Sales) -> None:
    found = summarised(MARCH, group_by)
    assert found.total == march.total
    for parts in (found.groups, found.months, found.days, found.products):
        assert sum(part.sales for part in parts) == march.total.sales
        assert sum(part.discounts for part in parts) == march.total.discounts
        assert sum(part.lines for part in parts) == march.total.lines
    assert sum(map(sum, found.visits)) == march.total.baskets


def test_the_best_selling_come_first_and_time_runs_forward(year: sales.Sales) -> None:
    assert [group.sales for group in year.groups] == sorted((group.sales for group in year.groups), reverse=True)
    assert [month.key for month in year.months] == [f"2017-{number:02}" for number in range(1, 13)]
    assert [day.key for day in year.days] == sorted(day.key for day in year.days)


def test_days_are_the_stores_days() -> None:
    sample = raw()["at"].combine_chunks()[::997]
    expected = [at.replace(tzinfo=UTC).astimezone(EASTERN).replace(tzinfo=None) for at in sample.to_pylist()]
    assert dataset.store_time(sample).to_pylist() == expected


def test_the_file_is_in_the_order_of_time_which_reading_relies_on() -> None:
    at = raw()["at"].combine_chunks()
    assert pc.all(pc.less_equal(at[:-1], at[1:])).as_py()


def test_summing_ticks_to_the_end(ticks: Ticks) -> None:
    total = dataset.count(MARCH)
    sales.summarise(MARCH, GroupBy.STORE, total, lambda *tick: ticks.append(tick))
    assert len(ticks) >= 4
    assert (ticks[0], ticks[-1]) == ((0, total), (total, total))


def stopping(after: int) -> Callable[[int, int], None]:
    """A tick that stops the work as a cancel does."""

    def tick(done: int, total: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    return tick


def test_a_tick_that_raises_stops_the_sums() -> None:
    with pytest.raises(KeyboardInterrupt):
        sales.summarise(YEAR, GroupBy.STORE, 1_469_307, stopping(100_000))


@pytest.mark.parametrize("day", [date(2016, 12, 31), date(2018, 1, 1)])
def test_a_period_outside_the_data_has_no_transactions(day: date) -> None:
    with pytest.raises(NoTransactions, match="the data covers 2017"):
        dataset.covered(DateRange(day, day))


def test_a_period_is_cut_to_the_data() -> None:
    assert dataset.covered(DateRange(date(2016, 6, 1), date(2020, 1, 1))) == YEAR
    assert dataset.covered(MARCH) == MARCH


def test_a_day_without_sales_has_no_transactions() -> None:
    christmas = DateRange(date(2017, 12, 25), date(2017, 12, 25))
    with pytest.raises(NoTransactions, match="2017-12-25"):
        dataset.count(christmas)


def test_a_household_that_bought_nothing_has_no_transactions() -> None:
    with pytest.raises(NoTransactions, match="by household 99999"):
        dataset.count(YEAR, 99_999)


def exported(
    period: DateRange, household: int | None, tick: Callable[[int, int], None] = silent
) -> list[dict[str, str]]:
    """An export's lines, read back."""
    pieces = transactions.csv_pieces(period, household, dataset.count(period, household), tick)
    return list(csv.DictReader(io.StringIO(b"".join(pieces).decode(), newline="")))


def test_an_export_has_every_transaction_once(march: sales.Sales, departments: dict[int, str], ticks: Ticks) -> None:
    rows = exported(MARCH, None, lambda *tick: ticks.append(tick))
    assert len(rows) == march.total.lines == ticks[-1][0]
    assert list(rows[0]) == transactions.COLUMNS
    assert sum(round(float(row["sales_value"]) * 100) for row in rows) == march.total.sales
    assert {row["transaction_timestamp"][:7] for row in rows} == {"2017-03"}
    assert all((departments.get(int(row["product_id"])) or dataset.UNKNOWN) == row["department"] for row in rows[::50])


def test_an_export_of_one_household_is_the_files_lines_of_it() -> None:
    table = raw("household_id", "product_id", "sales_value")
    own = table.filter(pc.equal(table["household_id"], 900))
    rows = exported(YEAR, 900)
    assert [int(row["product_id"]) for row in rows] == own["product_id"].to_pylist()
    assert [float(row["sales_value"]) for row in rows] == own["sales_value"].to_pylist()
    assert {row["household_id"] for row in rows} == {"900"}
    assert rows[0]["transaction_timestamp"] == "2017-01-01 06:53:26"


def test_an_export_is_made_while_it_is_read() -> None:
    pieces = transactions.csv_pieces(YEAR, None, 1_469_307, stopping(40_000))
    assert next(pieces).startswith(b"transaction_timestamp,household_id")
    assert next(pieces).count(b"\n") <= dataset.BATCH_ROWS
    with pytest.raises(KeyboardInterrupt):
        list(pieces)


def until_it_fails(failures: int, attempt: int) -> tuple[int, int]:
    """How far a warehouse gets on an attempt, and how far it should."""
    warehouse = PretendWarehouse(failures=failures, seconds=0, attempt=attempt)

    async def send() -> int:
        for article in range(1, warehouse.articles + 1):
            try:
                await warehouse.store(article)
            except ServiceUnavailable:
                return article - 1
        return warehouse.articles

    return asyncio.run(send()), warehouse.articles


def test_the_warehouse_fails_as_often_as_told_and_gets_further_each_time() -> None:
    reached = [until_it_fails(failures=3, attempt=attempt) for attempt in (1, 2, 3, 4, 5)]
    assert reached == [(5, 20), (10, 20), (15, 20), (20, 20), (20, 20)]


@pytest.mark.parametrize(
    ("model", "body", "complaint"),
    [
        (
            SalesReportRequest,
            b'{"dateRange":{"start":"2017-02-01","end":"2017-01-31"},"format":"PDF"}',
            "before it starts",
        ),
        (
            SalesReportRequest,
            b'{"dateRange":{"start":"2017-02-30","end":"2017-03-31"},"format":"PDF"}',
            "dateRange.start",
        ),
        (SalesReportRequest, b'{"dateRange":{"start":"2017-02-01","end":"2017-03-31"},"format":"DOC"}', r"\$.format"),
        (SalesReportRequest, b'{"dateRange":{"start":"2017-02-01","end":"2017-03-31"}}', "format"),
        (
            TransactionExportRequest,
            b'{"dateRange":{"start":"2017-02-01","end":"2017-03-31"},"household":0}',
            "household",
        ),
        (WarehouseSyncRequest, b'{"failures":-1}', "failures"),
        (WarehouseSyncRequest, b'{"seconds":601}', "seconds"),
        (WarehouseSyncRequest, b'{"sconds":6}', "sconds"),
    ],
)
def test_input_that_does_not_fit_is_refused(model: type[msgspec.Struct], body: bytes, complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.json.decode(body, type=model)


def test_importing_the_demo_loads_nothing_heavy() -> None:
    script = (
        "import sys, accepted.demo; print(sorted({'pyarrow', 'reportlab', 'pandas', 'numpy'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
