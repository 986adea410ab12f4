"""A result brought into a file, in as many pieces as the connection breaks into.

What has come stays in `NAME.<version>.part`, named after the ETag it belongs to; a later try, also of another process,
asks for the rest of that very version (`Range` with `If-Range`, RFC 9110, section 13.1.5) or, where the server has
another one, begins anew. The file appears under its own name only when it is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from .asking import REDIRECTIONS, REDIRECTS, redirected, trouble
from .error import UnexpectedAnswer, Unreachable
from .patience import Deadline, Patience, Terms
from .site import Site, sendable
from .step import Answer, Call, Close, Lost, Open, Read, Talk, Tell, Wait

_RANGE = re.compile(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)")
_NAME = re.compile(r"filename=\"?([^\";]+)\"?", re.IGNORECASE)
_NAME_UTF8 = re.compile(r"filename\*=UTF-8''([^;]+)", re.IGNORECASE)
_UNSAFE = re.compile(r"[^\w .,()+=@-]")


class Sink:
    """The file that a download becomes: `path`, or in the folder `path` under the name that the server gives it."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._file: BinaryIO | None = None
        self._part = path
        self.version = ""

    def begin(self, answer: Answer, version: str) -> int:
        """Open the part that belongs to this version (or begin one); how many bytes of it are there already."""
        self.abandon()
        if self._path.is_dir():
            self._path /= safe_name(answer.headers.get("content-disposition", "")) or self._name
            if self._path.exists():
                raise FileExistsError(f"{self._path} is there already; name the file to write")
        mark = hashlib.sha256(version.encode()).hexdigest()[:12] if version else str(os.getpid())
        self._part = self._path.with_name(f"{self._path.name}.{mark}.part")
        self._file = self._part.open("ab" if version else "wb")
        self.version = version
        return self._file.tell()

    def write(self, part: bytes) -> None:
        """Add bytes."""
        assert self._file is not None
        self._file.write(part)

    def restart(self) -> None:
        """Throw away what is there."""
        assert self._file is not None
        self._file.truncate(0)
        self._file.seek(0)

    def finish(self) -> Path:
        """It is whole: give it its name."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self.abandon()
        self._part.replace(self._path)
        return self._path

    def abandon(self) -> None:
        """Close the file; what has come stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


def safe_name(disposition: str) -> str:
    """The file name in a `Content-Disposition` (RFC 6266), without anything that could lead out of a folder."""
    found = _NAME_UTF8.search(disposition)
    plain = _NAME.search(disposition)
    text = unquote(found[1]) if found else plain[1] if plain else ""
    name = _UNSAFE.sub("_", text.replace("\\", "/").rpartition("/")[2]).strip(" .")
    return name[:120]


class Fetcher:
    """One download of `url` into a sink."""

    def __init__(self, site: Site, terms: Terms, url: str, sink: Sink) -> None:
        self._site = site
        self._terms = terms
        self._url = url
        self._sink = sink
        self._there = 0

    def run(self, deadline: Deadline) -> Talk[Path]:
        """The path of the whole file. Tells (bytes that are there, of how many or None)."""
        patience = Patience(self._terms, deadline)
        try:
            while True:
                deadline.check()
                before = self._there
                lost = yield from self._piece(patience)
                if lost is None:
                    whole: Path = yield Call(self._sink.finish)
                    return whole
                if self._there > before:
                    patience.rewarded()
                yield Wait(patience.pause(Unreachable(f"{self._url} broke: {lost.why}")))
        finally:
            self._sink.abandon()

    def _piece(self, patience: Patience) -> Talk[Lost | None]:
        """What one answer brings; None once the file is whole."""
        ranged = bool(self._there and self._sink.version)
        answer = yield from self._open(patience, ranged)
        if isinstance(answer, Lost):
            return answer
        if answer.status == 206:
            return (yield from self._read(self._rest(answer)))
        length = answer.headers.get("content-length", "")
        total = int(length) if length.isascii() and length.isdigit() else None
        version = _version(answer)
        self._there = yield Call(lambda: self._sink.begin(answer, version))
        if self._there and not ranged and self._there == total:  # of an earlier try, which only had to name it
            yield Close()
            return None
        if self._there and not ranged and total is not None and self._there < total:
            yield Close()
            return (yield from self._piece(patience))
        if self._there:  # it has another version, or gives no ranges
            yield Call(self._sink.restart)
            self._there = 0
        return (yield from self._read(total))

    def _rest(self, answer: Answer) -> int | None:
        span = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        if span is None or int(span[1]) != self._there:
            raise UnexpectedAnswer(f"{self._url} answers with another range than it was asked for")
        return None if span[2] == "*" else int(span[2])

    def _open(self, patience: Patience, ranged: bool) -> Talk[Answer | Lost]:
        for _ in range(REDIRECTIONS):
            wanted = {"range": f"bytes={self._there}-", "if-range": self._sink.version} if ranged else {}
            request = self._site.request("GET", self._url, {"accept-encoding": "identity", **wanted})
            answer: Answer | Lost = yield Open(request)
            if isinstance(answer, Lost) or answer.status in {200, 206}:
                return answer
            if answer.status in REDIRECTS:
                yield Close()
                self._url = redirected(self._url, answer)
                continue
            error, after = trouble(request, answer, patience.failures)
            yield Wait(patience.pause(error, after))
        return Lost("it was redirected or refused too often")

    def _read(self, total: int | None) -> Talk[Lost | None]:
        yield Tell((self._there, total))
        while total is None or self._there < total:
            part = yield Read(self._terms.timeout)
            if isinstance(part, Lost):
                return part
            if not part:
                return None if total is None else Lost(f"{self._there} bytes of {total}")
            yield Call(partial(self._sink.write, part))
            self._there += len(part)
            yield Tell((self._there, total))
        yield Close()
        if self._there > total:
            raise UnexpectedAnswer(f"{self._url} gives more than the {total} bytes it has announced")
        return None


def _version(answer: Answer) -> str:
    """The strong ETag; without one, or behind an encoding, bytes of two answers do not belong together."""
    tag = answer.headers.get("etag", "")
    return (
        ""
        if tag.startswith("W/") or not sendable(tag) or answer.headers.get("content-encoding", "identity") != "identity"
        else tag
    )
