"""What the four operations take as input; what does not fit is refused with 422 and a pointer, and nothing is stored.

Names are camelCase on the wire and snake_case here. Rules that span members live in `__post_init__`: a ValueError there
becomes the refusal's detail at the pointer of the whole object.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class DateRange(Struct, frozen=True, forbid_unknown_fields=True):
    """A period of whole days, both ends included, in the stores' local time. The demo's data covers 2017."""

    start: Annotated[date, Meta(description="First day of the period.", examples=["2017-01-01"])]
    end: Annotated[date, Meta(description="Last day of the period, included.", examples=["2017-12-31"])]

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"the range ends ({self.end}) before it starts ({self.start})")

    @property
    def days(self) -> int:
        """How many days the period has, at least 1."""
        return (self.end - self.start).days + 1


class ReportFormat(StrEnum):
    """The file a sales report is written as."""

    PDF = "PDF"
    CSV = "CSV"
    JSON = "JSON"


class GroupBy(StrEnum):
    """What a sales report is broken down by."""

    DEPARTMENT = "department"
    CATEGORY = "category"
    STORE = "store"
    MONTH = "month"


class SalesReportRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Which sales to report on, as which file, broken down by what."""

    date_range: DateRange
    format: ReportFormat
    group_by: GroupBy = GroupBy.DEPARTMENT


class CustomerImportRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A CSV text with a header line: an `email` column, perhaps `name` and `household_id`; others are ignored."""

    csv: Annotated[str, Meta(min_length=1, examples=["name,email,household_id\nAda,ada@example.org,1001\nBob,,1003\n"])]


class TransactionExportRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Which transactions to export; `household` narrows them to one."""

    date_range: DateRange
    household: Annotated[int, Meta(ge=1, le=2**31 - 1, description="A household id, 1 to 2500.")] | None = None


class WarehouseSyncRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How the pretend warehouse shall behave: fail this many times, take this long in all."""

    failures: Annotated[int, Meta(ge=0, le=10, description="How many attempts fail; 6 or more leave none.")] = 2
    seconds: Annotated[float, Meta(ge=0, le=600, description="Seconds of work, waits between attempts apart.")] = 5.0
