"""The tables: aligned for the terminal, or as Markdown for docs/performance.md. Both are Markdown tables; only the
padding differs."""

from collections.abc import Iterator, Sequence

from bench.figure import Figure, Result, Row

FIGURES = ("quantity", "measured", "low to high", "n", "floor", "aim", "reached")
ROWS = ("quantity", "subject", "per second", "low to high", "CPU µs each", "p50 ms", "p99 ms", "n", "remark")


def document(facts: Sequence[str], results: Sequence[Result], *, padded: bool) -> str:
    """Facts, figures, the rows under them and the remarks; `padded` aligns the columns for a terminal."""
    figures = [_figure(figure) for result in results for figure in result.figures]
    rows = [_row(row) for result in results for row in result.rows]
    notes = [note for result in results for note in result.notes]
    parts = [_list(facts), _table(FIGURES, figures, padded=padded), _table(ROWS, rows, padded=padded), _list(notes)]
    return "\n\n".join(part for part in parts if part)


def result(found: Result) -> str:
    """The figures of one result as soon as they are there, for the terminal."""
    return document([], [Result(found.figures, notes=found.notes)], padded=True)


def _figure(figure: Figure) -> tuple[str, ...]:
    unit = f" {figure.unit}" if figure.unit else ""
    spread = f"{_number(figure.low)} to {_number(figure.high)}{unit}"
    bounds = ("" if bound is None else f"{bound:g}{unit}" for bound in (figure.floor, figure.aim))
    return (figure.what, f"{_number(figure.value)}{unit}", spread, str(figure.rounds), *bounds, figure.verdict)


def _row(row: Row) -> tuple[str, ...]:
    spread = f"{_number(min(row.rates))} to {_number(max(row.rates))}"
    latency = (_number(row.median(field)) if row.median(field) else "" for field in ("p50", "p99"))
    count = str(len(row.samples))
    return (
        row.quantity,
        row.subject,
        _number(row.median("rate")),
        spread,
        _number(row.median("cpu_us")),
        *latency,
        count,
        row.remark,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, padded: bool) -> str:
    if not rows:
        return ""
    widths = [max(len(line[column]) for line in (heads, *rows)) if padded else 0 for column in range(len(heads))]
    return "\n".join(_lines(heads, rows, widths))


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for line in (heads, ["-" * max(width, 3) for width in widths], *rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
