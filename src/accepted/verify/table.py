"""A report as people read it: a table on a terminal, plain lines elsewhere; then each failure with its evidence."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .report import Outcome, Report, Result

SHOWN = 4  # exchanges of evidence
_WORDS = {Outcome.PASSED: ("ok", "green"), Outcome.FAILED: ("FAILED", "bold red"), Outcome.LEFT_OUT: ("-", "dim")}


def show(report: Report, console: Console) -> None:
    """Print all of it. Whatever the server said is printed as text, never as markup."""
    if console.is_terminal:
        console.print(_table(report))
    else:
        for line in _lines(report):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    for result in report.failed:
        _show_failure(result, console)
    console.print()
    counts = {outcome: sum(each.outcome is outcome for each in report.results) for outcome in Outcome}
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    console.print(f"{report.server}: {told}, in {report.took:.1f} s", markup=False, highlight=False, soft_wrap=True)
    for verdict in report.verdicts:
        style = "green" if verdict.reached else "bold red"
        console.print(Text(f"  {verdict.line}", style=style), soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(width=6, no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    section = ""
    for result in report.results:
        if result.check.section != section:
            section = result.check.section
            table.add_row("", Text(section, style="bold"), "", "")
        word, style = _WORDS[result.outcome]
        table.add_row(Text(word, style=style), Text(result.check.id, style=style), result.check.level, _said(result))
    return table


def _said(result: Result) -> Text:
    if result.outcome is Outcome.PASSED:
        return Text(result.check.shows)
    return Text(result.complaint, style="red" if result.outcome is Outcome.FAILED else "dim")


def _lines(report: Report) -> Iterator[str]:
    section = ""
    for result in report.results:
        if result.check.section != section:
            section = result.check.section
            yield f"\n{section}"
        said = result.check.shows if result.outcome is Outcome.PASSED else result.complaint
        yield f"  {_WORDS[result.outcome][0]:<7} {result.check.id:<24} {result.check.level:<5} {said}"


def _show_failure(result: Result, console: Console) -> None:
    console.print()
    console.print(Text(f"{result.check.id}: {result.complaint}", style="bold red"), soft_wrap=True)
    console.print(Text(f"  {result.check.shows} ({result.check.section})"), soft_wrap=True)
    exchanges = result.evidence.split("\n\n")
    if len(exchanges) > SHOWN:
        console.print(Text(f"  ({len(exchanges) - SHOWN} earlier exchanges; --json has them)", style="dim"))
    for exchange in exchanges[-SHOWN:]:
        console.print()
        for line in exchange.splitlines():
            console.print(Text(f"    {line}"), soft_wrap=True)
