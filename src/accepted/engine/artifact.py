"""`Artifact`: a function's way of returning a file rather than a value (contract, section 4)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable
from pathlib import Path
from typing import Any

Source = bytes | bytearray | memoryview | str | os.PathLike[str] | Iterable[bytes] | AsyncIterable[bytes]


class Artifact:
    """A downloadable result.

    `source` is bytes, a path (a `str` is a path), or an iterable of bytes, which is stored as it is produced and may
    be as large as `artifact_limit`. `details` become members of `result`. The framework adds `url`, `size`,
    `mediaType` and `filename`.
    """

    def __init__(
        self,
        source: Source,
        *,
        media_type: str = "application/octet-stream",
        filename: str | None = None,
        **details: Any,
    ) -> None:
        if filename is None and isinstance(source, (str, os.PathLike)):
            filename = Path(source).name
        self.source = source
        self.media_type = _one_line(media_type)
        self.filename = filename
        self.details = details


def _one_line(text: str) -> str:
    if not text.isprintable() or not text.isascii():
        raise ValueError(f"a media type is printable ASCII: {text!r}")
    return text
