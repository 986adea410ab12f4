"""What a function returned, made fit to be stored (contract, section 4).

A value becomes JSON: small ones stay in the record, large ones are kept in chunks like any artifact. An `Artifact` is
read as it is produced, chunk by chunk, on the function's own side of the house, and each chunk is durable before the
operation completes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ..contract import operation as record
from ..contract.operation import Operation, Result
from .artifact import Artifact
from .model import to_json
from .registry import Registered

INLINE_LIMIT = 16 * 1024  # contract, section 4
CHUNK = 256 * 1024

Keep = Callable[[int, bytes], Awaitable[None]]


class InvalidResult(Exception):
    """What was returned cannot be stored as a result."""


class ResultTooLarge(Exception):
    """What was returned is over a limit."""


class Limits(msgspec.Struct, frozen=True):
    """Bytes that a value and an artifact may have."""

    value: int
    artifact: int


async def store(value: Any, operation: Operation, registered: Registered, limits: Limits, keep: Keep) -> Result:
    """The result to complete with; `keep` makes one chunk durable. Raises `InvalidResult` or `ResultTooLarge`."""
    if isinstance(value, Artifact):
        return await _store_artifact(value, operation, registered, limits, keep)
    body = _encoded(value)
    if len(body) > limits.value:
        raise ResultTooLarge(f"The value has {len(body)} bytes of JSON; the limit is {limits.value}.")
    path, identity = _resource(registered, operation, {} if registered.result is None else _members(body))
    if len(body) <= INLINE_LIMIT:
        return Result(value=msgspec.Raw(body), path=path, identity=identity)
    parts = (body[start : start + CHUNK] for start in range(0, len(body), CHUNK))
    size, digest = await _keep_all(_each(parts), limits.value, keep)
    artifact = record.Artifact("application/json", size, digest, operation.attempt, is_value=True)
    return Result(artifact=artifact, path=path, identity=identity)


async def _store_artifact(
    value: Artifact, operation: Operation, registered: Registered, limits: Limits, keep: Keep
) -> Result:
    details = msgspec.json.decode(_encoded(value.details))
    path, identity = _resource(registered, operation, details)
    size, digest = await _keep_all(_chunks(value.source), limits.artifact, keep)
    artifact = record.Artifact(value.media_type, size, digest, operation.attempt, value.filename, details)
    return Result(artifact=artifact, path=path, identity=identity)


def _encoded(value: Any) -> bytes:
    try:
        return to_json(value)
    except RecursionError:
        raise InvalidResult("What was returned contains itself or nests too deeply.") from None
    except Exception as error:  # a value's own methods may raise whatever they like
        raise InvalidResult(f"What was returned has no JSON form: {_text(error)}") from None


def _text(error: Exception) -> str:
    try:
        return str(error)
    except Exception:
        return type(error).__name__


def _members(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body) if body[:1] == b"{" else {}


def _resource(
    registered: Registered, operation: Operation, members: dict[str, Any]
) -> tuple[str | None, dict[str, str]]:
    """The result's own path, under the id that the function brought or a minted one."""
    if registered.result is None:
        return None, {}
    member = registered.result_member()
    identity = str(members.get(member) or registered.minted(operation))
    if "/" in identity or identity in {".", ".."} or not identity.isprintable() or len(identity) > 200:
        raise InvalidResult(f"{member} is not fit for a path: {identity!r}")
    return registered.result_path(identity), {member: identity}


async def _keep_all(chunks: AsyncIterator[bytes], limit: int, keep: Keep) -> tuple[int, str]:
    size, digest, number = 0, hashlib.sha256(), 0
    async for chunk in _even(chunks):
        size += len(chunk)
        if size > limit:
            raise ResultTooLarge(f"The artifact is larger than the limit of {limit} bytes.")
        digest.update(chunk)
        await keep(number, chunk)
        number += 1
    return size, digest.hexdigest()


async def _even(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in chunks of one size, so that a range can be found by arithmetic."""
    buffer = bytearray()
    async for part in parts:
        if not isinstance(part, (bytes, bytearray, memoryview)):
            raise InvalidResult(f"An artifact is made of bytes, not of {type(part).__name__}.")
        buffer += part
        while len(buffer) >= CHUNK:
            yield bytes(buffer[:CHUNK])
            del buffer[:CHUNK]
    if buffer:
        yield bytes(buffer)


def _chunks(source: Any) -> AsyncIterator[bytes]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _each(iter((bytes(source),)))
    if isinstance(source, (str, os.PathLike)):
        return _each(_file(Path(source)))
    if isinstance(source, AsyncIterable):
        return aiter(source)
    if isinstance(source, Iterable):
        return _each(iter(source))
    raise InvalidResult(f"An artifact's source is bytes, a path or an iterable of bytes, not {type(source).__name__}.")


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            yield part


async def _each(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """A plain iterator, taken on in a thread where a loop of users' coroutines would have to wait for it."""
    end = object()
    while (part := await _next(parts, end)) is not end:
        yield part  # type: ignore[misc]  # what is not `end` is bytes


async def _next(parts: Iterator[bytes], end: object) -> bytes | object:
    if _blocking():
        return next(parts, end)
    return await asyncio.to_thread(next, parts, end)


def _blocking() -> bool:
    """Whether this is driven by `finish`, in a thread that may wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False
