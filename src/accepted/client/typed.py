"""Users' types at the client's border: what they submit as JSON, and results as the type they ask for.

msgspec does it for Structs, dataclasses, TypedDicts and plain types; pydantic for its own models, which are found in
`sys.modules` and never imported here.
"""

from __future__ import annotations

import sys
from inspect import isclass
from typing import Any, get_args

import msgspec


def to_json(value: Any) -> bytes:
    """The value as JSON. Raises TypeError for what JSON cannot hold."""
    return msgspec.json.encode(value, enc_hook=_plain)


def from_json(body: bytes, type: Any) -> Any:
    """The value as `type` (None: plain Python values). Raises ValueError or TypeError where it does not fit."""
    if type is None:
        return msgspec.json.decode(body)
    if _is_pydantic(type):
        return sys.modules["pydantic"].TypeAdapter(type).validate_json(body)
    return msgspec.json.decode(body, type=type)


def _plain(value: Any) -> Any:
    if _is_pydantic(type(value)):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def _is_pydantic(type: Any) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and _mentions(type, pydantic.BaseModel)


def _mentions(type: Any, wanted: type) -> bool:
    """Whether it is a `wanted` or made of some, as `list[Model]` and `A | B` are."""
    return (isclass(type) and issubclass(type, wanted)) or any(_mentions(part, wanted) for part in get_args(type))
