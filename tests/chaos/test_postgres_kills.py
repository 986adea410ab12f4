"""kill -9 of web and worker processes of two servers on one PostgreSQL: guarantees D1, S3, E1, E2, I1, I4, L1."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.campaign import campaign, sized, told
from tests.processes.figures import Figures
from tests.processes.recorder import sentences
from tests.processes.storm import Storm, recoveries, silences
from tests.store.pooler import the_pooler
from tests.store.server import the_server

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("way", ["directly", "through a pooler"])
async def test_a_storm_of_kills_loses_nothing_on_many_nodes(
    way: str, tmp_path: Path, scale: int, figures: Figures
) -> None:
    operations, kills = sized(scale, 200, 10_000), sized(scale, 6, 200)
    url, settings = the_server().database(), {}
    if way == "through a pooler":
        settings = {
            "ACCEPTED_DATABASE_URL": the_pooler().url(url),
            "ACCEPTED_LISTEN_URL": url,
            "ACCEPTED_PREPARED_STATEMENTS": "off",
        }
    with campaign(tmp_path, url, **settings) as day:
        async with day.crowd(seed=404) as crowd:
            storm = Storm(day.servers, crowd, day.recorder, seed=404, roles=("web", "worker"))
            await storm.run(operations=operations, kills=kills)
            await crowd.settled(120)
            await crowd.inspected()
    verdict = await day.verdict()
    assert sentences(verdict) == []
    assert verdict.acknowledged == operations
    killed = dict(Counter(kill.role for kill in storm.kills))
    figures.note(
        f"PostgreSQL {way}, kill storm", f"{told(verdict)}; {kills} kills {killed}; {verdict.records:,} records"
    )
    again = recoveries(day.diary.entries(), storm.kills)
    figures.milliseconds(f"PostgreSQL {way}, worker killed: until what it ran runs again", again or [0.0])
    figures.milliseconds(f"PostgreSQL {way}, web killed: no 202 for", silences(crowd.acked_at, storm.kills) or [0.0])
