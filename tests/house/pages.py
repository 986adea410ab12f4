"""Reads the documents as a visitor does: the code to copy, the commands to type, the table of settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```\s*$", re.MULTILINE | re.DOTALL
)
_INLINE = re.compile(r"`((?:make|accepted)(?: [^`\n]*)?)`")
_TYPED = re.compile(r"^\s*(?:\$ )?(?:[A-Z_]+=\S* )*((?:make|accepted)(?: .*)?)$")


@dataclass(frozen=True, slots=True)
class Command:
    """A command a page tells its reader to type: `program` make or accepted, and the first `word` that is no option."""

    program: str
    word: str


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [found["code"] for found in _FENCE.finditer(page) if found["language"] == language]


def commands(page: str) -> set[Command]:
    """Every `make ...` and `accepted ...` a page shows, fenced or in running text, but for a bare `make`."""
    fenced = [line for found in _FENCE.finditer(page) for line in found["code"].splitlines()]
    typed = [found[1] for line in fenced if (found := _TYPED.match(line))]
    return {command for text in typed + _INLINE.findall(_FENCE.sub("", page)) for command in _words(text)}


def targets(makefile: str) -> set[str]:
    """What can be made."""
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", makefile, re.MULTILINE))


def row(page: str, name: str) -> list[str]:
    """The cells of the table row whose first cell is `name`, without backticks; empty where there is none."""
    rows = (line.strip().strip("|").split("|") for line in page.splitlines() if line.lstrip().startswith("|"))
    cells = ([cell.strip().strip("`") for cell in row] for row in rows)
    return next((found for found in cells if found[0] == name), [])


def _words(text: str) -> Iterator[Command]:
    program, *words = text.partition("#")[0].split()
    plain = [word for word in words if "=" not in word and not word.startswith("-")]
    if plain and re.fullmatch(r"[a-z][\w-]*", plain[0]):
        yield Command(program, plain[0])
