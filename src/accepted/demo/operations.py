"""The demo's four operations, as `accepted serve accepted.demo:app` runs them.

Each function says what its phases, progress, warnings and failures are; what is computed stands in the other rooms.
Those that load pyarrow are imported by the functions that need them: a web process imports this module and runs none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from accepted import Accepted, Artifact, Attempt, Failure
from accepted.demo import customers, page
from accepted.demo.faults import DataMissing, NoCustomers, NoTransactions, ServiceUnavailable
from accepted.demo.models import (
    CustomerImportRequest,
    DateRange,
    SalesReportRequest,
    TransactionExportRequest,
    WarehouseSyncRequest,
)
from accepted.demo.tick import Tick
from accepted.demo.warehouse import PretendWarehouse

REJECTIONS_SHOWN = 20
CHECKPOINTS = 10
"""How many times a sync writes down how far it is."""


class Demo(Accepted):
    """An `Accepted` with a page in front: it is an ASGI application, and whatever is one can be put around it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if page.is_page(scope):
            await page.show(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


app = Demo()


class ShownRejection(msgspec.Struct, frozen=True):
    """A line that was not imported."""

    line: int
    reason: str


class CustomerImport(msgspec.Struct, frozen=True, rename="camel"):
    """What became of an import. `rejections` are the first 20."""

    rows: int
    imported: int
    rejected: int
    missing_emails: int
    households: customers.Matches
    rejections: tuple[ShownRejection, ...]
    note: str = (
        "A demo: valid rows are checked and matched with household profiles of the data set, and stored nowhere."
    )


class WarehouseSync(msgspec.Struct, frozen=True, rename="camel"):
    """What a sync did, and in how many attempts."""

    articles: int
    attempts: int
    resumed_at: int
    simulated: bool = True


@app.operation(
    "/reports/sales",
    name="sales-report",
    result="/reports/{reportId}",
    result_id="rpt",
    phases={"VALIDATION": 1, "DATA_PROCESSING": 7, "REPORT_GENERATION": 2},
    attempts=3,
    backoff="1s..10s",
    timeout="5m",
)
def sales_report(request: SalesReportRequest, attempt: Attempt) -> Artifact:
    """A report of the sales of a period, as a PDF to read, a CSV of the breakdown, or everything in JSON."""
    from accepted.demo import formats, sales

    with attempt.phase("VALIDATION"):
        period, total = scope(request.date_range, None, attempt)
    with attempt.phase("DATA_PROCESSING"):
        summary = sales.summarise(period, request.group_by, total, ticking(attempt, "Adding up transactions"))
    with attempt.phase("REPORT_GENERATION"):
        rendering = formats.rendering(request.format)
        body = rendering.render(summary, ticking(attempt, f"Writing the {request.format}"))
    return Artifact(
        body,
        media_type=rendering.media_type,
        filename=f"sales-{dated(period)}.{rendering.suffix}",
        format=request.format,
        dateRange=msgspec.to_builtins(period),
        transactions=total,
    )


@app.operation("/exports/transactions", name="transaction-export", attempts=3, backoff="1s..10s", timeout="10m")
def transaction_export(request: TransactionExportRequest, attempt: Attempt) -> Artifact:
    """Every transaction of a period, with its product's names, as one CSV file that is written while it is made."""
    from accepted.demo import transactions

    household = request.household
    period, total = scope(request.date_range, household, attempt)
    return Artifact(
        transactions.csv_pieces(period, household, total, ticking(attempt, "Writing transactions")),
        media_type="text/csv; charset=utf-8",
        filename=f"transactions-{dated(period)}{'' if household is None else f'-household-{household}'}.csv",
        dateRange=msgspec.to_builtins(period),
        transactions=total,
    )


@app.operation("/imports/customers", name="customer-import", timeout="5m")
def customer_import(request: CustomerImportRequest, attempt: Attempt) -> CustomerImport:
    """Validates customers line by line. Bad lines are warned of; the import fails only where no line is good."""
    from accepted.demo import dataset

    with as_failures():
        reading = customers.read(request.csv, ticking(attempt, "Validating rows"))
        matches = customers.matched(reading.customers, dataset.age_groups())
    warn(reading, attempt)
    return CustomerImport(
        rows=len(reading.customers) + len(reading.rejections),
        imported=len(reading.customers),
        rejected=len(reading.rejections),
        missing_emails=reading.missing_emails,
        households=matches,
        rejections=tuple(ShownRejection(each.line, each.reason) for each in reading.rejections[:REJECTIONS_SHOWN]),
    )


@app.operation("/syncs/warehouse", name="warehouse-sync", attempts=6, backoff="1s..4s", timeout="15m")
async def warehouse_sync(request: WarehouseSyncRequest, attempt: Attempt) -> WarehouseSync:
    """Sends articles to a pretend warehouse that fails a given number of times; each attempt goes on from the last."""
    warehouse = PretendWarehouse(failures=request.failures, seconds=request.seconds, attempt=attempt.number)
    resumed_at: int = (attempt.resume or {}).get("synced", 0)
    for article in range(resumed_at + 1, warehouse.articles + 1):
        try:
            await warehouse.store(article)
        except ServiceUnavailable as error:
            await attempt.checkpoint({"synced": article - 1})
            raise unavailable(error) from error
        attempt.progress(article, warehouse.articles, "Sending articles")
        attempt.partial({"synced": article, "simulated": True})
        if article % (warehouse.articles // CHECKPOINTS) == 0:
            await attempt.checkpoint({"synced": article})
    return WarehouseSync(warehouse.articles, attempt.number, resumed_at)


def scope(asked: DateRange, household: int | None, attempt: Attempt) -> tuple[DateRange, int]:
    """The part of a period that the data covers and its number of transactions; fails where there are none."""
    from accepted.demo import dataset

    with as_failures():
        period = dataset.covered(asked)
        total = dataset.count(period, household)
    if period != asked:
        attempt.log(f"The data covers 2017 only: {dated(period)} instead of {dated(asked)}", level="WARNING")
    attempt.log(f"{total:,} transactions in {period.days} days")
    return period, total


def ticking(attempt: Attempt, message: str) -> Tick:
    """Progress of the attempt, for rooms that do not know it."""
    return lambda done, total: attempt.progress(done, total, message)


def dated(period: DateRange) -> str:
    """A period as part of a file's name."""
    return f"{period.start}-to-{period.end}"


def warn(reading: customers.Reading, attempt: Attempt) -> None:
    """Warns of what was not imported: missing addresses and all other faults apart, for their owners differ."""
    for rejection in reading.rejections[:REJECTIONS_SHOWN]:
        attempt.log(f"Line {rejection.line}: {rejection.reason}", level="WARNING")
    missing = reading.missing_emails
    others = len(reading.rejections) - missing
    if missing:
        attempt.warn(
            "MISSING_DATA", f"{rows(missing)} without an email address, not imported", affected_records=missing
        )
    if others:
        attempt.warn("MISSING_DATA", f"{rows(others)} with invalid data, not imported", affected_records=others)


def rows(number: int) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} row{'' if number == 1 else 's'}"


@contextmanager
def as_failures() -> Iterator[None]:
    """Turns what the caller can understand into a failure that trying again would not mend."""
    try:
        yield
    except NoTransactions as fault:
        raise lasting("No Transactions", fault, type="no-transactions", status=422) from fault
    except NoCustomers as fault:
        raise lasting("No Valid Customers", fault, type="no-valid-customers", status=422) from fault
    except DataMissing as fault:
        raise lasting("Demo Data Missing", fault, type="demo-data-missing", status=500) from fault


def lasting(title: str, fault: Exception, **problem: Any) -> Failure:
    """A failure that is not retried."""
    return Failure(title, detail=str(fault), retryable=False, **problem)


def unavailable(fault: ServiceUnavailable) -> Failure:
    """A failure that a later attempt may not meet again."""
    return Failure(
        "Warehouse Unavailable", detail=str(fault), type="temporary-failure", status=503, retryable=True, retry_after=1
    )
