"""The input that every peer validates: the same as Accepted's operation has."""

from pydantic import BaseModel, Field


class DateRange(BaseModel):
    """A range of days."""

    start: str
    end: str


class Order(BaseModel):
    """What a report is ordered with."""

    date_range: DateRange = Field(alias="dateRange")
    format: str
