"""`accepted verify`: the conformance kit at the command line."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..verify.check import Check
    from ..verify.manifest import Manifest, Tokens
    from ..verify.report import Report


@click.command()
@click.argument("url")
@click.option(
    "--manifest",
    "-m",
    type=click.Path(path_type=Path),
    default="verify.toml",
    show_default=True,
    help="Which operations to use; see docs/verify.md.",
)
@click.option(
    "--level", type=click.Choice(["core", "live", "full"]), default="full", show_default=True, help="How far to go."
)
@click.option("--section", multiple=True, metavar="NAME", help="Only this section, such as poll; may repeat.")
@click.option("--check", "ids", multiple=True, metavar="ID", help="Only this check, such as poll.etag; may repeat.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write it as JUnit XML too.")
@click.option("--list", "listed", is_flag=True, help="Only print which checks there are.")
@click.option("--at-once", type=click.IntRange(1, 64), default=12, show_default=True, help="Checks at the same time.")
def verify(
    url: str,
    manifest: Path,
    level: str,
    section: tuple[str, ...],
    ids: tuple[str, ...],
    as_json: bool,
    junit: Path | None,
    listed: bool,
    at_once: int,
) -> None:
    """Hold the server at URL, in whatever language, against the pattern; say which level it reaches.

    Exits with 0 if no check failed, 1 if some did, 2 if nothing could be checked.
    """
    from ..verify.check import Level
    from ..verify.manifest import InvalidManifest, load, tokens
    from ..verify.run import Unreachable, chosen

    try:
        checks = chosen(Level(level), section, ids)
        if listed:
            for each in checks:
                click.echo(f"{each.id:<24} {each.level:<5} {each.shows}")
            return
        read = load(manifest)
        report = asyncio.run(_watched(read, url, checks, tokens(read, os.environ), at_once, quiet=as_json))
    except (LookupError, InvalidManifest, Unreachable) as error:
        raise click.UsageError(str(error)) from None
    if junit is not None:
        junit.write_bytes(report.junit())
    _tell(report, as_json)
    raise SystemExit(1 if report.failed else 0)


async def _watched(
    manifest: Manifest, url: str, checks: list[Check], tokens: Tokens, at_once: int, *, quiet: bool
) -> Report:
    """The run, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from ..verify.run import verify as run

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=len(checks))
        return await run(
            manifest,
            url,
            checks,
            tokens=tokens,
            at_once=at_once,
            told=lambda result: bar.update(task, advance=1, description=result.check.id),
        )


def _tell(report: Report, as_json: bool) -> None:
    from rich.console import Console

    from ..verify.table import show

    if as_json:
        click.echo(report.json().decode())
    else:
        show(report, Console())
