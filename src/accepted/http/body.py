"""Request bodies: strict JSON, bounded (contract, section 1; safe defaults).

Python's and msgspec's readers are lenient where two readers of one body could come to different values: members that
repeat, NaN, lone surrogates, other encodings. Here nothing of that passes.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
from starlette.types import Receive

from ..contract.problem import BodyTooLarge, InvalidJson, InvalidRequest, Overloaded, UnsupportedMediaType

DEPTH_LIMIT = 64  # contract, section 1; the top level counts
MEMBER_LIMIT = 10_000  # safe defaults
REASON_LIMIT = 1000  # characters of the reason for a cancel
_INTEGER_LIMIT = 2**63
_BRACKETS = (b"{", b"[")
_SPACED_COLONS = (b" :", b"\t:", b"\n:", b"\r:")


async def read(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
    """The whole body. Raises `BodyTooLarge`, if possible before it is sent."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
        raise BodyTooLarge(f"The limit is {limit} bytes.")
    message = await receive()
    body: bytes = message.get("body", b"")
    parts = [body]
    size = len(body)
    while message.get("more_body", False):
        if size > limit:
            raise BodyTooLarge(f"The limit is {limit} bytes.")
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if message["type"] == "http.disconnect":
        raise Overloaded("The client has gone.")
    if size > limit:
        raise BodyTooLarge(f"The limit is {limit} bytes.")
    return body if len(parts) == 1 else b"".join(parts)


def check_type(headers: dict[bytes, bytes]) -> None:
    """Raises `UnsupportedMediaType` for anything but JSON in UTF-8."""
    declared = headers.get(b"content-type", b"").decode("latin-1")
    media, _, parameters = declared.partition(";")
    charset = parameters.replace(" ", "").lower()
    if media.strip().lower() != "application/json" or charset not in {"", "charset=utf-8", 'charset="utf-8"'}:
        raise UnsupportedMediaType(f"Send application/json, not {declared or 'a body without a type'}.")


def parse(body: bytes) -> Any:
    """The value of strict JSON. Raises `InvalidJson`, saying what and where."""
    try:
        return _plain(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _strict(body)


_decode = msgspec.json.Decoder().decode


def _plain(body: bytes) -> Any:
    """The value of a body in which nothing can hide that msgspec would let pass; it reads several times as fast.

    Without escapes there are no surrogates, and every quote begins or ends a string. So where no space stands before a
    colon, each member that was written shows as `":`: if there are no more of those than members in the value, none
    was written twice. Raises ValueError where anything is in doubt.
    """
    members = body.count(b'":')
    spaced = body.count(b":") != members and any(colon in body for colon in _SPACED_COLONS)
    deep = body.count(b"{") + body.count(b"[") > DEPTH_LIMIT
    if spaced or deep or members > MEMBER_LIMIT or b"\\" in body:
        raise ValueError("doubtful")
    value = _decode(body)
    if _count_members(value) != members:
        raise ValueError("doubtful")
    return value


def _count_members(value: Any) -> int:
    kind = type(value)
    if kind is str:
        return 0
    if kind is dict:
        return len(value) + sum(map(_count_members, value.values()))
    if kind is list:
        return sum(map(_count_members, value))
    if kind is int and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        raise ValueError("doubtful")
    return 0


def _strict(body: bytes) -> Any:
    try:
        value = _decoder.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidJson(f"The body is not UTF-8 at byte {error.start}.") from None
    except json.JSONDecodeError as error:
        raise InvalidJson(f"{error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise InvalidJson(f"The body nests deeper than {DEPTH_LIMIT} levels.") from None
    if b"\\u" in body:
        _check_surrogates(value)
    if sum(map(body.count, _BRACKETS)) > DEPTH_LIMIT or body.count(b":") > MEMBER_LIMIT:
        _check_extent(value)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidJson(f"The member {json.dumps(twice)[:100]} is there twice.")
    return members


def _constant(name: str) -> Any:
    raise InvalidJson(f"{name} is not JSON.")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -_INTEGER_LIMIT <= (number := int(digits)) < _INTEGER_LIMIT:
        raise InvalidJson("An integer lies outside of 64 bits.")
    return number


_decoder = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant, parse_int=_integer)


def reason(value: dict[str, Any]) -> str | None:
    """The `reason` of a cancel. Raises `InvalidRequest`."""
    given = value.get("reason")
    if given is not None and (not isinstance(given, str) or len(given) > REASON_LIMIT):
        detail = f"a text of at most {REASON_LIMIT} characters"
        raise InvalidRequest("The reason does not fit.", errors=[{"pointer": "/reason", "detail": detail}])
    return given.replace("\0", "\N{REPLACEMENT CHARACTER}") if given else None


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidJson("A string holds a lone surrogate.") from None
    except RecursionError:
        raise InvalidJson(f"The body nests deeper than {DEPTH_LIMIT} levels.") from None


def _check_extent(value: Any) -> None:
    level, depth, members = [value], 0, 0
    while level := [item for item in level if isinstance(item, (dict, list))]:
        depth += 1
        if depth > DEPTH_LIMIT:
            raise InvalidJson(f"The body nests deeper than {DEPTH_LIMIT} levels.")
        members += sum(len(item) for item in level if isinstance(item, dict))
        if members > MEMBER_LIMIT:
            raise InvalidJson(f"The body has more than {MEMBER_LIMIT} members.")
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]


def fingerprint(value: Any) -> str:
    """A digest that is the same for equal JSON values, however they were written: order of members, spaces, 1 and
    1.0.
    """
    canonical = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _canonical(member) for name, member in value.items()}
        case list():
            return [_canonical(item) for item in value]
    return value
