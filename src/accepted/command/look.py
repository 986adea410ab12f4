"""`accepted get | list | logs | download`: what only looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..contract.operation import Status
from .remote import PATIENCE, SOON, Remote, complete_id, operation_id, remote_options
from .terminal import as_json, clean, clean_lines, day, is_terminal, moment, say, span, status

if TYPE_CHECKING:
    from rich.progress import Progress

    from ..client import Job, LogLine, State


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_id)
@remote_options
def get(remote: Remote, ids: tuple[str, ...]) -> None:
    """Say how operations are now."""
    from ..client import Client

    for id in ids:
        with Client(**remote.options(id)) as client:
            state = client.operation(operation_id(id)).status()
        click.echo(as_json(state.document) if remote.json else "\n".join(_told(state)))


def _told(state: State) -> Iterator[str]:
    progress = state.progress
    percentage = f"  {progress.percentage:.0f} %" if progress and progress.percentage is not None else ""
    yield f"{clean(state.operation_id)}  {clean(state.type)}  {status(state.status)}{percentage}"
    for name, at in (
        ("submitted", state.created_at),
        ("started", state.started_at),
        ("ended", state.completed_at or state.failed_at or state.cancelled_at),
        ("expected", state.estimated_completion),
        ("kept until", state.expires_at),
    ):
        if at is not None:
            yield _line(name, day(at))
    if state.attempt > 1:
        yield _line("attempt", str(state.attempt))
    if state.queue_position is not None:
        yield _line("in the queue", str(state.queue_position))
    if progress is not None and progress.message:
        yield _line("progress", progress.message)
    for phase in progress.phases if progress is not None else ():
        share = f" {phase.percentage:.0f} %" if phase.percentage is not None else ""
        yield _line("phase", f"{phase.name} {phase.status}{share} {span(phase.duration)}".rstrip())
    yield from _end(state)


def _end(state: State) -> Iterator[str]:
    if state.result is not None:
        yield f"  {'result':<13}{as_json(state.result)}"
    for warning in state.warnings:
        yield _line("warning", f"{warning.code}: {warning.message}")
    if state.error is not None:
        yield _line("error", str(state.error.get("title", "")))
        yield _line("", str(state.error.get("detail", "")))
    if state.reason is not None:
        yield _line("reason", state.reason)
    if state.partial_result is not None:
        yield f"  {'partial':<13}{as_json(state.partial_result)}"
    if "retry" in state.links:
        yield _line("to retry", f"accepted retry {state.operation_id}")
    if state.retry_of is not None:
        yield _line("retry of", state.retry_of)


def _line(name: str, text: str) -> str:
    return f"  {name:<13}{clean(text)}"


@click.command("list")
@click.option(
    "--status", "statuses", multiple=True, type=click.Choice(list(Status), case_sensitive=False), help="May repeat."
)
@click.option("--type", "types", multiple=True, help="Only these operations, such as sales-report. May repeat.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@remote_options
def list_operations(remote: Remote, statuses: tuple[str, ...], types: tuple[str, ...], limit: int) -> None:
    """List operations, newest first."""
    from ..client import Client

    with Client(**remote.options("")) as client:
        jobs = list(client.jobs(status=[Status(each) for each in statuses], type=types, limit=limit))
    if remote.json:
        for job in jobs:
            click.echo(as_json(job.document))
        return
    if not jobs:
        say("There is nothing" + (" like that." if statuses or types else " yet: accepted submit starts an operation."))
        return
    width = max([4, *(len(clean(job.type)) for job in jobs)])
    say(click.style(f"{'id':<29}  {'type':<{width}}  {'status':<21}  {'submitted':<19}  took", dim=True))
    for job in jobs:
        click.echo(_row(job, width))


def _row(job: Job, width: int) -> str:
    cells = f"{clean(job.operation_id)}  {clean(job.type):<{width}}  {status(job.status, 21)}"
    return f"{cells}  {day(job.submitted_at)}  {span(job.duration)}".rstrip()


@click.command()
@click.argument("id", metavar="ID", shell_complete=complete_id)
@click.option("-f", "--follow", is_flag=True, help="Also the lines to come, until it has ended.")
@remote_options
def logs(remote: Remote, id: str, follow: bool) -> None:
    """Print an operation's log."""
    from ..client import Client

    with Client(**remote.options(id)) as client:  # first whether it is there: a typing error is told soon
        client.operation(operation_id(id)).status()
    with Client(**remote.options(id, PATIENCE if follow else SOON)) as client:
        operation = client.operation(operation_id(id))
        operation.status()  # its links say where its log is
        for line in operation.logs(follow=follow):
            click.echo(as_json(line.document) if remote.json else _log_line(line))


_LEVELS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "bright_black"}


def _log_line(line: LogLine) -> str:
    level = click.style(f"{clean(line.level):<7}", fg=_LEVELS.get(line.level))
    fields = f"  {as_json(line.fields)}" if line.fields else ""
    return f"{moment(line.timestamp)} {level} {clean_lines(line.message, ' ' * 17)}{fields}"


@click.command()
@click.argument("id", metavar="ID", shell_complete=complete_id)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path(), help="A file or a folder; else here.")
@remote_options
def download(remote: Remote, id: str, output: Path) -> None:
    """Bring a result into a file, under the server's name for it unless you give one. Goes on where it broke off."""
    from ..client import Client

    with Client(**remote.options(id)) as client:
        client.operation(operation_id(id)).status()
    with Client(**remote.options(id, PATIENCE)) as client, _Meter(remote) as seen:
        path = client.operation(operation_id(id)).download(output, progress=seen)
    size = path.stat().st_size
    if remote.json:
        click.echo(as_json({"path": str(path), "size": size}))
    else:
        click.echo(clean(path))


class _Meter:
    """A bar of bytes on a terminal, from the first byte on; nothing elsewhere."""

    def __init__(self, remote: Remote) -> None:
        self._shown = is_terminal() and not remote.json
        self._progress: Progress | None = None

    def __enter__(self) -> Callable[[int, int | None], object]:
        return self._seen if self._shown else lambda there, of: None

    def _seen(self, there: int, of: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TimeRemainingColumn, TransferSpeedColumn

        if self._progress is None:
            columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=Console(stderr=True))
            self._progress.add_task("", total=None)
            self._progress.start()
        self._progress.update(TaskID(0), completed=there, total=of)

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()
