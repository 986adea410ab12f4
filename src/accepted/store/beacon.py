"""Hints between processes that share one SQLite file: a Unix datagram socket each, in a folder beside the file.

A hint says which operations have changed, at once and without polling. It is never the data: a full buffer drops it,
a dead neighbour's socket is swept away, and whoever gets none still looks at the file's own change counter once a
second (guarantee E8).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import tempfile
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .protocol import Hint

_PATH_LIMIT = 100  # sun_path holds 108 bytes on Linux, 104 elsewhere
_HINTS_A_MESSAGE = 200  # keeps a datagram well under the default send buffer
_DATAGRAM = 1 << 18
_COARSE = 50_000_000

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(list[Hint]).decode


class Beacon:
    """One process's place among its neighbours.

    `tell` may be called from any thread; it never waits and never fails.
    """

    def __init__(self, database: str) -> None:
        self._folder = _folder(database)
        self._path = self._folder / secrets.token_hex(6)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.setblocking(False)
        try:
            self._bind()
        except FileNotFoundError:  # the last neighbour took the folder away in between
            self._bind()
        self._dropped = weakref.finalize(self, self.socket.close)  # its loop may be gone before anybody could close it
        self._seen = -1
        self._neighbours: list[str] = []

    def tell(self, hints: Sequence[Hint]) -> None:
        """Send `hints` to all others."""
        neighbours = self._others() if hints else []
        for start in range(0, len(hints) if neighbours else 0, _HINTS_A_MESSAGE):
            message = _encode(hints[start : start + _HINTS_A_MESSAGE])
            for path in neighbours:
                self._send(message, path)

    def hear(self) -> list[Hint]:
        """What has come in; empty when there is nothing or it makes no sense."""
        heard: list[Hint] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                with contextlib.suppress(msgspec.DecodeError):
                    heard += _decode(self.socket.recv(_DATAGRAM))
        return heard

    def close(self) -> None:
        """Leave the folder; the last one takes it away."""
        self.socket.close()
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def _bind(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.bind(str(self._path))

    def _others(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            changed = self._folder.stat().st_mtime_ns
            if changed != self._seen:
                # A folder's time is coarse: one that has only just changed may change again without showing it.
                self._seen = changed if time.time_ns() - changed > _COARSE else -1
                self._neighbours = [str(path) for path in self._folder.iterdir() if path != self._path]
        return self._neighbours

    def _send(self, message: bytes, path: str) -> None:
        try:
            self.socket.sendto(message, path)
        except (BlockingIOError, InterruptedError):
            pass  # a neighbour that does not listen right now finds out by itself
        except OSError:
            with contextlib.suppress(OSError):
                Path(path).unlink()  # its process is gone


def _folder(database: str) -> Path:
    beside = Path(f"{os.path.realpath(database)}-hints")
    if len(str(beside)) <= _PATH_LIMIT - 16:
        return beside
    digest = hashlib.sha256(str(beside).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"accepted-{os.getuid()}-{digest}"
