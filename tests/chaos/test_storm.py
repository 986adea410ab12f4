"""kill -9 of web, workers and scribes at random under load, with keys: guarantees D1, S3, E1, I1, I4, L1."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.processes.crowd import Crowd
from tests.processes.diary import Diary
from tests.processes.evidence import integrity, listed
from tests.processes.figures import Figures
from tests.processes.recorder import Recorder, sentences
from tests.processes.serving import Server
from tests.processes.storm import Storm, recoveries, silences

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("seed", [202])
async def test_a_storm_of_kills_loses_nothing(tmp_path: Path, seed: int, scale: int, figures: Figures) -> None:
    operations, kills = max(300, 200 * scale), max(10, 5 * scale)
    recorder, diary = Recorder(tmp_path / "seen"), Diary(tmp_path / "diary")
    # So many deaths may well meet one operation three times; that this ends it is another test's business.
    with Server(tmp_path, workers=2, ACCEPTED_MAX_CRASHES="1000", ACCEPTED_LOG_FORMAT="json") as server:
        async with Crowd([server.url], recorder, seed=seed) as crowd:
            storm = Storm([server], crowd, recorder, seed=seed)
            await storm.run(operations=operations, kills=kills)
            await crowd.settled(60)
            await crowd.inspected()
        server.end()
    there = await listed(f"sqlite:///{server.database}")
    verdict = recorder.judged(there, diary.records())
    assert sentences(verdict) == []
    assert len(there) == verdict.acknowledged == operations
    assert integrity(server.database) == "ok"
    entries = diary.entries()
    figures.note("killed", dict(Counter(kill.role for kill in storm.kills)))
    figures.milliseconds("worker killed: until what it ran runs again", recoveries(entries, storm.kills) or [0.0])
    figures.milliseconds("web killed: no 202 for", silences(crowd.acked_at, storm.kills) or [0.0])
