"""What a function returns, made fit to be stored: values, artifacts, limits, ids (contract, section 4)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from accepted import Artifact
from accepted.contract.operation import Operation, Result, Status
from accepted.engine.execution import drive
from accepted.engine.registry import Registered
from accepted.engine.result import CHUNK, INLINE_LIMIT, InvalidResult, Limits, ResultTooLarge, store
from accepted.service import Service
from tests.engine.gate import PATIENCE
from tests.engine.stage import Stage, ended, submit

LIMITS = Limits(value=1_000_000, artifact=2_000_000)
ID = "op-" + "7" * 26


def operation() -> Operation:
    return Operation(
        id=ID, type="any", owner="o", status=Status.PROCESSING, created_at=1, updated_at=1, retention=1, cancel_grace=1,
        attempt=2,
    )  # fmt: skip


def anything() -> None: ...


class Kept:
    """Chunks as they are made durable."""

    def __init__(self) -> None:
        self.chunks: dict[int, bytes] = {}

    async def keep(self, number: int, data: bytes) -> None:
        assert number == len(self.chunks)
        self.chunks[number] = data

    @property
    def content(self) -> bytes:
        return b"".join(self.chunks.values())


async def stored(value: Any, *, limits: Limits = LIMITS, **options: Any) -> tuple[Result, Kept]:
    """On a loop, as for a coroutine."""
    kept = Kept()
    registered = Registered("/any", anything, **options)
    return await store(value, operation(), registered, limits, kept.keep), kept


# --- values


@pytest.mark.parametrize("value", [None, 0, "text", [1, {"a": None}], {"a": 1.5}, [], ""])
async def test_a_small_value_stays_in_the_record_as_it_is(value: object) -> None:
    result, kept = await stored(value)
    assert msgspec.json.decode(result.value) == value
    assert (result.artifact, kept.chunks) == (None, {})


async def test_a_large_value_is_kept_in_chunks_like_any_artifact() -> None:
    value = "x" * (CHUNK + 1)
    result, kept = await stored(value)
    assert result.artifact is not None
    assert (result.artifact.is_value, result.artifact.media_type) == (True, "application/json")
    assert (result.artifact.size, result.artifact.attempt) == (CHUNK + 3, 2)
    assert msgspec.json.decode(kept.content) == value
    assert result.artifact.digest == hashlib.sha256(kept.content).hexdigest()


@pytest.mark.parametrize(("extra", "inline"), [(-2, True), (-1, False)])
async def test_where_large_begins(extra: int, inline: bool) -> None:
    result, _ = await stored("x" * (INLINE_LIMIT + extra))
    assert (result.artifact is None) is inline


@pytest.mark.parametrize(("length", "fits"), [(98, True), (99, False)])
async def test_a_value_over_the_limit_is_refused(length: int, fits: bool) -> None:
    limits = Limits(value=100, artifact=0)
    if fits:
        await stored("x" * length, limits=limits)
    else:
        with pytest.raises(ResultTooLarge, match="101 bytes"):
            await stored("x" * length, limits=limits)


class Treacherous:
    """A value whose own methods fail."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


def circle() -> list[Any]:
    around: list[Any] = []
    around.append(around)
    return around


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        {"a": [float("inf")]},
        circle(),
        object(),
        Treacherous(),
        "\ud800",
        {"\udfff": 1},
        {(1, 2): 3},
        b"x",
    ],
    ids=["nan", "inf", "cycle", "object", "treacherous", "surrogate", "surrogate member", "tuple member", "bytes"],
)
async def test_a_value_that_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidResult):
        await stored(value)


# --- artifacts


def parts() -> Iterator[Any]:
    yield b""
    yield b"ab" * 200_000
    yield bytearray(b"c")
    yield memoryview(b"d")


async def parts_async() -> AsyncIterator[Any]:
    for part in parts():
        await asyncio.sleep(0)
        yield part


WHOLE = b"ab" * 200_000 + b"cd"


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "memoryview", "path", "str", "iterator", "list", "async"])
async def test_an_artifact_of_any_source_in_chunks_of_one_size(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "whole.bin"
    path.write_bytes(WHOLE)
    sources: dict[str, Any] = {
        "bytes": WHOLE, "bytearray": bytearray(WHOLE), "memoryview": memoryview(WHOLE), "path": path, "str": str(path),
        "iterator": parts(), "list": [WHOLE[:7], WHOLE[7:]], "async": parts_async(),
    }  # fmt: skip
    result, kept = await stored(Artifact(sources[kind], media_type="text/csv", rows=2))
    assert kept.content == WHOLE
    assert [len(chunk) for chunk in kept.chunks.values()] == [CHUNK, len(WHOLE) - CHUNK]
    artifact = result.artifact
    assert artifact is not None
    assert (artifact.size, artifact.digest) == (len(WHOLE), hashlib.sha256(WHOLE).hexdigest())
    assert (artifact.media_type, artifact.details, artifact.is_value) == ("text/csv", {"rows": 2}, False)
    assert artifact.filename == ("whole.bin" if kind in {"path", "str"} else None)


async def test_in_a_thread_it_is_read_without_any_loop() -> None:
    kept = Kept()
    making = store(Artifact(parts()), operation(), Registered("/any", anything), LIMITS, kept.keep)
    result = await asyncio.to_thread(drive, making)
    assert result.artifact is not None
    assert kept.content == WHOLE


async def test_an_empty_artifact_is_one() -> None:
    result, kept = await stored(Artifact(b""))
    assert result.artifact is not None
    assert (result.artifact.size, kept.chunks) == (0, {})


async def test_a_source_without_end_is_cut_off_at_the_limit() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(CHUNK)

    with pytest.raises(ResultTooLarge, match="2000000 bytes"):
        await stored(Artifact(endless()))
    assert taken <= 2_000_000 // CHUNK + 2


@pytest.mark.parametrize(
    "source", [7, None, ["text"], [b"a", 1], object()], ids=["int", "none", "texts", "mixed", "object"]
)
async def test_a_source_that_gives_no_bytes_is_refused(source: Any) -> None:
    with pytest.raises(InvalidResult):
        await stored(Artifact(source))


async def test_a_file_that_is_not_there_fails_as_it_would_anywhere(stage: Stage) -> None:
    @stage.operation()
    def missing() -> Artifact:
        return Artifact("/nowhere/at/all.csv")

    operation = await ended(await stage.node(), "missing")
    assert operation.error is not None
    assert "FileNotFoundError" in operation.error.detail


async def test_details_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(InvalidResult):
        await stored(Artifact(b"x", rows=float("nan")))


@pytest.mark.parametrize("text", ["text/csv\r\nX-Evil: 1", "téxt/csv", "a\0b"])
def test_a_media_type_is_one_line_of_ascii(text: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        Artifact(b"", media_type=text)


async def test_a_retry_leaves_no_chunks_of_the_attempt_before(stage: Stage) -> None:
    from accepted import Attempt
    from accepted.contract.policy import Backoff

    def broken(attempt: Attempt) -> Iterator[bytes]:
        yield bytes(CHUNK)
        if attempt.number == 1:
            raise ConnectionError
        yield b"end"

    @stage.operation(attempts=2, backoff=Backoff(0.0, 0.0))
    def again(attempt: Attempt) -> Artifact:
        return Artifact(broken(attempt))

    node = await stage.node()
    handle = await submit(node, "again")
    assert await handle.result(PATIENCE) == bytes(CHUNK) + b"end"
    assert [chunk async for chunk in node.store.chunks(handle.id, 1, 0)] == []


# --- the result's own resource


@pytest.mark.parametrize(
    ("value", "identity"),
    [({"total": 3}, "rpt-" + "7" * 26), ({"reportId": "mine-1"}, "mine-1"), ({"reportId": 17}, "17"), ([1], None)],
)
async def test_the_id_is_the_functions_own_or_minted(value: object, identity: str | None) -> None:
    identity = identity or "rpt-" + "7" * 26
    result, _ = await stored(value, result="/reports/{reportId}", result_id="rpt")
    assert (result.path, result.identity) == (f"/reports/{identity}", {"reportId": identity})


async def test_the_id_of_a_large_value_is_its_own_too() -> None:
    result, _ = await stored({"reportId": "mine", "rows": "x" * INLINE_LIMIT}, result="/reports/{reportId}")
    assert result.identity == {"reportId": "mine"}


async def test_the_id_of_an_artifact_is_in_its_details() -> None:
    result, _ = await stored(Artifact(b"x", reportId="mine"), result="/reports/{reportId}")
    assert result.path == "/reports/mine"


@pytest.mark.parametrize("identity", ["a/b", "a\nb", "x" * 201, "\ud800", "..", "."])
async def test_an_id_that_is_not_fit_for_a_path_is_refused(identity: str) -> None:
    with pytest.raises(InvalidResult):
        await stored({"reportId": identity}, result="/reports/{reportId}")


async def test_a_value_can_be_read_back_whatever_its_size(stage: Stage) -> None:
    @stage.operation()
    async def sized(number: int) -> str:
        return "é" * number

    node = await stage.node()
    for number in (1, INLINE_LIMIT, CHUNK + 1):
        assert await (await submit(node, "sized", number)).result(PATIENCE) == "é" * number


async def test_any_range_of_an_artifact_can_be_read(stage: Stage) -> None:
    content = bytes(range(256)) * 3_000  # almost three chunks

    @stage.operation()
    async def ranged() -> Artifact:
        return Artifact(content)

    node = await stage.node()
    operation = await ended(node, "ranged")
    assert operation.result is not None
    artifact = operation.result.artifact
    assert artifact is not None
    for start, stop in ((0, 1), (0, len(content)), (CHUNK - 1, CHUNK + 1), (CHUNK, 2 * CHUNK), (700_001, 700_001)):
        parts = [part async for part in Service(node).content(operation, artifact, start, stop)]
        assert b"".join(parts) == content[start:stop]
