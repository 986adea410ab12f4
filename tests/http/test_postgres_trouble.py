"""PostgreSQL in trouble, as a client sees it: silent in a commit, out of connections, a standby among its hosts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from accepted import Accepted
from accepted.store import postgres_doubt
from tests.http import menu
from tests.http.api import Api, problem
from tests.http.conftest import Start
from tests.http.gate import Gates
from tests.store.cluster import Cluster
from tests.store.server import the_server
from tests.store.wire import Wire


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with Wire(the_server().database()).laid() as wire:
        yield wire


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A primary, and a standby that can be read."""
    with Cluster(standby=True) as cluster:
        yield cluster


def app_on(url: str, gates: Gates) -> Accepted:
    app = Accepted(database=url, notify=False, drain_timeout=0.5)
    menu.register(app, gates)
    return app


async def test_a_fate_that_nobody_tells_is_504_and_the_key_finds_it(
    wire: Wire, start: Start, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guarantee D4: no refusal, for the operation is there; and with its key it is the same one."""
    api = await start(app_on(wire.url, gates))
    await api.run("/noops")
    monkeypatch.setattr(postgres_doubt, "PATIENCE", 0.2)
    wire.breaks = "for good"
    answer = await api.post("/echoes", json=1, headers={"idempotency-key": "k"})
    problem(answer, 504, "outcome-unknown")
    assert int(answer.headers["retry-after"]) > 0
    wire.whole = True
    again = await _accepted(api, "k")
    assert (await api.status(again))["type"] == "echo"
    assert await _accepted(api, "k") == again
    assert await api.total() == 2


async def test_a_server_without_a_free_connection_is_503_until_there_is_one(
    cluster: Cluster, start: Start, gates: Gates
) -> None:
    """Guarantee D5: nothing stored, and no restart when it is over."""
    url = cluster.url_of(cluster.primary)
    api = await start(app_on(url, gates))
    first = await api.run("/noops")
    before = await api.total()
    async with _all_of_them(url):
        problem(await api.post("/noops", headers={"content-type": "application/json"}), 503, "overloaded")
        assert (await api.get("/health/ready")).status_code == 503
        assert (await api.get(f"/operations/{first['operationId']}")).status_code == 503
    assert (await api.ended(await _accepted(api, "k")))["status"] == "COMPLETED"
    assert await api.total() == before + 1
    assert (await api.status(first["operationId"])) == first


async def test_a_standby_is_passed_over(cluster: Cluster, start: Start, gates: Gates) -> None:
    """It comes first in the URL, and can be read; both reads and commits go to who takes writes."""
    primary, standby = (f"{cluster.host}:{one.port}" for one in (cluster.primary, cluster.other))
    name = cluster.url.rpartition("/")[2]
    api = await start(app_on(f"postgresql://postgres@{standby},{primary}/{name}", gates))
    assert (await api.run("/echoes", [1]))["status"] == "COMPLETED"
    assert await _guests(cluster.url_of(cluster.primary)) > 0
    assert await _guests(cluster.url_of(cluster.other)) == 0


async def _accepted(api: Api, key: str) -> str:
    """The id of what is submitted with this key, as soon as it is accepted."""
    async with asyncio.timeout(20):
        while (answer := await api.post("/echoes", json=1, headers={"idempotency-key": key})).status_code != 202:
            assert answer.status_code in {503, 504}, answer.text
            await asyncio.sleep(0.05)
    return str(answer.json()["operationId"])


@contextlib.asynccontextmanager
async def _all_of_them(url: str) -> AsyncIterator[None]:
    """Every connection that the server has, those of an app taken away from it."""
    taken = [await asyncpg.connect(url)]
    theirs = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'accepted'"
    try:
        full = 0
        while full < 5:  # those that were ended take a moment to go
            try:
                taken.append(await asyncpg.connect(url))
            except asyncpg.TooManyConnectionsError:
                full = 0 if await taken[0].fetch(theirs) else full + 1
                await asyncio.sleep(0.01)
        yield
    finally:
        for connection in taken:
            connection.terminate()


async def _guests(url: str) -> int:
    """How many connections of ours a server has."""
    connection = await asyncpg.connect(url)
    try:
        return int(
            await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'accepted'")
        )
    finally:
        await connection.close()
