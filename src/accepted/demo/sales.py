"""Adding up a period's sales: totals, the chosen breakdown, and how they run over time.

Rows are reduced batch by batch, so that memory stays low and a cancel gets in between; what is left to merge at the
end is one row per basket and one per basket and product group. Baskets and households are counted, not summed, which is
why the partial sums keep the basket: one basket may straddle two batches. All amounts are whole cents until printed.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from accepted.demo.dataset import Catalogue, cents, selected
from accepted.demo.models import DateRange, GroupBy
from accepted.demo.tick import Tick

BASKET = ["basket_id", "household_id", "store_id", "day", "hour"]
PRODUCT = ["product_type", "product_category"]
AMOUNTS = ["sales", "discounts"]
SUMS = [*AMOUNTS, "lines"]
COLUMNS = ["store_id", "basket_id", "product_id", "sales_value", "retail_disc", "coupon_match_disc"]
PRODUCT_KEYS = {GroupBy.DEPARTMENT: "department", GroupBy.CATEGORY: "product_category"}


class Figures(msgspec.Struct, frozen=True):
    """What one group sold, in US cents; `discounts` are the retailer's own: loyalty prices and matched coupons."""

    key: str
    sales: int
    discounts: int
    lines: int
    baskets: int
    households: int

    @property
    def basket_value(self) -> float:
        """The average basket in cents."""
        return self.sales / self.baskets if self.baskets else 0.0

    @property
    def discount_rate(self) -> float:
        """What part of the regular price the discounts took off, 0 to 1."""
        regular = self.sales + self.discounts
        return self.discounts / regular if regular else 0.0


class Product(msgspec.Struct, frozen=True):
    """What one type of product sold, in US cents. Its baskets stay uncounted: that would keep every row to the end."""

    key: str
    category: str
    sales: int
    discounts: int
    lines: int


class Sales(msgspec.Struct, frozen=True):
    """The sales of a period, ready to be written as any format."""

    period: DateRange
    group_by: GroupBy
    total: Figures
    stores: int
    groups: tuple[Figures, ...]
    """The breakdown asked for: the best-selling first, months in the order of time."""
    months: tuple[Figures, ...]
    days: tuple[Figures, ...]
    products: tuple[Product, ...]
    """By type and category, the best-selling first."""
    visits: tuple[tuple[int, ...], ...]
    """Baskets by weekday (Monday first) and hour of the day."""


def summarise(period: DateRange, group_by: GroupBy, total: int, tick: Tick) -> Sales:
    """Adds up the period; `total` is how many transactions it has, and `tick` hears of each batch."""
    tally = Tally(group_by)
    tick(0, total)
    for table in selected(period, None, COLUMNS):
        tally.add(table)
        tick(tally.lines, total)
    return tally.finish(period)


class Tally:
    """Partial sums of the batches seen so far."""

    def __init__(self, group_by: GroupBy) -> None:
        self.lines = 0
        self._group_by = group_by
        self._catalogue = Catalogue()
        self._baskets: list[Any] = []
        self._types: list[Any] = []
        self._groups: list[Any] = []

    def add(self, table: pa.Table) -> None:
        """Takes one batch of transactions with COLUMNS and `day`."""
        self.lines += table.num_rows
        key = PRODUCT_KEYS.get(self._group_by)
        table = self._catalogue.encode(measured(table))
        self._baskets.append(reduced(table, BASKET))
        self._types.append(reduced(table, PRODUCT))
        if key:
            self._groups.append(reduced(table, [key, "basket_id", "household_id"]))

    def finish(self, period: DateRange) -> Sales:
        """The sums of everything added."""
        baskets = merged(self._baskets, BASKET)
        baskets = baskets.append_column("month", pc.strftime(baskets["day"], format="%Y-%m"))
        months = by_key(figures(baskets, "month"))
        return Sales(
            period=period,
            group_by=self._group_by,
            total=overall(baskets),
            stores=pc.count_distinct(baskets["store_id"]).as_py(),
            groups=self._breakdown(baskets, months),
            months=months,
            days=by_key(figures(baskets, "day")),
            products=self._product_types(),
            visits=visits(baskets),
        )

    def _breakdown(self, baskets: pa.Table, months: tuple[Figures, ...]) -> tuple[Figures, ...]:
        if self._group_by is GroupBy.MONTH:
            return months
        if self._group_by is GroupBy.STORE:
            return by_sales(figures(baskets, "store_id"))
        key = PRODUCT_KEYS[self._group_by]
        return by_sales(figures(pa.concat_tables(self._groups), key, self._catalogue.names[key]))

    def _product_types(self) -> tuple[Product, ...]:
        sums = merged(self._types, PRODUCT)
        types, categories = (self._catalogue.names[name] for name in PRODUCT)
        rows = zip(*(sums[name].to_pylist() for name in (*PRODUCT, *SUMS)), strict=True)
        return tuple(sorted((Product(types[a], categories[b], *numbers) for a, b, *numbers in rows), key=rank))


def measured(table: pa.Table) -> pa.Table:
    """The batch with what is added up: `sales` and `discounts` in cents, `lines`, and the `hour`."""
    discounts = pc.add(cents(table["retail_disc"]), cents(table["coupon_match_disc"]))
    table = table.append_column("sales", cents(table["sales_value"])).append_column("discounts", discounts)
    return table.append_column("hour", pc.hour(table["transaction_timestamp"]))


def reduced(table: pa.Table, keys: list[str]) -> pa.Table:
    """One row for each combination of the keys, amounts summed, transactions counted as `lines`."""
    sums = table.group_by(keys).aggregate([*((name, "sum") for name in AMOUNTS), ([], "count_all")])
    columns = [*keys, *(f"{name}_sum" for name in AMOUNTS), "count_all"]
    return sums.select(columns).rename_columns([*keys, *SUMS])


def merged(parts: list[Any], keys: list[str]) -> pa.Table:
    """One table of the batches' partial sums, where a basket cut by a batch's end is whole again."""
    sums = pa.concat_tables(parts).group_by(keys).aggregate([(name, "sum") for name in SUMS])
    return sums.select([*keys, *(f"{name}_sum" for name in SUMS)]).rename_columns([*keys, *SUMS])


def figures(table: pa.Table, key: str, names: list[str] | None = None) -> list[Figures]:
    """The figures of each value of the key, in no order; where the key is a code, `names` has its words."""
    counts = [("basket_id", "count_distinct"), ("household_id", "count_distinct")]
    sums = table.group_by(key).aggregate([*((name, "sum") for name in SUMS), *counts])
    columns = [key, *(f"{name}_sum" for name in SUMS), "basket_id_count_distinct", "household_id_count_distinct"]
    rows = zip(*(sums[name].to_pylist() for name in columns), strict=True)
    return [Figures(names[value] if names else str(value), *numbers) for value, *numbers in rows]


def overall(baskets: pa.Table) -> Figures:
    """The figures of the whole period."""
    sales, discounts, lines = (pc.sum(baskets[name]).as_py() for name in SUMS)
    households = pc.count_distinct(baskets["household_id"]).as_py()
    return Figures("total", sales, discounts, lines, baskets.num_rows, households)


def visits(baskets: pa.Table) -> tuple[tuple[int, ...], ...]:
    """Baskets by weekday (Monday first) and hour."""
    table = baskets.append_column("weekday", pc.day_of_week(baskets["day"]))
    counts = table.group_by(["weekday", "hour"]).aggregate([([], "count_all")])
    cells = zip(counts["weekday"].to_pylist(), counts["hour"].to_pylist(), counts["count_all"].to_pylist(), strict=True)
    found = {(weekday, hour): number for weekday, hour, number in cells}
    return tuple(tuple(found.get((weekday, hour), 0) for hour in range(24)) for weekday in range(7))


def by_sales(groups: Iterable[Figures]) -> tuple[Figures, ...]:
    """The best-selling first."""
    return tuple(sorted(groups, key=rank))


def rank(group: Figures | Product) -> tuple[int, str, str]:
    """What sorts the best-selling first, and equals by name."""
    return -group.sales, group.key, group.category if isinstance(group, Product) else ""


def by_key(groups: Iterable[Figures]) -> tuple[Figures, ...]:
    """In the order of the keys, which for days and months is time."""
    return tuple(sorted(groups, key=lambda group: group.key))
