"""Results in documents: values spliced in as the bytes they are, artifacts described (contract, section 4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from accepted.contract.lifecycle import step
from accepted.contract.operation import Artifact, Operation, Result
from accepted.contract.wire import encode, links, result_document, result_url
from tests.contract.given import WARNED, after, complete, op_id, processing

URL = f"/operations/{op_id()}/result"
TAIL = b'"url":"' + URL.encode() + b'"}'
WARNINGS = b'"warnings":[{"code":"MISSING_DATA","message":"2 rows have no email.","affectedRecords":2}]'


def ended(result: Result, **members: Any) -> Operation:
    before = processing()
    return step(before, complete(before, result=result, **members), after(3000))


def shown(result: Result, **members: Any) -> bytes:
    return encode(result_document(ended(result, **members), ""))


@pytest.mark.parametrize(
    "value",
    [b"3", b"3.0", b"1e400", b"null", b"true", b'"text"', b"[1, 2]", b'"{"', b"12345678901234567890123456789", b"[]"],
)
def test_any_value_but_an_object_stands_under_value(value: bytes) -> None:
    assert shown(Result(msgspec.Raw(value))) == b'{"value":' + value + b"," + TAIL


@pytest.mark.parametrize(
    "members",
    [b'"rows":3', b'"b":1.0,"a":{"x": [ 1 ]}', b'"\\u00e9":1e5', b'"big":12345678901234567890123', b'"value":1'],
)
def test_an_object_gives_its_members_verbatim(members: bytes) -> None:
    spliced = shown(Result(msgspec.Raw(b"{" + members + b"}")))
    assert msgspec.json.decode(spliced) == msgspec.json.decode(b"{" + members + b"," + TAIL)
    for part in members.split(b":")[1:]:
        assert part.split(b",")[0].rstrip(b"}") in spliced


def test_an_empty_object_gives_the_url_alone() -> None:
    assert shown(Result(msgspec.Raw(b"{}"))) == b"{" + TAIL


def test_url_and_warnings_win_over_members_of_the_same_name() -> None:
    value = msgspec.Raw(b'{"url":"https://evil.example","a":1,"warnings":"none"}')
    assert shown(Result(value), report=WARNED) == b'{"url":"' + URL.encode() + b'","a":1,' + WARNINGS + b"}"


def test_without_warnings_a_member_of_that_name_is_the_users_own() -> None:
    assert shown(Result(msgspec.Raw(b'{"warnings":"none"}'))) == b'{"warnings":"none",' + TAIL


def test_its_own_resource_names_it_and_is_its_url() -> None:
    result = Result(msgspec.Raw(b'{"reportId":"mine","rows":3}'), None, "/reports/rpt-1", {"reportId": "rpt-1"})
    operation = ended(result)
    assert encode(result_document(operation, "/api")) == b'{"reportId":"rpt-1","rows":3,"url":"/api/reports/rpt-1"}'
    assert result_url(operation, "/api") == links(operation, "/api")["result"] == "/api/reports/rpt-1"


def test_an_artifact_is_described() -> None:
    artifact = Artifact("text/csv", 1234, "0" * 64, 1, "sales.csv", {"rows": 9, "url": "x", "size": 5})
    assert msgspec.json.decode(shown(Result(artifact=artifact), report=WARNED)) == {
        "size": 5,
        "mediaType": "text/csv",
        "rows": 9,
        "url": URL,
        "filename": "sales.csv",
        "warnings": [{"code": "MISSING_DATA", "message": "2 rows have no email.", "affectedRecords": 2}],
    }


def test_a_value_too_large_for_the_record_is_left_to_its_url() -> None:
    artifact = Artifact("application/json", 99_999, "0" * 64, 1, is_value=True)
    assert shown(Result(artifact=artifact)) == b"{" + TAIL
    assert shown(Result(artifact=artifact), report=WARNED) == b"{" + TAIL[:-1] + b"," + WARNINGS + b"}"


def test_an_operation_without_an_outcome_still_has_its_url() -> None:
    assert shown(Result()) == b"{" + TAIL
