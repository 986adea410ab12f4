"""The demo's rooms on the real data set: sales added up once for all tests, and what the files themselves say."""

from collections.abc import Iterator
from datetime import date

import pyarrow.parquet as pq
import pytest

from accepted.demo import dataset, sales
from accepted.demo.models import DateRange, GroupBy

YEAR = DateRange(date(2017, 1, 1), date(2017, 12, 31))
MARCH = DateRange(date(2017, 3, 1), date(2017, 3, 31))  # the clocks change within it


def silent(done: int, total: int) -> None:
    """A tick nobody listens to."""


def summarised(period: DateRange, group_by: GroupBy) -> sales.Sales:
    """The sales of a period, as the operation adds them up."""
    return sales.summarise(period, group_by, dataset.count(period), silent)


@pytest.fixture(scope="session")
def year() -> sales.Sales:
    """The whole year by department."""
    return summarised(YEAR, GroupBy.DEPARTMENT)


@pytest.fixture(scope="session")
def march() -> sales.Sales:
    """March by department."""
    return summarised(MARCH, GroupBy.DEPARTMENT)


@pytest.fixture(scope="session")
def departments() -> dict[int, str]:
    """Product id to department, as the file has them."""
    products = pq.read_table(dataset.data_file("products"), columns=["product_id", "department"])
    return dict(zip(products["product_id"].to_pylist(), products["department"].to_pylist(), strict=True))


@pytest.fixture
def ticks() -> Iterator[list[tuple[int, int]]]:
    """A list to collect ticks in; what was collected must be fit for a progress bar."""
    heard: list[tuple[int, int]] = []
    yield heard
    assert heard == sorted(heard)
    assert all(0 <= done <= total for done, total in heard)
