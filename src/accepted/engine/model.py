"""Users' own types at the border: JSON in, a typed value for the function, JSON out.

msgspec does it for Structs, dataclasses, TypedDicts and plain types; pydantic does it for its own models, which are
found in `sys.modules` and never imported here. Errors become JSON pointers (RFC 6901).
"""

from __future__ import annotations

import json
import re
import sys
from inspect import isclass
from typing import Any, get_args

import msgspec

from ..contract.problem import InvalidRequest

_AT = re.compile(r"(?P<detail>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?", re.DOTALL)
_INDEX = re.compile(r"\[(\d+)\]")

ABSENT = object()
"""The input type of a function that takes none."""


class Model:
    """How values of one type are read from JSON.

    `schema` is its JSON Schema with `#/components/schemas/` references.
    """

    def __init__(self, type: Any) -> None:
        self.type = type
        self._pydantic = _is_pydantic(type)
        if self._pydantic:
            self._adapter = sys.modules["pydantic"].TypeAdapter(type)
        elif type is not ABSENT:
            self._decoder = msgspec.json.Decoder(type)

    def read(self, body: bytes) -> Any:
        """The typed value of strict JSON. Raises `InvalidRequest` with `errors` that name each place by a pointer."""
        if self.type is ABSENT:
            return None
        if self._pydantic:
            return self._read_pydantic(body)
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise InvalidRequest(_summary(1), errors=[_located(str(error), body)]) from None
        except (ValueError, TypeError, OverflowError) as error:  # what a model's own __post_init__ may say
            raise InvalidRequest(_summary(1), errors=[{"pointer": "", "detail": str(error)}]) from None

    def _read_pydantic(self, body: bytes) -> Any:
        try:
            return self._adapter.validate_json(body)
        except sys.modules["pydantic"].ValidationError as error:
            errors = [
                {"pointer": pointer(item["loc"]), "detail": item["msg"]}
                for item in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            raise InvalidRequest(_summary(len(errors)), errors=errors) from None

    def schema(self, *, output: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        """(schema, components) for OpenAPI; of what is read, or with `output` of what is written."""
        if self.type is ABSENT:
            return {}, {}
        template = "#/components/schemas/{name}"
        if self._pydantic:
            mode = "serialization" if output else "validation"
            schema = self._adapter.json_schema(ref_template="#/components/schemas/{model}", mode=mode)
            return schema, schema.pop("$defs", {})
        try:
            (schema,), components = msgspec.json.schema_components([self.type], ref_template=template)
        except TypeError:
            return {}, {}  # a type without a schema, such as a custom class: anything goes
        return schema, components


def pointer(steps: tuple[str | int, ...]) -> str:
    """A JSON pointer (RFC 6901) to the place that these member names and indexes lead to."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def to_json(value: Any) -> bytes:
    """A returned value as JSON.

    Raises TypeError or ValueError for what JSON cannot hold: NaN, cycles, raw bytes, sets of objects.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):  # inside of a model they are base64, as the model says
        raise TypeError("bytes have no JSON form; return an Artifact")
    plain = msgspec.to_builtins(value, enc_hook=_plain)
    _check_numbers(plain)
    return msgspec.json.encode(plain)


def _plain(value: Any) -> Any:
    if _is_pydantic(type(value)):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def _check_numbers(plain: Any) -> None:
    """msgspec writes NaN and Infinity as null; a result says what was returned or fails."""
    waiting = [plain]
    while waiting:
        value = waiting.pop()
        if isinstance(value, float):
            if value - value != 0:
                raise ValueError(f"{value} has no JSON form")
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)


def _located(message: str, body: bytes) -> dict[str, str]:
    match = _AT.fullmatch(message)
    assert match is not None  # the pattern matches any text
    return {"pointer": pointer(_steps(match["path"] or "", json.loads(body))), "detail": match["detail"]}


def _steps(path: str, value: Any) -> tuple[str | int, ...]:
    """A path of msgspec's as steps. It escapes no names, so the value tells where one ends; within a mapping it does
    not say which member it means, so there the steps end.
    """
    if isinstance(value, dict) and (names := [name for name in value if path.startswith(f".{name}")]):
        name = max(names, key=len)
        return name, *_steps(path[len(name) + 1 :], value[name])
    if isinstance(value, list) and (index := _INDEX.match(path)):
        return int(index[1]), *_steps(path[index.end() :], value[int(index[1])])
    return ()


def _summary(errors: int) -> str:
    return "The body does not fit what this operation takes." if errors == 1 else f"The body has {errors} errors."


def _is_pydantic(model: Any) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and _mentions(model, pydantic.BaseModel)


def _mentions(type: Any, wanted: type) -> bool:
    """Whether it is a `wanted` or made of some, as `list[Model]` and `A | B` are."""
    return (isclass(type) and issubclass(type, wanted)) or any(_mentions(part, wanted) for part in get_args(type))
