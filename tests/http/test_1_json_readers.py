"""Contract, section 1: the fast reader of bodies gives what the strict one gives, or leaves it to that."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from accepted.contract.problem import InvalidJson
from accepted.http import body

space = some.sampled_from(["", "", "", " ", "\n", "\t"])
text = some.sampled_from(['"a"', '"b"', '":"', '":x"', '" :"', '"x:y"', '"é"', '"\\u0061"', '""'])
scalar = text | some.sampled_from(["1", "-0", "2.5", "1e5", "1e999", "null", "true", "NaN", str(2**63), str(-(2**63))])


def members(inner: some.SearchStrategy[str]) -> some.SearchStrategy[str]:
    member = some.builds("{}{}{}:{}{}{}".format, space, text, space, space, inner, space)
    return some.builds("{{{}}}".format, some.lists(member, max_size=4).map(",".join))


def items(inner: some.SearchStrategy[str]) -> some.SearchStrategy[str]:
    return some.builds("[{}]".format, some.lists(inner, max_size=3).map(",".join))


documents = some.recursive(scalar, lambda inner: members(inner) | items(inner), max_leaves=12)
debris = some.lists(some.sampled_from([*'{}[]:", \n\\', '"a"', '"a":', '":', "1", "1.0"]), max_size=12).map("".join)


def read(reader: object, raw: bytes) -> str:
    assert callable(reader)
    try:
        return repr(reader(raw))
    except InvalidJson:
        return "refused"


@given((documents | debris).map(str.encode))
@example(b'{"a": 1, "a" : ":"}')
@example(b'{"a":":","a":1}')
def test_both_readers_agree(raw: bytes) -> None:
    assert read(body.parse, raw) == read(body._strict, raw)


@pytest.mark.parametrize(
    "raw", [b'{"a":{"b":1},"c":["x",2]}', b'{"at": "2017-01-01T00:00:00Z", "n": [1, 2.5, null]}', b"7"]
)
def test_ordinary_bodies_take_the_fast_one(raw: bytes) -> None:
    assert body._plain(raw) == body._strict(raw)
