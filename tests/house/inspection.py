"""The rules of the house: each takes a building and returns its complaints, a sentence each; none means it is kept."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter

from tests.house import plan
from tests.house.building import Building, Module

Rule = Callable[[Building], list[str]]


def floors(building: Building) -> list[str]:
    """A floor imports only floors below it, and rooms of one floor do not import each other."""
    return [
        _at(module, line, f"{_room(module)} may not import {target.name}: it is not on a floor below")
        for module, target, line in _doors(building)
        if _room(module) != _room(target) and _floor(target) >= _floor(module)
    ]


def orders(building: Building) -> list[str]:
    """Inside a room a file imports only files that stand after it in the plan."""
    return [
        _at(module, line, f"{module.name} may not import {target.name}: it does not stand after it in its room")
        for module, target, line in _doors(building)
        if _against_the_order(module, target)
    ]


def places(building: Building) -> list[str]:
    """Every room, and every file of an ordered room, has its place in the plan."""
    return [
        f"{module.name} has no place in tests/house/plan.py: give it one"
        for module in building.modules.values()
        if not _has_floor(module) or _rank(module) is None
    ]


def siblings(building: Building) -> list[str]:
    """Those who do the same job do not know each other, not even through a third."""
    graph = building.graph()
    return [
        f"{name} knows its sibling {other}"
        for room, family in plan.SIBLINGS
        for name, own in _members(building, room, family).items()
        for other, theirs in _members(building, room, family).items()
        if own != theirs and other in _reach(graph, name)
    ]


def circles(building: Building) -> list[str]:
    """Nobody imports himself, by however many others, type-only imports included."""
    try:
        TopologicalSorter(building.graph()).prepare()
    except CycleError as error:
        return ["circle: " + " <- ".join(error.args[1])]
    return []


def foundations(building: Building) -> list[str]:
    """A room that is said to stand on a few rooms alone imports no other."""
    return [
        _at(module, line, f"{_room(module)} stands on {', '.join(ground)} alone and may not import {target.name}")
        for module, target, line in _doors(building)
        if (ground := plan.STANDS_ONLY_ON.get(_room(module))) and _room(target) not in {*ground, _room(module)}
    ]


def lengths(building: Building) -> list[str]:
    """No file is longer than the limit: there is a second room inside."""
    return [
        f"{module.name} has {module.lines} lines, {plan.LONGEST_FILE} is the limit"
        for module in building.modules.values()
        if module.lines > plan.LONGEST_FILE
    ]


def names(building: Building) -> list[str]:
    """No room is named after nothing."""
    return [
        f"{module.name}: a room needs a proper name"
        for module in building.modules.values()
        if plan.NAMELESS & {word for part in module.place for word in part.strip("_").split("_")}
    ]


def purity(building: Building) -> list[str]:
    """The contract, and whoever judges by it, import only what computes, and ask neither the clock nor chance."""
    pure = [module for module in building.modules.values() if _room(module) in plan.PURE_ROOMS]
    imported = [
        _at(module, found.line, f"the {_room(module)} may not import {found.target}")
        for module in pure
        for found in building.outer(module)
        if not _pure(found.target)
    ]
    return imported + [
        _at(module, line, f"the {_room(module)} may not call {call}")
        for module in pure
        for call, line in _impure(module)
    ]


RULES: tuple[Rule, ...] = (places, floors, orders, siblings, circles, foundations, lengths, names, purity)


def _doors(building: Building) -> Iterator[tuple[Module, Module, int]]:
    for module in building.modules.values():
        for target, line in building.inner(module):
            yield module, target, line


def _at(module: Module, line: int, complaint: str) -> str:
    return f"{module.path.name}:{line}: {complaint}"


def _room(module: Module) -> str:
    return module.place[0]


def _has_floor(module: Module) -> bool:
    return any(_room(module) in floor for floor in plan.FLOORS)


def _floor(module: Module) -> int:
    return next((height for height, rooms in enumerate(plan.FLOORS) if _room(module) in rooms), len(plan.FLOORS))


def _rank(module: Module) -> int | None:
    """How far down a file stands in its room: 0 its __init__ and where no order is drawn, None without a place."""
    order = plan.ORDERS.get(_room(module))
    if order is None or module.place[1] == plan.FRONT_DOOR:
        return 0
    return order.index(module.place[1]) + 1 if module.place[1] in order else None


def _against_the_order(module: Module, target: Module) -> bool:
    """Files of one package inside a room share a place in the plan: their order is their own affair."""
    ordered = _room(module) == _room(target) and _room(module) in plan.ORDERS
    here, there = _rank(module), _rank(target)
    if not ordered or here is None or there is None:
        return False
    return there <= here and not (here == there and len(module.place) > 2)


def _members(building: Building, room: str, family: tuple[str, ...]) -> dict[str, str]:
    """The modules of a family, each with the sibling it is or belongs to."""
    inside = [module for module in building.modules.values() if _room(module) == room]
    return {
        module.name: sibling
        for module in inside
        for sibling in family
        if module.place[1] == sibling or module.place[1].startswith(f"{sibling}_")
    }


def _reach(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for target in graph[waiting.pop()] - seen:
            seen.add(target)
            waiting.append(target)
    return seen


def _pure(target: str) -> bool:
    return any(target == pure or target.startswith(f"{pure}.") for pure in plan.PURE)


def _impure(module: Module) -> Iterator[tuple[str, int]]:
    """Calls of what `python -m` alone runs do not count: nobody who imports the contract meets them."""
    imported = [node for node in module.tree.body if not _is_main_guard(node)]
    for node in (inner for outer in imported for inner in ast.walk(outer)):
        if isinstance(node, ast.Call) and (call := ast.unparse(node.func)) in plan.IMPURE_CALLS:
            yield call, node.lineno


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
