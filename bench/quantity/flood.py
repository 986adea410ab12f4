"""What the flood of one owner does to the work of another: 100,000 operations that wait, one worker, functions of 5 ms.

"Delayed less than twofold" is about whoever orders now and then and waits for each: from the call to the result, beside
the flood against alone, in the same process. Such a one waits for the next slot that gets free and for nobody in line.
(Whoever could keep all slots busy alone gets half of them beside a flood, and so is done in twice the time at most.)
"""

import subprocess
from collections.abc import Sequence

from bench import flooded, ours, postgres
from bench.figure import Figure, Result, figure, percentile, ratio
from bench.flooded import Took
from bench.setting import Setting

FLOOD = 100_000
ASKED_A_SECOND = 100  # only sets how many a round has


def measure(setting: Setting) -> Result:
    """Ratios of the median and of the 99th percentile, and the milliseconds behind them, on both stores."""
    note = f"flood: {setting.count(FLOOD):,} waiting, {flooded.SLOTS} slots, {_asked(setting)} operations a round each"
    figures = [*_figures("SQLite", _on_sqlite(setting)), *_figures("PostgreSQL", _on_postgres(setting))]
    return Result(figures, notes=[note])


def _on_sqlite(setting: Setting) -> list[Took]:
    found = []
    for _ in range(setting.rounds):
        with setting.directory() as directory:
            found.append(_round(f"sqlite:///{ours.database(directory)}", setting))
    return found


def _on_postgres(setting: Setting) -> list[Took]:
    found = []
    for _ in range(setting.rounds):
        with setting.directory() as directory, postgres.running(directory, setting.load_core) as (_, url):
            subprocess.run((ours.script(), "migrate", "--database", url), check=True, stdout=subprocess.DEVNULL)
            found.append(_round(url, setting))
    return found


def _round(url: str, setting: Setting) -> Took:
    return flooded.run(url, _asked(setting), setting.count(FLOOD), setting.server_core)


def _asked(setting: Setting) -> int:
    return setting.count(int(ASKED_A_SECOND * setting.seconds))


def _figures(store: str, rounds: Sequence[Took]) -> list[Figure]:
    found = []
    for name, share in (("median", 0.5), ("99th percentile", 0.99)):
        alone = [percentile(took.alone, share) for took in rounds]
        beside = [percentile(took.flooded, share) for took in rounds]
        bound = {"floor": 2.0} if share == 0.5 else {}
        found += [
            figure(alone, quantity="flood", what=f"{store}, alone: {name}", unit="ms"),
            figure(beside, quantity="flood", what=f"{store}, beside the flood: {name}", unit="ms"),
            ratio(beside, alone, quantity="flood", what=f"{store}: {name}, flooded / alone", smaller=True, **bound),
        ]
    return found
