"""Reads a package's source into its import graph, without running a line of it.

Every import counts: at the top, inside a function, and under TYPE_CHECKING, since a circle of types is a circle. An
import written as a string (`importlib.import_module`) is not seen: so the command line loads an app it must not know.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.plan import FRONT_DOOR


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `target` is the longest dotted name that the statement may mean."""

    target: str
    line: int


@dataclass(frozen=True, slots=True)
class Module:
    """One source file; `name` is its dotted name, a package's own file ending in `.__init__`."""

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def place(self) -> tuple[str, ...]:
        """The name below the package: ("contract", "lifecycle"), ("cli",), ("__init__",)."""
        return tuple(self.name.split(".")[1:])

    @property
    def parent(self) -> str:
        """The package this file belongs to, which its relative imports start from."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Building:
    """All modules of one package by name."""

    package: str
    modules: dict[str, Module]

    def inner(self, module: Module) -> Iterator[tuple[Module, int]]:
        """The modules of this building that `module` imports, each with the line of the import."""
        for found in imports(module):
            target = self._resolve(found.target)
            if target is not None and target is not module:
                yield target, found.line

    def outer(self, module: Module) -> Iterator[Import]:
        """The imports that leave this building."""
        return (found for found in imports(module) if found.target.partition(".")[0] != self.package)

    def graph(self) -> dict[str, set[str]]:
        """Who imports whom."""
        return {module.name: {target.name for target, _ in self.inner(module)} for module in self.modules.values()}

    def _resolve(self, dotted: str) -> Module | None:
        """`a.b.Name` is module `a.b`, or package `a.b`'s own file, or whatever a shorter name finds."""
        while dotted:
            found = self.modules.get(dotted) or self.modules.get(f"{dotted}.{FRONT_DOOR}")
            if found is not None:
                return found
            dotted = dotted.rpartition(".")[0]
        return None


def read(source: Path, package: str) -> Building:
    """The building under `source`/`package`."""
    files = sorted((source / package).rglob("*.py"))
    return Building(package, {module.name: module for module in (_module(source, file) for file in files)})


def imports(module: Module) -> Iterator[Import]:
    """Every import of one file, wherever it stands."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, node)
            yield from (Import(f"{origin}.{alias.name}", node.lineno) for alias in node.names)


def _origin(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.parent.split(".")
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, node.module] if node.module else parts)


def _module(source: Path, file: Path) -> Module:
    text = file.read_text(encoding="utf-8")
    name = ".".join(file.relative_to(source).with_suffix("").parts)
    return Module(name, file, ast.parse(text, filename=str(file)), len(text.splitlines()))
