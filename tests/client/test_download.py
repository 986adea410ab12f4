"""Results brought into files over connections that break (contract, section 4; RFC 9110, sections 13.1.5 and 14)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accepted import Accepted, Artifact, AsyncClient
from accepted.client import OperationFailed, Unreachable
from accepted.client.fetching import safe_name
from accepted.client.step import Answer
from tests.client.breaking import Breaking, results
from tests.client.conftest import no_time
from tests.client.script import Script, answer

CONTENT = os.urandom(200_000)


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Accepted]:
    """An app whose operation returns a file."""
    app = Accepted(database=f"sqlite:///{tmp_path}/files.db", drain_timeout=0.5)

    @app.operation("/files")
    async def file(filename: str) -> Artifact:
        return Artifact(CONTENT, media_type="application/pdf", filename=filename)

    @app.operation("/failures")
    async def failing() -> None:
        raise ValueError("no")

    async with app:
        yield app


def left(folder: Path) -> list[str]:
    """What there is of the file, and of its parts."""
    return [each.name for each in folder.glob("x.pdf*")]


async def ordered(app: Accepted, filename: str = "r.pdf") -> str:
    async with AsyncClient(app=app) as client:
        operation = await client.submit("/files", filename)
        await operation.wait()
        return operation.id


async def test_progress_goes_up_to_the_whole(files: Accepted, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    async with AsyncClient(app=files) as client:
        operation = await client.submit("/files", "r.pdf")
        path = await operation.download(tmp_path / "x.pdf", progress=lambda there, of: seen.append((there, of)))
    assert path.read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == ((0, 200_000), (200_000, 200_000))
    assert left(tmp_path) == ["x.pdf"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 150_000), max_size=6))
async def test_what_breaks_off_goes_on_where_it_was(files: Accepted, tmp_path: Path, cuts: list[int]) -> None:
    id = await ordered(files)
    way = Breaking(files, cuts, results)
    async with AsyncClient(transport=way, sleep=no_time) as client:
        path = await client.operation(id).download(tmp_path / "x.pdf")
    assert path.read_bytes() == CONTENT
    starts = [int(asked.headers.get("range", "bytes=0-")[6:-1]) for asked in way.asked if results(asked)]
    there = 0
    for start, cut in zip(starts, [*cuts, 0], strict=False):
        assert start == there
        there += cut


async def test_another_process_goes_on(files: Accepted, tmp_path: Path) -> None:
    id = await ordered(files)
    async with AsyncClient(transport=Breaking(files, [70_000], results), patience=0) as client:
        with pytest.raises(Unreachable):
            await client.operation(id).download(tmp_path / "x.pdf")
    assert not (tmp_path / "x.pdf").exists()
    way = Breaking(files, [], results)
    async with AsyncClient(transport=way) as client:
        assert (await client.operation(id).download(tmp_path / "x.pdf")).read_bytes() == CONTENT
    assert way.asked[-1].headers["range"] == "bytes=70000-"


async def test_a_part_of_another_version_is_not_mixed_in(files: Accepted, tmp_path: Path) -> None:
    (tmp_path / "x.pdf.000000000000.part").write_bytes(b"something else")
    async with AsyncClient(app=files) as client:
        path = await client.operation(await ordered(files)).download(tmp_path / "x.pdf")
    assert path.read_bytes() == CONTENT


async def test_a_failure_leaves_no_file(files: Accepted, tmp_path: Path) -> None:
    async with AsyncClient(app=files) as client:
        operation = await client.submit("/failures")
        with pytest.raises(OperationFailed):
            await operation.download(tmp_path / "x.pdf")
    assert left(tmp_path) == []


async def test_into_a_folder_under_the_servers_name(files: Accepted, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    async with AsyncClient(app=files) as client:
        operation = client.operation(await ordered(files, "../../ümlaut report.pdf"))
        assert await operation.download(folder) == folder / "ümlaut report.pdf"
        with pytest.raises(FileExistsError):
            await operation.download(folder)


def part(status: int, **headers: str) -> Answer:
    return answer(status, content_type="application/pdf", **headers)


@pytest.mark.parametrize(
    ("again", "rest"),
    [
        (part(206, etag='"1"', content_range="bytes 3-5/6", content_length="3"), b"def"),
        (part(200, etag='"2"', content_length="6"), b"ABCDEF"),
        (part(200, etag='"1"', content_length="6"), b"abcdef"),
    ],
    ids=["the rest", "another version", "a server without ranges"],
)
def test_the_rest_or_all_of_it(again: Answer, rest: bytes, tmp_path: Path) -> None:
    done = answer(303, {"operationId": "op-1", "status": "COMPLETED", "result": {"url": "/r"}})
    script = Script(answer(405), done, part(200, etag='"1"', content_length="6"), b"abc", b"", again, rest)
    path = script.run(lambda said: said.download(said.site.place("op-1"), tmp_path / "x", None))
    assert path.read_bytes() == (b"abcdef" if rest != b"ABCDEF" else rest)
    assert (script.asked[-1].headers["range"], script.asked[-1].headers["if-range"]) == ("bytes=3-", '"1"')


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ('attachment; filename="r.pdf"', "r.pdf"),
        ("attachment; filename*=UTF-8''%C3%BC.pdf", "ü.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename*=UTF-8''..%2F..%2F.bashrc", "bashrc"),
        ('attachment; filename="C:\\\\x\\\\y.exe"', "y.exe"),
        ("attachment; filename*=UTF-8''%1b%5B2Jx%0a.pdf", "__2Jx_.pdf"),
        ('attachment; filename=".."', ""),
        ("attachment; filename*=UTF-8''%E2%80%AEfdp.exe", "_fdp.exe"),
        ("", ""),
    ],
)
def test_a_servers_name_leads_nowhere_else(given: str, name: str) -> None:
    assert safe_name(given) == name
