"""The command: `python -m bench [QUANTITY ...]`, all of them without a name.

Exit code 0 where everything asked for was measured, whatever the figures say; 1 where something was not; 2 for bad
usage.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import machine, report
from bench.figure import Result
from bench.quantity import QUANTITIES
from bench.server import Broken
from bench.setting import SCRATCH, Setting, cores

UNMEASURED = (Broken, OSError, subprocess.SubprocessError, LookupError, ValueError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for and print it."""
    asked = _parser().parse_args(arguments)
    if asked.list:
        print("\n".join(f"{name:10} {quantity.summary}" for name, quantity in QUANTITIES.items()))
        return 0
    return _run(asked.quantity or list(QUANTITIES), _setting(asked), markdown=asked.markdown)


def _run(names: Sequence[str], setting: Setting, *, markdown: bool) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server is ended on the way out
    os.sched_setaffinity(0, {setting.load_core})
    facts, results = [*machine.facts(setting), *machine.doubts(setting)], dict(_measured(names, setting))
    print(report.document(facts, list(results.values()), padded=not markdown))
    failed = [name for name, found in results.items() if not found.figures]
    if failed:
        print(f"NOT MEASURED: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _measured(names: Sequence[str], setting: Setting) -> Iterator[tuple[str, Result]]:
    """Each quantity in turn; what is found is shown on stderr at once, since the whole takes a while."""
    for name in names:
        print(f"\n{name}: {QUANTITIES[name].summary}", file=sys.stderr, flush=True)
        try:
            found = QUANTITIES[name].measure(setting)
        except UNMEASURED as error:
            found = Result([], notes=[f"NOT MEASURED: {name}: {type(error).__name__}: {error}"])
        print(report.result(found), file=sys.stderr, flush=True)
        yield name, found


def _setting(asked: argparse.Namespace) -> Setting:
    server_core, load_core = cores()
    return Setting(
        rounds=asked.rounds,
        seconds=asked.seconds,
        connections=asked.connections,
        scale=asked.scale,
        scratch=asked.scratch,
        server_core=server_core,
        load_core=load_core,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Accepted against its floors.")
    parser.add_argument(
        "quantity", nargs="*", type=_known, metavar="QUANTITY", help="what to measure; default: everything"
    )
    parser.add_argument("--list", action="store_true", help="say what can be measured")
    parser.add_argument("--rounds", type=_positive, default=5, help="rounds of each subject (5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a round (3)")
    parser.add_argument("--connections", type=_positive, default=64, help="connections of the load (64)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the counted operations and seeds, for a quick look (1)"
    )
    parser.add_argument("--scratch", type=Path, default=SCRATCH, help=f"directory on a disk for the files ({SCRATCH})")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown for docs/performance.md")
    return parser


def _known(name: str) -> str:
    if name not in QUANTITIES:
        raise argparse.ArgumentTypeError(f"there is no {name}; see --list")
    return name


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
