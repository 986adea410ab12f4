"""Finds what a public object does not say about itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

# What a class may be asked through; the fields of a record speak in its own docstring.
_ASKED = (classmethod, staticmethod, property)


def silent(name: str, thing: object) -> Iterator[str]:
    """The object and its public methods that have no docstring of their own."""
    if not _says(thing):
        yield name
    if inspect.isclass(thing):
        for member, value in vars(thing).items():
            if (
                not member.startswith("_")
                and (inspect.isfunction(value) or isinstance(value, _ASKED))
                and not _says(value)
            ):
                yield f"{name}.{member}"


def _says(thing: object) -> bool:
    """An inherited docstring is the parent's word, and a dataclass writes its signature where none is given."""
    doc = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    generated = f"{getattr(thing, '__name__', '')}("
    return doc is not None and doc.strip() != "" and not doc.startswith(generated)
