"""`accepted check-history`: whether a recorded day kept the promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from .. import history

SHOWN = 5  # of one kind; the rest is counted
READABLE, VIOLATED, UNREADABLE = 0, 1, 2


@click.command("check-history")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True), metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with everything.")
@click.option("--within", default=5.0, show_default=True, metavar="SECONDS", help="How late a stream may tell an end.")
@click.option("--meant", multiple=True, metavar="STATE", help="States that operations may end in; else any.")
def check_history(files: tuple[Path, ...], as_json: bool, within: float, meant: tuple[str, ...]) -> None:
    """Hold what clients saw and functions did (JSON lines) against the guarantees.

    The records are described in docs/reliability.md. Exits with 1 for a violation, with 2 for a file that cannot be
    read.
    """
    try:
        verdict = history.judge(_entries(files), within=within, meant=frozenset(meant) if meant else None)
    except (history.Unreadable, OSError) as error:
        click.echo(f"accepted: {error}", err=True)
        raise SystemExit(UNREADABLE) from None
    click.echo(_document(verdict) if as_json else "\n".join(_table(verdict)))
    raise SystemExit(READABLE if verdict.kept else VIOLATED)


def _entries(files: tuple[Path, ...]) -> Iterator[history.Entry]:
    for file in files:
        with click.open_file(str(file), "rb") as lines:
            yield from history.read(file.name, lines)


def _document(verdict: history.Verdict) -> str:
    violations = [
        {"guarantee": v.guarantee, "rule": v.rule, "sentence": v.sentence, "evidence": [e.line() for e in v.evidence]}
        for v in verdict.violations
    ]
    found = {
        "kept": verdict.kept,
        "records": verdict.records,
        "operations": verdict.operations,
        "acknowledged": verdict.acknowledged,
        "violations": violations,
    }
    return msgspec.json.format(msgspec.json.encode(found)).decode()


def _table(verdict: history.Verdict) -> Iterator[str]:
    counts = Counter((violation.guarantee, violation.rule) for violation in verdict.violations)
    told: Counter[tuple[str, str]] = Counter()
    for violation in verdict.violations:
        kind = (violation.guarantee, violation.rule)
        told[kind] += 1
        if told[kind] <= SHOWN:
            yield f"{violation.guarantee:<3} {violation.rule}: {violation.sentence}"
            yield from (f"      {entry.line()}" for entry in violation.evidence)
        if told[kind] == counts[kind] > SHOWN:
            yield f"{violation.guarantee:<3} {violation.rule}: {counts[kind] - SHOWN} more"
    word = "kept" if verdict.kept else f"BROKEN, {len(verdict.violations)} times"
    yield (f"{verdict.records} records of {verdict.operations} operations, {verdict.acknowledged} acknowledged: {word}")
