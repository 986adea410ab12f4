"""The same input as every kind of type that a user may write, and names that are awkward in a JSON pointer."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Annotated, Literal, TypedDict
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Format = Literal["PDF", "CSV", "JSON"]


class DateRange(msgspec.Struct, rename="camel"):
    start: date
    end: date


class StructReport(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    date_range: DateRange
    format: Format = "PDF"
    store_ids: list[int] = []


@dataclass
class DataRange:
    start: date
    end: date


@dataclass
class DataReport:
    dateRange: DataRange  # noqa: N815  (a dataclass has no other name for JSON)
    format: Format = "PDF"
    storeIds: list[int] | None = None  # noqa: N815


class TypedRange(TypedDict):
    start: date
    end: date


class TypedReport(TypedDict, total=False):
    dateRange: TypedRange
    format: Format
    storeIds: list[int]


class PydanticRange(BaseModel):
    start: date
    end: date


class PydanticReport(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    date_range: PydanticRange
    format: Format = "PDF"
    store_ids: list[int] = Field(default=[])


class Awkward(msgspec.Struct):
    """Names with all that a pointer or a path in a message could trip over."""

    slash: int = msgspec.field(name="a/b", default=0)
    tilde: int = msgspec.field(name="m~n", default=0)
    both: int = msgspec.field(name="~1/", default=0)
    dot: int = msgspec.field(name="x.y", default=0)
    bracket: int = msgspec.field(name="p[0]", default=0)
    empty: int = msgspec.field(name="", default=0)
    space: int = msgspec.field(name="u v", default=0)
    backtick: int = msgspec.field(name="q`r", default=0)


class AwkwardPydantic(BaseModel):
    slash: int = Field(alias="a/b", default=0)
    tilde: int = Field(alias="m~n", default=0)
    both: int = Field(alias="~1/", default=0)
    dot: int = Field(alias="x.y", default=0)
    bracket: int = Field(alias="p[0]", default=0)
    empty: int = Field(alias="", default=0)


class Scores(msgspec.Struct):
    """A mapping, whose names only the client knows."""

    scores: dict[str, Annotated[int, msgspec.Meta(ge=0)]]


class Picky(msgspec.Struct):
    """A model with a rule of its own."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is over high")


class Colour(Enum):
    RED = "red"


DAYS = b'{"start":"2017-01-01","end":"2017-12-31"}'
FIRST, LAST = date(2017, 1, 1), date(2017, 12, 31)

RETURNED = [
    (StructReport(DateRange(FIRST, LAST)), b'{"dateRange":' + DAYS + b',"format":"PDF","storeIds":[]}'),
    (DataRange(FIRST, LAST), DAYS),
    (TypedRange(start=FIRST, end=LAST), DAYS),
    (PydanticRange(start=FIRST, end=LAST), DAYS),
    (
        PydanticReport.model_validate({"dateRange": {"start": FIRST, "end": LAST}}),
        b'{"dateRange":' + DAYS + b',"format":"PDF","storeIds":[]}',
    ),
    ([PydanticRange(start=FIRST, end=LAST), DateRange(FIRST, LAST)], b"[" + DAYS + b"," + DAYS + b"]"),
    ((1, "two", None), b'[1,"two",null]'),
    (Colour.RED, b'"red"'),
    ({1: Colour.RED}, b'{"1":"red"}'),
    (datetime(2017, 1, 1, 12, tzinfo=UTC), b'"2017-01-01T12:00:00Z"'),
    (UUID(int=7), b'"00000000-0000-0000-0000-000000000007"'),
]
"""Values that functions return, and the JSON that they are."""
