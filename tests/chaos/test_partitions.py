"""A node that cannot reach the database, or is not reached by it, or only believes that it listens.

Guarantees D1, D5, L1, L3, L6, E8: what it held runs elsewhere within lease time + 10 s, nothing runs twice at once, and
it serves again within as much, without a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from accepted import history
from tests.chaos.campaign import SETTINGS, told
from tests.chaos.network import Network
from tests.processes.crowd import Crowd
from tests.processes.diary import Diary
from tests.processes.evidence import listed
from tests.processes.figures import Figures
from tests.processes.recorder import Recorder, sentences
from tests.processes.serving import Server
from tests.store.cluster import Cluster

pytestmark = pytest.mark.chaos

LEASE = 2.0
BOUND = LEASE + 10
SHORT = {"ACCEPTED_LEASE_TTL": f"{LEASE}s", "ACCEPTED_SCAN_INTERVAL": "500ms", "ACCEPTED_SLOTS": "100"}
HELD = 2  # operations at least, by the node that is cut off
ROUNDS = 20  # of each, a fifth of a second long


class Country(NamedTuple):
    """A database, a node near to it and one that is far, and all that is seen."""

    network: Network
    cluster: Cluster
    near: Server
    far: Server
    recorder: Recorder
    diary: Diary


@pytest.fixture
def country(tmp_path: Path) -> Iterator[Country]:
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(Network())
        cluster = stack.enter_context(Cluster(hosts=(network.near, network.far), inside=network.inside))
        servers = []
        for host in (network.near, network.far):
            url = cluster.url_of(cluster.primary, host=host)
            settings = {"ACCEPTED_DATABASE_URL": url, **SETTINGS, **SHORT}
            servers.append(stack.enter_context(Server(tmp_path, **settings)))  # type: ignore[arg-type]  # settings of many types
        near, far = servers
        yield Country(network, cluster, near, far, Recorder(tmp_path / "seen"), Diary(tmp_path / "diary"))
        near.end()
        far.end()


CUTS: dict[str, Callable[[Network], None]] = {
    "both ways": lambda network: network.cut(),
    "to the database": lambda network: network.cut(going=False),
    "from the database": lambda network: network.cut(coming=False),
}


async def test_a_node_behind_a_partition(country: Country, scale: int, figures: Figures) -> None:
    lasts = 0.0 if scale == 1 else BOUND  # beyond the moment when all runs elsewhere
    again: dict[str, list[float]] = {cut: [] for cut in CUTS}
    back: dict[str, list[float]] = {cut: [] for cut in CUTS}
    async with Crowd([country.near.url, country.far.url], country.recorder, seed=808) as crowd:
        for number, cut in enumerate([*CUTS] * max(scale // 5, 1)):
            held = await _far_patrols(country, crowd, f"key-{number}")
            crowd.watch(crowd.followed(held[0], [country.far.url]))
            since = time.monotonic()
            CUTS[cut](country.network)
            again[cut] += [await _begun_again(country, id) - since for id in held]
            await asyncio.sleep(lasts)
            country.network.mend()
            mended = time.monotonic()
            await _serves(crowd, country.far.url)
            back[cut].append(time.monotonic() - mended)
            await crowd.settled(60)
        await crowd.inspected()
    verdict = country.recorder.judged(await _listed(country), country.diary.records(), within=BOUND + lasts)
    assert sentences(verdict) == []
    for cut in CUTS:
        figures.milliseconds(f"PostgreSQL, cut {cut}, lease {LEASE:g} s: until all ran again elsewhere", again[cut])
        figures.milliseconds(f"PostgreSQL, cut {cut}, mended: until the node answers 200 again", back[cut])
        assert max(again[cut]) < BOUND
        assert max(back[cut]) < BOUND
    figures.note("PostgreSQL, partitions", told(verdict))


async def test_a_node_that_only_believes_that_it_listens(country: Country, figures: Figures) -> None:
    """Half-open LISTEN: streams there go on by looking, and the connection is made anew by itself."""
    async with Crowd([country.near.url], country.recorder, seed=909) as crowd:
        ears = await _listening(country)
        far = [port for address, port in ears if address.startswith("10.232.")]
        began = time.monotonic()
        for port in far:
            country.network.silence(port)
        ids = [await crowd.acknowledged("/notes", 50, f"key-{number}") for number in range(5)]
        following = [asyncio.create_task(crowd.followed(id, [country.far.url])) for id in ids]
        await asyncio.gather(*following, *(crowd.polled(id) for id in ids))
        told_after = time.monotonic() - began
        async with asyncio.timeout(BOUND + 5):
            while not _anew(far, await _listening(country)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        anew = time.monotonic() - began
        await crowd.settled(30)
    verdict = country.recorder.judged(await _listed(country), country.diary.records(), within=3)
    assert sentences(verdict) == []
    assert anew < BOUND
    figures.note("PostgreSQL, half-open LISTEN", f"{told(verdict)}; streams told within {told_after:.1f} s")
    figures.note("of it, until the node listens again", f"{anew:.1f} s")


def _anew(silenced: list[int], ears: list[tuple[str, int]]) -> bool:
    """Whether as many as were silenced listen on other connections."""
    fresh = [port for address, port in ears if address.startswith("10.232.") and port not in silenced]
    return len(fresh) >= len(silenced)


async def _listening(country: Country) -> list[tuple[str, int]]:
    """Address and port of each connection that listens."""
    connection = await asyncpg.connect(_near_url(country))
    try:
        rows = await connection.fetch(
            "SELECT host(client_addr) AS address, client_port AS port FROM pg_stat_activity"
            " WHERE application_name = 'accepted' AND (query ILIKE 'LISTEN%' OR query = 'SELECT 1')"
        )
    finally:
        await connection.close()
    return [(str(address), int(port)) for address, port in rows]


async def _listed(country: Country) -> list[history.Entry]:
    return await listed(_near_url(country))


def _near_url(country: Country) -> str:
    return country.cluster.url_of(country.cluster.primary, host=country.network.near)


async def _far_patrols(country: Country, crowd: Crowd, key: str) -> list[str]:
    """Operations that run in the far worker: as many are ordered as it takes for it to have some."""
    workers = {process.pid for process in country.far.family("worker")}
    asked: set[str] = set()
    while True:
        keys = [f"{key}-{len(asked) + each}" for each in range(4)]
        asked |= set(await asyncio.gather(*(crowd.acknowledged("/patrols", ROUNDS, each) for each in keys)))
        async with asyncio.timeout(30):
            while asked - {entry.operation for entry in country.diary.entries()}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        held = [e.operation for e in country.diary.entries() if e.operation in asked and e.pid in workers]
        if len(held) >= HELD:
            return held


async def _begun_again(country: Country, id: str) -> float:
    """When its second attempt began."""
    async with asyncio.timeout(3 * BOUND):
        while not (starts := [e for e in country.diary.of(id) if e.edge == "start" and e.attempt > 1]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return starts[0].at


async def _serves(crowd: Crowd, url: str) -> None:
    """Until a node reads and takes again."""
    await crowd.acknowledged("/notes", 1, "key-0-back")
    id = next(iter(crowd.acked))
    async with asyncio.timeout(3 * BOUND):
        while not await crowd.read(id, url):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
