"""What git knows, and what must never be in it: traces of a machine, registry hosts, secrets, binaries, leavings.

New files that nobody has added yet count too, so that a slip shows before the commit. The patterns are put
together from pieces, because this file is inspected like every other.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]

LARGEST_FILE = 1 << 20  # bytes; a repository of text has no reason for more

_PLACES = "|".join(("home", "root", "tmp", "work", "Users"))
_REGISTRIES = "|".join(
    rf"{name}\.{zone}" for name, zone in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"))
)
TRACES: dict[str, re.Pattern[str]] = {
    "a path of some machine": re.compile(rf"(?<![\w.~$}}-])/(?:{_PLACES})/"),
    "a registry's host": re.compile(rf"\b(?:{_REGISTRIES})\b", re.IGNORECASE),
    "a private key": re.compile(rf"-----BEGIN [A-Z ]*{'PRIVATE'} KEY-----"),
    "an access token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}|xox[baprs]-[0-9A-Za-z-]{10,})\b"),
}
LEAVINGS = (
    "*.bak", "*.db", "*.db-*", "*.egg-info", "*.log", "*.orig", "*.pid", "*.pyc", "*.rej", "*.sock", "*.swp", "*.tmp",
    "*~", ".DS_Store", ".env", "__pycache__", "core", "nohup.out", "scratch*", "untitled*",
)  # fmt: skip


def files(root: Path = ROOT) -> list[str]:
    """The repository's files by their paths from its root: the tracked, and the new that are not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in set(listed.split("\0")) if name and (root / name).is_file())


def complaints(root: Path, name: str) -> Iterator[str]:
    """Everything that speaks against having this file, a sentence each."""
    content = (root / name).read_bytes()
    if any(fnmatch(part, pattern) for part in PurePosixPath(name).parts for pattern in LEAVINGS):
        yield f"{name}: something left behind"
    if len(content) > LARGEST_FILE:
        yield f"{name}: {len(content)} bytes, {LARGEST_FILE} is the limit"
    text = _text(content)
    if text is None:
        yield f"{name}: a binary"
        return
    for number, line in enumerate(text.splitlines(), start=1):
        yield from (f"{name}:{number}: {trace}" for trace, pattern in TRACES.items() if pattern.search(line))


def _text(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
