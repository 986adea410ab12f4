"""`accepted watch`: operations followed to their end, as bars on a terminal and as lines or JSON elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ..contract.operation import Status
from .remote import ENDS, Remote, complete_id, operation_id, remote_options
from .terminal import as_json, clean, is_terminal, moment, say

if TYPE_CHECKING:
    from ..client import AsyncOperation, Event, State

WORST = ("FAILED", "CANCELLED", "COMPLETED_WITH_ERRORS", "COMPLETED")
STEP = 5  # per cent: lines are for logs, which ten a second would drown

Show = Callable[["Event"], object]


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_id)
@click.option("--timeout", metavar="DURATION", help="Stop watching after this time, such as 90s; exit code 9.")
@click.option("--patience", default="5m", show_default=True, help="How long to go on while nothing answers.")
@remote_options
def watch(remote: Remote, ids: tuple[str, ...], timeout: str | None, patience: str) -> None:
    """Follow operations to their end; the exit code says how it was (the worst, of several)."""
    states = follow(remote, ids, timeout=timeout, patience=patience, lines=click.echo)
    raise SystemExit(code(states))


def code(states: Sequence[State]) -> int:
    """The exit code for how operations ended."""
    return ENDS[next((name for name in WORST if any(state.status == name for state in states)), "COMPLETED")]


def follow(
    remote: Remote, names: Sequence[str], *, timeout: str | None, patience: str, lines: Callable[[str], object]
) -> list[State]:
    """The terminal states of all; what happens meanwhile is shown. Raises `ClientError`; Ctrl-C ends the program."""
    try:
        return asyncio.run(_follow(remote, list(dict.fromkeys(names)), timeout, patience, lines))
    except KeyboardInterrupt:
        many = "They go" if len(names) > 1 else "It goes"
        say(f"{many} on. To see how: accepted watch {' '.join(map(clean, names))}")
        raise SystemExit(130) from None


async def _follow(
    remote: Remote, names: list[str], timeout: str | None, patience: str, lines: Callable[[str], object]
) -> list[State]:
    from ..client import AsyncClient
    from ..contract.policy import seconds

    async with contextlib.AsyncExitStack() as stack:
        operations: list[AsyncOperation] = []
        clients: dict[str, AsyncClient] = {}
        for name in names:
            base = remote.base(name)
            if base not in clients:
                client = AsyncClient(**remote.options(name, seconds(patience)))
                clients[base] = await stack.enter_async_context(client)
            operations.append(clients[base].operation(operation_id(name)))
        first = [await _look(remote, name) for name in names]
        with _shown(remote, first, lines) as show:
            tasks = [_one(operation, timeout, show) for operation in operations]
            ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return [end for end in ends if not isinstance(end, BaseException)]


async def _look(remote: Remote, name: str) -> State:
    """The status as it is now, or an error soon: whoever mistypes a URL is not kept waiting for minutes."""
    from ..client import AsyncClient

    async with AsyncClient(**remote.options(name)) as client:
        return await client.operation(operation_id(name)).status()


async def _one(operation: AsyncOperation, timeout: str | None, show: Show) -> State:
    return await operation.wait(timeout, on_event=show)


@contextlib.contextmanager
def _shown(remote: Remote, states: list[State], lines: Callable[[str], object]) -> Iterator[Show]:
    if remote.json:
        yield lambda event: lines(as_json(event.document))
    elif is_terminal():
        from .bars import Bars

        with Bars(states) as bars:
            yield bars.take
    else:
        yield Lines(states, lines).take


class Lines:
    """A line for each change that is worth one."""

    def __init__(self, states: Sequence[State], write: Callable[[str], object]) -> None:
        self._write = write
        self._said: dict[str, tuple[object, ...]] = {}
        self._types = {state.operation_id: state.type for state in states}

    def take(self, event: Event) -> None:
        """Write it down, unless nothing much has changed."""
        state = event.state
        if state is None:
            return
        progress = state.progress
        percentage = progress.percentage if progress else None
        gist = (
            state.status,
            state.attempt,
            progress and progress.phase,
            progress and progress.message,
            percentage is not None and percentage // STEP,
        )
        if self._said.get(state.operation_id) != gist:
            self._said[state.operation_id] = gist
            self._write(self._line(state))

    def _line(self, state: State) -> str:
        progress = state.progress
        words: list[str] = [state.status]
        if state.attempt > 1:
            words.append(f"attempt {state.attempt}")
        if progress is not None:
            words += [f"{progress.percentage:.0f} %"] if progress.percentage is not None else []
            words += [progress.phase] if progress.phase else []
            if progress.current is not None and progress.total is not None:
                words.append(f"{progress.current}/{progress.total}")
            words += [progress.message] if progress.message else []
        if state.status == Status.FAILED:
            words.append((state.error or {}).get("detail") or "")
        elif state.reason:
            words.append(state.reason)
        named = f"{moment(state.updated_at)} {state.operation_id} {self._types.get(state.operation_id, '')}"
        return clean(f"{named} {' '.join(map(str, words))}")
