"""Users' own types at the border: read strictly, refused with pointers, described in schemas (contract, section 1)."""

import dataclasses
import enum
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest

from accepted.contract.problem import InvalidRequest
from accepted.engine.model import ABSENT, Model, pointer, to_json


class Color(enum.Enum):
    RED = "red"


class Line(msgspec.Struct):
    sku: str
    count: Annotated[int, msgspec.Meta(ge=1)]


class Order(msgspec.Struct, rename="camel"):
    order_lines: list[Line]
    due_on: date | None = None


class Checked(msgspec.Struct):
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError("first comes before last")


@dataclasses.dataclass
class Plain:
    name: str
    color: Color = Color.RED


class Typed(TypedDict):
    name: str


class Item(pydantic.BaseModel):
    name: str = pydantic.Field(alias="itemName")
    sizes: list[int] = []


READABLE: list[tuple[Any, bytes, Any]] = [
    (
        Order,
        b'{"orderLines":[{"sku":"a","count":2}],"dueOn":"2017-01-31"}',
        Order([Line("a", 2)], date(2017, 1, 31)),
    ),
    (Plain, b'{"name":"x","color":"red"}', Plain("x")),
    (Typed, b'{"name":"x"}', {"name": "x"}),
    (Item, b'{"itemName":"x","sizes":[1]}', Item(itemName="x", sizes=[1])),
    (list[Item], b'[{"itemName":"x"}]', [Item(itemName="x")]),
    (Item | None, b"null", None),
    (dict, b'{"a":[1,null]}', {"a": [1, None]}),
    (dict[str, int], b'{"a":1}', {"a": 1}),
    (int, b"7", 7),
    (str | None, b"null", None),
    (Any, b'[1,"a",{}]', [1, "a", {}]),
    (UUID, b'"0af76519-16cd-43dd-8448-eb211c80319c"', UUID("0af76519-16cd-43dd-8448-eb211c80319c")),
    (ABSENT, b'{"whatever":1}', None),
]


@pytest.mark.parametrize(("kind", "body", "value"), READABLE, ids=[str(number) for number in range(len(READABLE))])
def test_a_value_of_its_type(kind: Any, body: bytes, value: Any) -> None:
    assert Model(kind).read(body) == value


UNREADABLE: list[tuple[Any, bytes, list[str]]] = [
    (Order, b'{"orderLines":[{"sku":"a","count":2},{"sku":"b","count":0}]}', ["/orderLines/1/count"]),
    (Order, b'{"orderLines":[{"sku":1,"count":2}]}', ["/orderLines/0/sku"]),
    (Order, b"{}", [""]),
    (Order, b"[]", [""]),
    (Checked, b'{"first":2,"last":1}', [""]),
    (Plain, b'{"name":"x","color":"blue"}', ["/color"]),
    (dict[str, int], b'{"a":"x"}', [""]),
    (int, b'"7"', [""]),
    (Item, b'{"sizes":["x","y"]}', ["/itemName", "/sizes/0", "/sizes/1"]),
    (list[Item], b'[{"itemName":1}]', ["/0/itemName"]),
]


@pytest.mark.parametrize(
    ("kind", "body", "pointers"), UNREADABLE, ids=[str(number) for number in range(len(UNREADABLE))]
)
def test_what_does_not_fit_is_named_by_pointers(kind: Any, body: bytes, pointers: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Model(kind).read(body)
    errors = refused.value.members["errors"]
    assert [error["pointer"] for error in errors] == pointers
    assert all(error["detail"] and "`$" not in error["detail"] for error in errors)


def test_pointers_are_escaped() -> None:
    assert pointer(("a/b", 0, "m~n")) == "/a~1b/0/m~0n"
    assert pointer(()) == ""


# --- schemas


def test_a_schema_refers_to_its_components() -> None:
    schema, components = Model(Order).schema()
    assert schema == {"$ref": "#/components/schemas/Order"}
    assert set(components) == {"Order", "Line"}
    assert components["Order"]["required"] == ["orderLines"]
    assert components["Line"]["properties"]["count"] == {"type": "integer", "minimum": 1}


def test_a_pydantic_schema_does_too() -> None:
    schema, components = Model(list[Item]).schema()
    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
    assert components["Item"]["required"] == ["itemName"]


@pytest.mark.parametrize("kind", [ABSENT, Any])
def test_where_anything_goes_there_is_no_schema(kind: Any) -> None:
    assert Model(kind).schema() == ({}, {})


# --- to JSON


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (None, b"null"),
        (True, b"true"),
        ((1, 2), b"[1,2]"),
        ({1: "a"}, b'{"1":"a"}'),
        (Color.RED, b'"red"'),
        (date(2017, 1, 2), b'"2017-01-02"'),
        (datetime(2017, 1, 2, 3, 4, 5, tzinfo=UTC), b'"2017-01-02T03:04:05Z"'),
        (Decimal("1.50"), b'"1.50"'),
        (Order([Line("é", 2)]), '{"orderLines":[{"sku":"é","count":2}],"dueOn":null}'.encode()),
        (Plain("x"), b'{"name":"x","color":"red"}'),
        ([Item(itemName="x")], b'[{"itemName":"x","sizes":[]}]'),
        (10**25, b"10000000000000000000000000"),
    ],
)
def test_values_as_json_has_them(value: Any, body: bytes) -> None:
    assert to_json(value) == body


@pytest.mark.parametrize(
    "value",
    [float("nan"), [float("-inf")], {"a": ({"b": float("nan")},)}, object(), b"raw", bytearray(b"raw"), "\ud800"],
    ids=["nan", "inf", "deep nan", "object", "bytes", "bytearray", "surrogate"],
)
def test_values_that_json_has_not(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        to_json(value)


def test_a_cycle_ends() -> None:
    around: dict[str, Any] = {}
    around["self"] = around
    with pytest.raises(RecursionError):
        to_json(around)
