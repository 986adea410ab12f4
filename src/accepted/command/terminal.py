"""What reaches the terminal. Texts of a server are other people's: none may move the cursor, change a colour, turn a
line around or pretend to be a line of ours. So whatever is no plain character is shown as an escape.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from datetime import datetime
from typing import Any

import click
import msgspec

_PLAIN = re.compile(r"[\x20-\x7e]*")
_KINDS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_COLOURS = {
    "COMPLETED": "green",
    "COMPLETED_WITH_ERRORS": "yellow",
    "FAILED": "red",
    "CANCELLED": "magenta",
    "PROCESSING": "cyan",
}


def clean(text: object) -> str:
    """The text in one line, with everything that is no plain character shown as an escape such as \\x1b."""
    text = str(text)
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_shown(letter) if unicodedata.category(letter) in _KINDS else letter for letter in text)


def _shown(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def clean_lines(text: str, indent: str) -> str:
    """The same for a text of several lines, of which all but the first are indented and so cannot be taken for ours."""
    return f"\n{indent}".join(clean(line) for line in text.split("\n"))


def as_json(document: Any) -> str:
    """A document as one line of JSON, which says the same in characters that do nothing."""
    return plain_json(msgspec.json.encode(document))


def plain_json(body: bytes) -> str:
    """The same for JSON as it came; between its tokens a control character can only be space."""
    text = body.decode("utf-8", "replace")
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_escaped(letter) for letter in text.translate({9: " ", 10: " ", 13: " "}))


def _escaped(letter: str) -> str:
    if unicodedata.category(letter) not in _KINDS:
        return letter
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


def status(name: str, width: int = 0) -> str:
    """A status in its colour, where there are colours."""
    return click.style(clean(name).ljust(width), fg=_COLOURS.get(name))


def say(text: str) -> None:
    """A line for the person, beside the output."""
    click.echo(text, err=True)


def moment(at: datetime | None) -> str:
    """A time of the day, here."""
    return "" if at is None else at.astimezone().strftime("%H:%M:%S")


def day(at: datetime | None) -> str:
    """A date and time, here."""
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float | None) -> str:
    """Seconds as a person reads them."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def is_terminal() -> bool:
    """Whether a person is looking at what is said beside the output."""
    return sys.stderr.isatty()
