"""The settings as the package knows them, to be held against what the documents say of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module

import msgspec

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SETTLED_OTHERWISE = {"database": "ACCEPTED_DATABASE_URL"}  # its own name, as in every README
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting and its default, in the package's own units (seconds, bytes)."""

    name: str
    default: object

    @property
    def variable(self) -> str:
        """The environment variable that turns it."""
        return _SETTLED_OTHERWISE.get(self.name, f"ACCEPTED_{self.name.upper()}")

    def complaint(self, cells: list[str]) -> str | None:
        """What is wrong with the row that documents it, in a sentence."""
        if not cells:
            return f"{self.name}: not in the table"
        if self.variable not in cells:
            return f"{self.name}: {self.variable} is not in its row"
        if not any(means(cell, self.default) for cell in cells[1:]):
            return f"{self.name}: its default {self.default!r} is not in its row"
        return None


def knobs() -> list[Knob]:
    """Every field of the package's Settings."""
    settings = import_module("accepted.settings").Settings
    if dataclasses.is_dataclass(settings):
        return [Knob(field.name, _default(field)) for field in dataclasses.fields(settings)]
    return [Knob(field.name, _default(field)) for field in msgspec.structs.fields(settings)]


def means(cell: str, default: object) -> bool:
    """Whether a table's cell spells this default, as a person would write it: 24h, 1 MiB, true, none."""
    if isinstance(default, timedelta):
        return means(cell, default.total_seconds())
    if default is None or default in ("", (), frozenset()):
        return cell.lower() == "none"
    if isinstance(default, bool):
        return cell.lower() == str(default).lower()
    if isinstance(default, int | float):
        return _amount(cell) == default
    if isinstance(default, Collection) and not isinstance(default, str):
        return [item.strip() for item in cell.split(",")] == [str(item) for item in default]
    return cell == str(default)


def _amount(cell: str) -> float | None:
    quantity = _QUANTITY.fullmatch(cell)
    if quantity is not None:
        unit = _UNITS.get(quantity[2].lower())
        return None if unit is None else float(quantity[1]) * unit
    return float(cell) if re.fullmatch(r"\d+(\.\d+)?", cell) else None


def _default(field: dataclasses.Field[object] | msgspec.structs.FieldInfo) -> object:
    absent = (dataclasses.MISSING, msgspec.NODEFAULT)
    if field.default not in absent:
        return field.default
    return field.default_factory() if callable(field.default_factory) else None
