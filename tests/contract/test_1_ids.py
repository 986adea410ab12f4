"""Ids: `op-` and 26 digits of a UUIDv7, in the order of time; and nothing else passes for one (contract, section 1)."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accepted.contract.operation import is_operation_id, operation_id, renamed

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"

moments = st.integers(0, (1 << 48) - 1)
entropies = st.integers(0, (1 << 80) - 1)


def uuid_of(id: str) -> uuid.UUID:
    number = 0
    for digit in id.removeprefix("op-"):
        number = number * 32 + DIGITS.index(digit)
    return uuid.UUID(int=number)


@given(moments, entropies)
def test_an_id_is_a_uuid_of_version_7_in_26_digits(at: int, entropy: int) -> None:
    id = operation_id(at, entropy)
    assert re.fullmatch(r"op-[0-7][0-9a-hjkmnp-tv-z]{25}", id)
    assert is_operation_id(id)
    assert (uuid_of(id).version, uuid_of(id).variant) == (7, uuid.RFC_4122)
    assert uuid_of(id).int >> 80 == at


@given(moments, moments, entropies, entropies)
def test_ids_sort_by_time(one: int, other: int, entropy: int, another: int) -> None:
    if one != other:
        assert (operation_id(one, entropy) < operation_id(other, another)) == (one < other)


@given(moments, entropies, entropies)
def test_74_bits_tell_ids_of_one_moment_apart(at: int, one: int, other: int) -> None:
    mask = (1 << 74) - 1
    assert (operation_id(at, one) == operation_id(at, other)) == (one & mask == other & mask)


def test_a_job_has_the_same_digits() -> None:
    id = operation_id(1_767_225_600_000, 1)
    assert renamed(id, "job") == "job-" + id[3:]
    assert renamed(renamed(id, "job"), "op") == id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "op-",
        "op-" + "0" * 25,
        "op-" + "0" * 27,
        "op-" + "0" * 26 + "\n",
        "\nop-" + "0" * 25,
        "OP-" + "0" * 26,
        "op-" + "A" * 26,
        "op_" + "0" * 26,
        "job-" + "0" * 26,
        "job-" + "0" * 25,
        "0" * 29,
        *("op-" + "0" * 25 + letter for letter in "ilou-_.~%/\\'\";\0 \t"),
        "op-../../../../../etc/passwd0",
        "op-" + "\u0660" * 26,
        "op-" + "\uff10" * 26,
        "op-" + "\ud800" * 26,
        "\uff4f\uff50-" + "0" * 26,
        "op-%30%30%30%30%30%30%30%3000",
    ],
)
def test_nothing_else_passes_for_an_id(text: str) -> None:
    assert not is_operation_id(text)


@given(st.text(max_size=40))
def test_any_text_is_judged_by_its_form_alone(text: str) -> None:
    assert is_operation_id(text) == (re.fullmatch(r"op-[0-9a-hjkmnp-tv-z]{26}", text) is not None)
