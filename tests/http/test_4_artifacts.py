"""Contract, section 4: artifacts, their headers, ranges (RFC 9110, section 14) and limits."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from accepted import Artifact
from tests.http.api import Api, Document, problem
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start

TEN = b"0123456789"
LARGE = bytes(range(256)) * 4096  # 1 MiB: four chunks
CHUNK = 256 * 1024


async def serve(make_app: MakeApp, start: Start, artifact: Any, **settings: Any) -> tuple[Api, Document]:
    """Run an operation that returns `artifact()`: a client, and the terminal document."""
    app = make_app(**settings)

    @app.operation("/artifacts")
    async def returned() -> Artifact:
        made: Artifact = artifact()
        return made

    @app.operation("/artifacts/threads")
    def returned_by_a_thread() -> Artifact:
        made: Artifact = artifact()
        return made

    api = await start(app)
    both = [await api.run(path) for path in ("/artifacts", "/artifacts/threads")]
    assert both[0].get("status") == both[1].get("status")
    return api, both[0]


@pytest.fixture
async def ten(make_app: MakeApp, start: Start) -> tuple[Api, str]:
    """A client, and the URL of an artifact of ten digits."""
    api, done = await serve(make_app, start, lambda: Artifact(TEN, media_type="text/plain"))
    return api, done["result"]["url"]


async def test_an_artifact_has_its_media_type_length_name_and_etag(make_app: MakeApp, start: Start) -> None:
    api, done = await serve(
        make_app, start, lambda: Artifact(TEN, media_type="application/pdf", filename="sales.pdf", pages=3)
    )
    url = done["result"]["url"]
    told = {"url": url, "size": 10, "mediaType": "application/pdf", "filename": "sales.pdf", "pages": 3}
    assert done["result"] == told
    answer = await api.get(url)
    assert (answer.status_code, answer.content) == (200, TEN)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-length"] == "10"
    assert answer.headers["content-disposition"] == 'attachment; filename="sales.pdf"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r'"[^"]+"', answer.headers["etag"])


def blocks() -> Iterator[bytes]:
    """Parts of all sizes, empty ones too."""
    position = 0
    for size in (1, 0, CHUNK, 7, 3 * CHUNK, len(LARGE)):
        yield LARGE[position : position + size]
        position += size


async def async_blocks() -> AsyncIterator[bytes]:
    for block in blocks():
        yield block


@pytest.mark.parametrize(
    "source",
    [
        lambda: LARGE,
        lambda: bytearray(LARGE),
        lambda: memoryview(LARGE),
        blocks,
        async_blocks,
        lambda: [LARGE[:5], LARGE[5:]],
    ],
    ids=["bytes", "bytearray", "memoryview", "generator", "async generator", "list"],
)
async def test_an_artifact_may_come_from_many_sources(make_app: MakeApp, start: Start, source: Any) -> None:
    api, done = await serve(make_app, start, lambda: Artifact(source()))
    assert done["result"]["size"] == len(LARGE)
    assert (await api.get(done["result"]["url"])).content == LARGE


@pytest.mark.parametrize("kind", [str, Path])
async def test_an_artifact_may_be_a_file_whose_name_it_takes(
    make_app: MakeApp, start: Start, tmp_path: Path, kind: Any
) -> None:
    file = tmp_path / "r\xe9sum\xe9.csv"
    file.write_bytes(LARGE)
    api, done = await serve(make_app, start, lambda: Artifact(kind(file)))
    file.unlink()
    assert done["result"]["filename"] == "r\xe9sum\xe9.csv"
    assert (await api.get(done["result"]["url"])).content == LARGE


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1])
async def test_an_artifact_may_have_any_size(make_app: MakeApp, start: Start, size: int) -> None:
    api, done = await serve(make_app, start, lambda: Artifact(LARGE[:size]))
    answer = await api.get(done["result"]["url"])
    assert (done["result"]["size"], answer.content) == (size, LARGE[:size])
    assert answer.headers["content-length"] == str(size)


async def test_an_artifact_over_the_limit_fails_the_operation(make_app: MakeApp, start: Start) -> None:
    _, done = await serve(make_app, start, lambda: Artifact(blocks()), artifact_limit="512KiB")
    assert done["error"]["type"] == "/problems/result-too-large"


@pytest.mark.parametrize("source", [7, None, ["text"], object()])
async def test_what_is_no_source_of_bytes_fails_the_operation(make_app: MakeApp, start: Start, source: Any) -> None:
    _, done = await serve(make_app, start, lambda: Artifact(source))
    assert done["error"]["type"] == "/problems/invalid-result"


async def test_a_source_that_fails_midway_fails_the_operation(make_app: MakeApp, start: Start) -> None:
    def broken() -> Iterator[bytes]:
        yield LARGE
        raise OSError("the disk is gone")

    api, done = await serve(make_app, start, lambda: Artifact(broken()))
    assert (done["status"], done["error"]["type"]) == ("FAILED", "/problems/operation-failed")
    assert "the disk is gone" in done["error"]["detail"]
    problem(await api.get(f"/operations/{done['operationId']}/result"), 404, "no-result")


HOSTILE = [
    'a"b.txt',
    "a\\b.txt",
    "a\r\nSet-Cookie: x=1.txt",
    "../../etc/passwd",
    "a;b=c.txt",
    "\u202etxt.exe",
    "\u65e5\u672c.pdf",
    "100%.txt",
    "",
    "a'b.txt",
    "x" * 1000,
    "\x00.txt",
    "\U0001f600.txt",
]


DISPOSITION = re.compile(
    r"""attachment; filename="([ !#-$&-\[\]-~]*)"(?:; filename\*=UTF-8''([\w.%~!#$&+^`|-]*))?""", re.ASCII
)


@pytest.mark.parametrize("name", HOSTILE)
async def test_content_disposition_is_safe_for_any_file_name(make_app: MakeApp, start: Start, name: str) -> None:
    api, done = await serve(make_app, start, lambda: Artifact(TEN, filename=name))
    assert done["status"] == "COMPLETED", done
    header = (await api.get(done["result"]["url"])).headers["content-disposition"]
    match = DISPOSITION.fullmatch(header)
    assert match is not None, header
    assert unquote(match[2]) == name if match[2] is not None else match[1] == name


async def test_a_file_name_that_no_text_can_hold_fails_the_operation(make_app: MakeApp, start: Start) -> None:
    api, done = await serve(make_app, start, lambda: Artifact(TEN, filename="\udcff.txt"))
    assert done["error"]["type"] == "/problems/invalid-result"
    assert (await api.run("/noops"))["status"] == "COMPLETED"


async def test_an_artifact_is_sandboxed_where_a_browser_shows_it(ten: tuple[Api, str]) -> None:
    api, url = ten
    assert "sandbox" in (await api.get(url)).headers["content-security-policy"]


# --- ranges


@pytest.mark.parametrize(
    ("asked", "part", "told"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-5", b"2345", "bytes 2-5/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=0-", TEN, "bytes 0-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-10", TEN, "bytes 0-9/10"),
        ("bytes=-99", TEN, "bytes 0-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
    ],
)
async def test_a_range_gives_206_with_that_part(ten: tuple[Api, str], asked: str, part: bytes, told: str) -> None:
    api, url = ten
    answer = await api.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["content-range"] == told
    assert answer.headers["content-length"] == str(len(part))
    assert answer.headers["etag"] == (await api.get(url)).headers["etag"]


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=99-100", "bytes=-0", "bytes=" + "9" * 30 + "-"])
async def test_a_range_outside_is_416_with_the_size(ten: tuple[Api, str], asked: str) -> None:
    api, url = ten
    answer = await api.get(url, headers={"Range": asked})
    problem(answer, 416, "range-not-satisfiable")
    assert answer.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,3-4", "bytes=5-2", "bytes=-", "bytes=a-b", "bytes", "items=0-1", "", "bytes=0-1-2", "bytes=1"]
)
async def test_several_ranges_or_none_that_is_understood_give_all_of_it(ten: tuple[Api, str], asked: str) -> None:
    api, url = ten
    answer = await api.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, TEN)
    assert "content-range" not in answer.headers


async def test_if_range_gives_the_part_only_of_the_same_version(ten: tuple[Api, str]) -> None:
    api, url = ten
    tag = (await api.get(url)).headers["etag"]
    asked = {"Range": "bytes=0-0"}
    assert (await api.get(url, headers=asked | {"If-Range": tag})).status_code == 206
    for other in ('"x"', f"W/{tag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        answer = await api.get(url, headers=asked | {"If-Range": other})
        assert (answer.status_code, answer.content) == (200, TEN)


async def test_if_none_match_comes_before_range(ten: tuple[Api, str]) -> None:
    api, url = ten
    tag = (await api.get(url)).headers["etag"]
    answer = await api.get(url, headers={"If-None-Match": tag, "Range": "bytes=0-0"})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0, CHUNK - 1),
        (CHUNK, CHUNK),
        (CHUNK - 1, CHUNK),
        (1, len(LARGE) - 2),
        (3 * CHUNK, len(LARGE) - 1),
        (5, 2 * CHUNK),
    ],
)
async def test_a_range_may_cross_chunks(make_app: MakeApp, start: Start, first: int, last: int) -> None:
    api, done = await serve(make_app, start, lambda: Artifact(LARGE))
    answer = await api.get(done["result"]["url"], headers={"Range": f"bytes={first}-{last}"})
    assert answer.content == LARGE[first : last + 1]


async def test_a_large_value_has_ranges_too(api: Api) -> None:
    url = (await api.run("/echoes", "x" * 20_000))["result"]["url"]
    answer = await api.get(url, headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (206, b'"x')


async def test_head_of_an_artifact_is_get_without_the_body_and_knows_no_ranges(ten: tuple[Api, str]) -> None:
    api, url = ten
    got, head = await Exchange("GET", url).through(api.app), await Exchange("HEAD", url).through(api.app)
    assert (head.status, head.headers, head.body) == (200, got.headers, b"")
    ranged = await Exchange("HEAD", url, headers={"range": "bytes=0-0"}).through(api.app)  # RFC 9110, section 14.2
    assert (ranged.status, ranged.headers["content-length"]) == (200, "10")


async def test_an_artifact_survives_a_restart(make_app: MakeApp, start: Start) -> None:
    api, done = await serve(make_app, start, lambda: Artifact(LARGE))
    await api.app.stop()
    assert (await (await start(make_app())).get(f"/operations/{done['operationId']}/result")).content == LARGE
