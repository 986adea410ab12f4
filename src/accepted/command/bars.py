"""Operations as bars on a terminal, live: with phases, rate and time left while there is room, else a line each.

Texts of the server become `Text`, never markup, and are cleaned before (terminal.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from .pace import Pace
from .terminal import clean, span

if TYPE_CHECKING:
    from ..client import Event, Phase, State

_MARKS = {
    "COMPLETED": ("✓", "green"),
    "COMPLETED_WITH_ERRORS": ("!", "yellow"),
    "FAILED": ("✗", "red"),
    "CANCELLED": ("■", "magenta"),
    "PENDING": ("·", "dim"),
}


class View:
    """One operation: its last state, and how fast it goes."""

    def __init__(self, state: State, now: float) -> None:
        self.state = state
        self._since = state.started_at or state.created_at
        self._began = now - self._past(state)
        self.pace = Pace()
        self.pace.feed(state, now)

    def take(self, state: State, now: float) -> None:
        """What has changed; events do not repeat all that a status document says."""
        self.pace.feed(state, now)
        if self.state.status == "PENDING" and state.status != "PENDING":
            self._began, self._since = now, state.updated_at
        self.state = state

    def took(self, now: float) -> float:
        """Seconds since it has started; both of its dates are the server's, and between them runs our own clock."""
        return self._past(self.state) if self.state.ended else now - self._began

    def _past(self, state: State) -> float:
        if state.updated_at is None or self._since is None:
            return 0.0
        return max((state.updated_at - self._since).total_seconds(), 0.0)


class Bars:
    """All operations that are watched, as one renderable; a context manager while they are shown."""

    def __init__(self, states: list[State], now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._views = {state.operation_id: View(state, now()) for state in states}
        self._names = {state.operation_id: clean(state.type) for state in states}
        self._whole = False
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            self, console=Console(stderr=True, highlight=False), refresh_per_second=8, vertical_overflow="visible"
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._whole = True  # what stays on the screen is all of it
        self._live.stop()

    def take(self, event: Event) -> None:
        """Show what has happened."""
        if event.state is not None and event.state.operation_id in self._views:
            self._views[event.state.operation_id].take(event.state, self._now())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = sum(1 + len(_phases(view.state)) for view in self._views.values())
        room = lines if self._whole else console.height - 1
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(no_wrap=True, overflow="ellipsis", width=min(self._title_width(), options.max_width // 3))
        table.add_column(width=max(min(options.max_width // 4, 30), 8))
        table.add_column(no_wrap=True, justify="right", width=5)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        views = list(self._views.items())
        if len(views) > room:  # those that go on are worth the room
            views = sorted(views, key=lambda item: item[1].state.ended)[: room - 1]
        for id, view in views:
            self._add(table, id, view, phases=lines <= room)
        yield table
        if len(views) < len(self._views):
            yield Text(f"  and {len(self._views) - len(views)} more", style="dim")

    def _title_width(self) -> int:
        phases = [4 + len(clean(phase.name)) for view in self._views.values() for phase in _phases(view.state)]
        return max(*phases, *(10 + len(name or "operation") for name in self._names.values()), 0)

    def _add(self, table: Table, id: str, view: View, *, phases: bool) -> None:
        state = view.state
        mark: Text | Spinner = self._spinner if state.status == "PROCESSING" else _mark(state.status)
        title = Text.assemble((self._names[id] or "operation", "bold"), " ", (clean(id)[-8:], "dim"))
        percentage = state.progress.percentage if state.progress else None
        bar = _bar(percentage, pulse=state.status == "PROCESSING", done=state.succeeded)
        table.add_row(mark, title, bar, _percent(percentage), self._tail(view))
        for phase in _phases(state) if phases else ():
            table.add_row("", *_phase_cells(phase, state, view.pace))

    def _tail(self, view: View) -> Text:
        """What else there is to say, the most important first."""
        state, now = view.state, self._now()
        parts: list[tuple[str, str]] = []
        if state.status != "PROCESSING":
            parts.append((state.status, _MARKS.get(state.status, ("", ""))[1]))
        if state.attempt > 1:
            parts.append((f"attempt {state.attempt}", "yellow"))
        if state.status == "PENDING" and state.queue_position:
            parts.append((f"{state.queue_position} in the queue", ""))
        if state.ended:
            parts += [(text, "") for text in _outcome(state)]
            parts.append((span(view.took(now)), "dim"))
        else:
            left = view.pace.left(state, now)
            parts.append((f"{span(view.took(now))}{'' if left is None else f', {span(left)} left'}", "dim"))
            if not _phases(state):
                parts += [(text, "") for text in _details(state, view.pace)]
        return Text("  ").join(Text(text, style=style) for text, style in parts if text)


def _phases(state: State) -> tuple[Phase, ...]:
    return state.progress.phases if state.progress is not None else ()


def _phase_cells(phase: Phase, state: State, pace: Pace) -> Iterator[Text | ProgressBar]:
    running = phase.status == "IN_PROGRESS"
    mark, style = ("▸", "cyan") if running else _MARKS.get(phase.status, ("·", "dim"))
    yield Text.assemble(" ", (mark, style), " ", (clean(phase.name), "" if running else "dim"))
    yield _bar(phase.percentage, pulse=True, done=False) if running else Text()
    yield _percent(phase.percentage if running else None)
    details = Text("  ").join(Text(text) for text in _details(state, pace))
    yield details if running else Text(span(phase.duration), "dim")


def _details(state: State, pace: Pace) -> Iterator[str]:
    progress = state.progress
    if progress is None:
        return
    if progress.current is not None:
        yield f"{progress.current:,}" + ("" if progress.total is None else f"/{progress.total:,}")
    if pace.rate is not None:
        yield f"{pace.rate:,.0f}/s" if pace.rate >= 10 else f"{pace.rate:.1f}/s"
    if progress.message:
        yield clean(progress.message)


def _outcome(state: State) -> Iterator[str]:
    error = state.error or {}
    if state.status == "FAILED":
        yield clean(error.get("detail") or error.get("title") or "")
    elif state.reason:
        yield clean(state.reason)
    elif state.warnings:
        yield "1 warning" if len(state.warnings) == 1 else f"{len(state.warnings)} warnings"


def _bar(percentage: float | None, *, pulse: bool, done: bool) -> ProgressBar:
    value = 100.0 if done and percentage is None else percentage
    moving = value is None and pulse
    return ProgressBar(total=None if moving else 100, completed=value or 0, pulse=moving)


def _percent(percentage: float | None) -> Text:
    return Text("" if percentage is None else f"{percentage:.0f} %")


def _mark(status: str) -> Text:
    mark, style = _MARKS.get(status, ("·", "dim"))
    return Text(mark, style=style)
