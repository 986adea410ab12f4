"""Contract, section 1: bodies are strict JSON, of the right type and size; nothing is stored for any other."""

from collections.abc import AsyncIterator

import pytest

from tests.http.api import Api, problem
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start

JSON = {"Content-Type": "application/json"}
LIMIT = 1 << 20

REFUSED = {
    "empty": b"",
    "only space": b" \n ",
    "NaN": b"NaN",
    "NaN inside": b'{"a": [NaN]}',
    "Infinity": b"[Infinity]",
    "-Infinity": b"[-Infinity]",
    "a member twice": b'{"a": 1, "a": 2}',
    "a member twice with one value": b'{"a": 1, "a": 1}',
    "a member twice, nested": b'[{"x": {"a": 1, "b": 2, "a": 3}}]',
    "a member twice, by an escape": b'{"a": 1, "\\u0061": 2}',
    "a member twice, by an escaped solidus": b'{"a/b": 1, "a\\/b": 2}',
    "the empty member twice": b'{"": 1, "": 2}',
    "a lone high surrogate": b'"\\ud800"',
    "a lone low surrogate": b'["\\udc00"]',
    "surrogates in the wrong order": b'"\\udc00\\ud800"',
    "a lone surrogate in a name": b'{"\\uD83D": 1}',
    "a lone surrogate deep inside": b'[[{"a": ["x\\ud83dy"]}]]',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "UTF-32": '{"a": 1}'.encode("utf-32-be"),
    "Latin-1": b'"gr\xfcn"',
    "an overlong encoding": b'"\xc0\xaf"',
    "a cut off character": b'"\xe2\x82"',
    "beyond Unicode": b'"\xf4\x90\x80\x80"',
    "an integer over 64 bits": b"9223372036854775808",
    "an integer under 64 bits": b"-9223372036854775809",
    "an integer of 5,000 digits": b"1" * 5000,
    "a control character": b'"a\nb"',
    "a NUL": b'"a\0b"',
    "a NUL around": b"{}\0",
    "an escape that is none": b'"\\x41"',
    "a cut off escape": b'"\\u12"',
    "garbage behind": b"{} x",
    "a second value": b"{}{}",
    "a comma at the end": b"[1,]",
    "a comma at the end of an object": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "a name without quotes": b"{a: 1}",
    "a comment": b"{} // x",
    "a leading zero": b"01",
    "a leading plus": b"+1",
    "no digit behind the point": b"1.",
    "no digit before the point": b".5",
    "hexadecimal": b"0x10",
    "True": b"True",
    "cut off": b'{"a": [1, 2',
    "a closing bracket": b"]",
    "no-break space": b"\xc2\xa0{}",
    "65 arrays": b"[" * 65 + b"]" * 65,
    "65 objects": b'{"a":' * 64 + b"{}" + b"}" * 64,
    "65 of both": b'[{"a":' * 32 + b"[]" + b"}]" * 32,
    "65 with much beside": b"[" * 64 + b"1,[2]" + b"]" * 64,
    "100,000 arrays": b"[" * 100_000 + b"]" * 100_000,
    "100,000 arrays that never end": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
}

ACCEPTED = {
    "64 arrays": b"[" * 64 + b"]" * 64,
    "64 objects": b'{"a":' * 63 + b"{}" + b"}" * 63,
    "64 of both": b'[{"a":' * 32 + b"1" + b"}]" * 32,
    "brackets in a string": b'"' + b"[" * 1000 + b'"',
    "many side by side": b"[" + b",".join([b"[{}]"] * 1000) + b"]",
    "minus zero": b"-0",
    "minus zero with a point": b"-0.0",
    "the greatest integer": b"9223372036854775807",
    "the least integer": b"-9223372036854775808",
    "a very small number": b"1e-400",
    "a pair of surrogates": b'"\\ud83d\\ude00"',
    "an escaped NUL": b'"\\u0000"',
    "a non-character": b'"\\uffff"',
    "any space around": b" \t\r\n{} \t\r\n",
    "a delete": b'"\x7f"',
    "the same name in two objects": b'[{"a": 1}, {"a": 1}]',
    "names that differ by case": b'{"a": 1, "A": 2}',
    "a scalar": b"true",
    "null": b"null",
}


@pytest.fixture
async def pure(idle: Api) -> AsyncIterator[Api]:
    """A client after whose requests nothing may be stored."""
    yield idle
    assert await idle.total() == 0


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_not_json_is_400_invalid_json(pure: Api, body: bytes) -> None:
    problem(await pure.post("/echoes", content=body, headers=JSON), 400, "invalid-json")


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_what_is_json_is_accepted(idle: Api, body: bytes) -> None:
    assert (await idle.post("/echoes", content=body, headers=JSON)).status_code == 202


async def test_a_number_beyond_all_floats_never_becomes_infinity(pure: Api) -> None:
    answer = await pure.post("/echoes", content=b'{"a": 1e999}', headers=JSON)
    assert answer.status_code in {400, 422}


async def test_the_detail_says_what_is_wrong_and_where(pure: Api) -> None:
    found = problem(await pure.post("/echoes", content=b'{\n "a": 1\n "b"}', headers=JSON), 400, "invalid-json")
    assert "line 3" in found["detail"]


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "application/jsonp",
        "application/problem+json",
        "application/json; charset=iso-8859-1",
        "application/json; charset=utf-16",
        "*/*",
        "",
    ],
)
async def test_what_is_not_application_json_is_415(pure: Api, media: str) -> None:
    answer = await pure.post("/echoes", content=b"{}", headers={"Content-Type": media})
    problem(answer, 415, "unsupported-media-type")


async def test_a_body_without_a_type_is_415(pure: Api) -> None:
    problem(await pure.post("/echoes", content=b"{}"), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "media",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json ; charset=UTF-8",
        'application/json; charset="utf-8"',
    ],
)
async def test_application_json_may_be_written_in_many_ways(idle: Api, media: str) -> None:
    answer = await idle.post("/echoes", content=b"{}", headers={"Content-Type": media})
    assert answer.status_code == 202


async def test_a_body_of_exactly_the_limit_is_accepted(idle: Api) -> None:
    body = b'"' + b"x" * (LIMIT - 2) + b'"'
    assert (await idle.post("/echoes", content=body, headers=JSON)).status_code == 202


async def test_a_body_over_the_limit_is_413(pure: Api) -> None:
    body = b'"' + b"x" * (LIMIT - 1) + b'"'
    problem(await pure.post("/echoes", content=body, headers=JSON), 413, "body-too-large")


async def test_a_body_over_the_limit_is_refused_by_its_content_length_before_it_comes(pure: Api) -> None:
    headers = {"content-type": "application/json", "content-length": str(LIMIT + 1)}
    sent = await Exchange("POST", "/echoes", headers=headers).through(pure.app)
    assert sent.status == 413


async def test_a_body_over_the_limit_is_refused_while_it_comes(pure: Api) -> None:
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"[" * 65536

    problem(await pure.post("/echoes", content=endless(), headers=JSON), 413, "body-too-large")
    assert asked <= LIMIT // 65536 + 2


async def test_a_content_length_of_nonsense_is_no_server_error(pure: Api) -> None:
    headers = {"content-type": "application/json", "content-length": "9" * 5000}
    sent = await Exchange("POST", "/echoes", headers=headers, body=b"{}").through(pure.app)
    assert sent.status == 413


async def test_the_limit_is_a_setting(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app(worker=False, body_limit="10B"))
    assert (await api.post("/echoes", content=b'"12345678"', headers=JSON)).status_code == 202
    problem(await api.post("/echoes", content=b'"123456789"', headers=JSON), 413, "body-too-large")


async def test_more_than_10_000_members_are_refused(pure: Api) -> None:
    body = "{" + ",".join(f'"{number}": 0' for number in range(10_001)) + "}"
    problem(await pure.post("/echoes", content=body.encode(), headers=JSON), 400, "invalid-json")
