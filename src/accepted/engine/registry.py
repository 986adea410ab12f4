"""What the decorator registered: each operation's type, path, function and policy."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from hashlib import sha256
from typing import Any, Literal, get_args, get_type_hints

from ..contract.operation import Group, Operation
from ..contract.policy import PRIORITIES, Backoff
from ..contract.progress import Progress, announced
from .artifact import Artifact
from .attempt import Attempt
from .model import ABSENT, Model

_TEMPLATE = re.compile(r"\{(\w+)\}")
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
OWNER: Literal["owner"] = "owner"
LONGEST_KEY = 200

KeyOf = Callable[[Any], object] | Literal["owner"]
PriorityOf = Callable[[Any], int]

RESERVED = ("/operations", "/jobs", "/problems", "/health", "/metrics", "/openapi.json", "/dashboard")


class Kind(Enum):
    """Where a function runs."""

    COROUTINE = "on the worker's loop"
    THREAD = "in a thread"
    PROCESS = "in a process of its own"


class Registered:
    """One registered operation.

    Durations in seconds; `attempt_name` is the parameter that takes the `Attempt`, if any.
    """

    def __init__(
        self,
        path: str,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        result: str | None = None,
        result_id: str = "report",
        phases: Sequence[str] | Mapping[str, float] = (),
        attempts: int = 1,
        backoff: Backoff | None = None,
        timeout: float | None = None,
        cancel_grace: float = 2.0,
        retention: float = 86400.0,
        concurrency: int | None = None,
        concurrency_key: KeyOf | None = None,
        concurrency_per_key: int = 1,
        priority: int | PriorityOf = 0,
        isolate: bool = False,
    ) -> None:
        self.path = _checked_path(path)
        self.function = function
        self.name = name or function.__name__.replace("_", "-")
        self.result = result
        self.result_id = result_id
        self.progress: Progress | None = announced(phases)
        self.attempts = attempts
        self.backoff = backoff or Backoff()
        self.timeout = timeout
        self.cancel_grace = cancel_grace
        self.retention = retention
        self.concurrency = concurrency
        self.concurrency_key = concurrency_key
        self.concurrency_per_key = concurrency_per_key
        self.priority = priority
        self.kind = _kind(function, isolate)
        self.input_name, self.attempt_name, self.input = _parameters(function)
        self.output = Model(_output(function))
        self.summary = inspect.getdoc(function) or ""
        self._check()

    def _check(self) -> None:
        if not _TYPE.fullmatch(self.name):
            raise ValueError(f"an operation's name is letters, digits, '.', '_' and '-': {self.name!r}")
        if self.attempts < 1:
            raise ValueError(f"{self.name}: attempts counts from 1")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"{self.name}: concurrency counts from 1")
        self._check_fairness()
        if self.result is not None and (not self.result.startswith("/") or len(_TEMPLATE.findall(self.result)) != 1):
            raise ValueError(f'{self.name}: a result path has one parameter, such as "/reports/{{reportId}}"')
        if self.kind is Kind.PROCESS and ("<" in self.function.__qualname__ or "." in self.function.__qualname__):
            raise ValueError(
                f"{self.name}: an isolated function stands at the top of its module, so that a child can import it"
            )

    def _check_fairness(self) -> None:
        if self.concurrency_per_key < 1:
            raise ValueError(f"{self.name}: concurrency_per_key counts from 1")
        if isinstance(self.concurrency_key, str) and self.concurrency_key != OWNER:
            raise ValueError(f'{self.name}: concurrency_key is "owner" or a function of the input')
        if not callable(self.priority):
            _checked_priority(self.priority, self.name)

    def priority_of(self, input: Any) -> int:
        """How urgent an operation with this input is, 0 to 9."""
        return _checked_priority(self.priority(input), self.name) if callable(self.priority) else self.priority

    def group_of(self, input: Any, owner: str) -> Group | None:
        """The group of an operation with this input: the key as text, a digest of it where it is long."""
        if self.concurrency_key is None:
            return None
        key = self.concurrency_key(input) if callable(self.concurrency_key) else owner
        if key is None:
            return None
        text = str(key)
        plain = len(text) <= LONGEST_KEY and text.isprintable()
        return Group(text if plain else sha256(text.encode("utf-8", "replace")).hexdigest(), self.concurrency_per_key)

    def result_member(self) -> str:
        """The parameter of the result's path, such as "reportId"."""
        return str(_TEMPLATE.findall(self.result or "")[0])

    def result_path(self, identity: str) -> str:
        """The result's own path."""
        return _TEMPLATE.sub(lambda _: identity, self.result or "")

    def minted(self, operation: Operation) -> str:
        """The result's id where the function brings none: the operation's own digits behind `result_id`."""
        return f"{self.result_id}-{operation.id.removeprefix('op-')}"


class Registry:
    """All registered operations, by name and by path."""

    def __init__(self) -> None:
        self._by_name: dict[str, Registered] = {}
        self._by_path: dict[str, Registered] = {}
        self._followers: list[Callable[[Registered], None]] = []

    def add(self, registered: Registered) -> None:
        """Raises ValueError for a name or path that is taken."""
        if registered.name in self._by_name:
            raise ValueError(f"two operations are named {registered.name!r}")
        if registered.path in self._by_path:
            raise ValueError(f"two operations are at {registered.path!r}")
        self._by_name[registered.name] = registered
        self._by_path[registered.path] = registered
        for follower in self._followers:
            follower(registered)

    def follow(self, follower: Callable[[Registered], None]) -> None:
        """Call `follower` with every operation: those that are here, and each that will come."""
        for registered in self:
            follower(registered)
        self._followers.append(follower)

    def named(self, name: str) -> Registered | None:
        return self._by_name.get(name)

    def at(self, path: str) -> Registered | None:
        return self._by_path.get(path)

    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    def __iter__(self) -> Iterator[Registered]:
        return iter(self._by_name.values())


def _checked_priority(priority: Any, name: str) -> int:
    if isinstance(priority, bool) or not isinstance(priority, int) or priority not in PRIORITIES:
        raise ValueError(f"{name}: a priority is a whole number from 0 to 9, not {priority!r}")
    return int(priority)


def _checked_path(path: str) -> str:
    if not path.startswith("/") or path.endswith("/") or "{" in path or "?" in path:
        raise ValueError(f'an operation\'s path is plain and starts with "/": {path!r}')
    if any(path == reserved or path.startswith(reserved + "/") for reserved in RESERVED):
        raise ValueError(f"{path!r} is taken by the contract itself")
    return path


def _kind(function: Callable[..., Any], isolate: bool) -> Kind:
    if isolate:
        return Kind.PROCESS
    return Kind.COROUTINE if inspect.iscoroutinefunction(function) else Kind.THREAD


def _parameters(function: Callable[..., Any]) -> tuple[str | None, str | None, Model]:
    hints = _hints(function)
    input_name = attempt_name = None
    for parameter in inspect.signature(function).parameters.values():
        if type(parameter.default).__name__ == "Depends":
            raise TypeError(
                f"{function.__qualname__}: Depends belongs to requests, and an operation runs after its request; what "
                "operations share is made in Accepted(lifespan=...)"
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(
                f"{function.__qualname__}: {parameter.name!r} is positional-only; arguments go in by their names"
            )
        if hints.get(parameter.name) is Attempt:
            attempt_name = parameter.name
        elif input_name is None:
            input_name = parameter.name
        elif parameter.default is parameter.empty and parameter.kind not in {
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        }:
            raise TypeError(f"{function.__qualname__}: takes one input and an Attempt; what is {parameter.name!r}?")
    return input_name, attempt_name, Model(hints.get(input_name, Any) if input_name else ABSENT)


def _output(function: Callable[..., Any]) -> Any:
    output = _hints(function).get("return", Any)
    if Artifact in get_args(output):
        return Any  # sometimes a file and sometimes a value
    return ABSENT if output is Artifact or output is type(None) else output


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"{function.__qualname__}: cannot read its annotations: {error}") from None
