"""What the decorator takes, and what it refuses at once rather than at the first request."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from accepted import Artifact, Attempt
from accepted.contract.operation import Group
from accepted.engine.mailbox import Mailbox
from accepted.engine.model import ABSENT
from accepted.engine.registry import Kind, Registered, Registry


def plain(number: int) -> int:
    return number


async def coroutine(attempt: Attempt, text: str = "") -> None: ...


def nothing() -> None: ...


def with_attempt_only(attempt: Attempt) -> Artifact:
    return Artifact(b"")


def unannotated(value):
    return value


def either(value: dict[str, int]) -> dict[str, int] | Artifact:
    return value


@pytest.mark.parametrize(
    ("function", "name", "kind", "input_name", "attempt_name", "input_type"),
    [
        (plain, "plain", Kind.THREAD, "number", None, int),
        (coroutine, "coroutine", Kind.COROUTINE, "text", "attempt", str),
        (nothing, "nothing", Kind.THREAD, None, None, ABSENT),
        (with_attempt_only, "with-attempt-only", Kind.THREAD, None, "attempt", ABSENT),
        (unannotated, "unannotated", Kind.THREAD, "value", None, Any),
        (either, "either", Kind.THREAD, "value", None, dict[str, int]),
    ],
)
def test_a_function_is_read_from_its_signature(
    function: Callable[..., Any], name: str, kind: Kind, input_name: str, attempt_name: str, input_type: Any
) -> None:
    registered = Registered("/x", function)
    assert (registered.name, registered.kind) == (name, kind)
    assert (registered.input_name, registered.attempt_name) == (input_name, attempt_name)
    assert registered.input.type == input_type


def two_inputs(a: int, b: int) -> None: ...


def unknown_annotation(a: "Nonsense") -> None: ...  # type: ignore[name-defined]  # noqa: F821


REFUSED: list[tuple[Callable[..., Any], dict[str, Any], type[Exception]]] = [
    (two_inputs, {}, TypeError),
    (unknown_annotation, {}, TypeError),
    (lambda: None, {"isolate": True, "name": "x"}, ValueError),
    (plain, {"name": "with space"}, ValueError),
    (plain, {"attempts": 0}, ValueError),
    (plain, {"concurrency": 0}, ValueError),
    (plain, {"concurrency_per_key": 0}, ValueError),
    (plain, {"concurrency_key": "customer"}, ValueError),
    (plain, {"priority": 10}, ValueError),
    (plain, {"priority": -1}, ValueError),
    (plain, {"priority": True}, ValueError),
    (plain, {"result": "/reports"}, ValueError),
    (plain, {"result": "reports/{id}"}, ValueError),
    (plain, {"phases": {"A": 0}}, ValueError),
]


@pytest.mark.parametrize(("function", "options", "error"), REFUSED, ids=[str(n) for n in range(len(REFUSED))])
def test_what_cannot_be_is_refused(
    function: Callable[..., Any], options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Registered("/x", function, **options)


def test_a_key_is_made_of_the_input_or_is_the_owner() -> None:
    registered = Registered("/x", plain, concurrency_key=lambda number: number % 3, concurrency_per_key=2)
    assert registered.group_of(7, "ann") == Group("1", 2)
    assert Registered("/x", plain, concurrency_key="owner").group_of(7, "ann") == Group("ann", 1)
    assert Registered("/x", plain, concurrency_key=lambda number: None).group_of(7, "ann") is None
    assert Registered("/x", plain).group_of(7, "ann") is None


@pytest.mark.parametrize("key", ["x" * 201, "a\0b", "\ud800", "a\nb"])
def test_a_key_that_is_long_or_odd_is_kept_as_a_digest(key: str) -> None:
    group = Registered("/x", plain, concurrency_key=lambda _: key).group_of(7, "ann")
    assert group is not None
    assert len(group.key) == 64


def test_a_priority_is_a_number_or_made_of_the_input() -> None:
    assert Registered("/x", plain, priority=3).priority_of(7) == 3
    assert Registered("/x", plain, priority=lambda number: number).priority_of(7) == 7
    with pytest.raises(ValueError, match="0 to 9"):
        Registered("/x", plain, priority=lambda number: number).priority_of(10)


@pytest.mark.parametrize("path", ["x", "/x/", "/{id}", "/x?y", "/operations", "/jobs/x", "/health", "/metrics"])
def test_a_path_is_plain_and_not_taken(path: str) -> None:
    with pytest.raises(ValueError, match=r"path|taken"):
        Registered(path, plain)


def test_names_and_paths_are_unique() -> None:
    registry = Registry()
    registry.add(Registered("/a", plain))
    with pytest.raises(ValueError, match="named"):
        registry.add(Registered("/b", plain))
    with pytest.raises(ValueError, match="at '/a'"):
        registry.add(Registered("/a", nothing))
    assert registry.names() == ("plain",)
    assert registry.named("nothing") is None
    assert [registered.path for registered in registry] == ["/a"]


async def test_a_mailbox_runs_what_is_posted_in_order_with_few_wake_ups() -> None:
    loop = asyncio.get_running_loop()
    mailbox, heard, done = Mailbox(loop), list[int](), asyncio.Event()

    def post() -> None:
        for number in range(10_000):
            mailbox.post(heard.append, number)
        mailbox.post(done.set)

    thread = threading.Thread(target=post)
    thread.start()
    async with asyncio.timeout(10):
        await done.wait()
    thread.join()
    assert heard == list(range(10_000))


async def test_a_loop_that_is_gone_hears_nothing() -> None:
    loop = asyncio.new_event_loop()
    mailbox, heard = Mailbox(loop), list[int]()
    loop.close()
    mailbox.post(heard.append, 1)
    assert heard == []


def positional_only(number: int, /) -> int:
    return number


def test_an_argument_that_cannot_go_in_by_its_name_is_refused() -> None:
    with pytest.raises(TypeError, match="positional-only"):
        Registered("/positional", positional_only)
