"""Transactions as a CSV file too large to hold: it is made piece by piece while it is being stored.

Each piece is one batch of the data set with the products' names beside it. A year is about 1.5 million lines.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow.csv import WriteOptions, write_csv

from accepted.demo.dataset import Catalogue, selected
from accepted.demo.models import DateRange
from accepted.demo.tick import Tick

SOURCE = [
    "transaction_timestamp",
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_disc",
    "coupon_match_disc",
]
COLUMNS = [*SOURCE[:5], *Catalogue.COLUMNS, *SOURCE[5:]]


def csv_pieces(period: DateRange, household: int | None, total: int, tick: Tick) -> Iterator[bytes]:
    """The file in pieces, the header first; `tick` hears how many of `total` transactions are written."""
    catalogue = Catalogue()
    written = 0
    yield (",".join(COLUMNS) + "\n").encode()
    for table in selected(period, household, SOURCE):
        yield lines(catalogue.describe(table).select(COLUMNS))
        written += table.num_rows
        tick(written, total)


def lines(table: pa.Table) -> bytes:
    """A batch as CSV lines."""
    sink: Any = pa.BufferOutputStream()
    write_csv(table, sink, WriteOptions(include_header=False, quoting_style="needed"))
    return bytes(sink.getvalue())
