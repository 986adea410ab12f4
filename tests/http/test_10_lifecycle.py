"""Contract, section 10: retention, tombstones and cleaning; guarantees R1, R2 and R4."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from accepted import Artifact, Attempt
from tests.clock import MovableClock
from tests.databases import Database, on_sqlite, rows
from tests.http.api import Api, eventually, problem
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start

SECRET = "the-secret-of-somebody"
PATHS = [
    ("GET", "/operations/{op}"),
    ("GET", "/operations/{op}?redirect=false"),
    ("GET", "/operations/{op}/result"),
    ("POST", "/operations/{op}/cancel"),
    ("POST", "/operations/{op}/retry"),
    ("GET", "/jobs/{job}"),
    ("GET", "/jobs/{job}/logs"),
    ("POST", "/jobs/{job}/cancel"),
]


async def answers(api: Api, id: str) -> set[tuple[int, str]]:
    """(status, slug) over all of an operation's paths."""
    found = set()
    for method, path in PATHS:
        answer = await api.request(method, path.format(op=id, job=f"job-{id[3:]}"))
        found.add((answer.status_code, answer.json().get("type", "").rpartition("/")[2]))
    return found


def kept_for(done: dict[str, Any], end: str = "completedAt") -> float:
    """Hours between the end and `expiresAt`."""
    span = datetime.fromisoformat(done["expiresAt"]) - datetime.fromisoformat(done[end])
    return span.total_seconds() / 3600


async def test_it_is_kept_for_24_h_unless_configured(api: Api) -> None:
    assert kept_for(await api.run("/noops")) == 24
    assert kept_for(await api.run("/finals"), "failedAt") == 24
    assert kept_for(await api.run("/warnings")) == 24


async def test_retention_is_a_setting_and_one_of_each_operation(make_app: MakeApp, start: Start) -> None:
    app = make_app(retention="2h")

    @app.operation("/long", retention="48h")
    async def long() -> None: ...

    api = await start(app)
    assert kept_for(await api.run("/noops")) == 2
    assert kept_for(await api.run("/long")) == 48


async def test_what_has_not_ended_has_no_expires_at_and_does_not_expire(idle: Api, clock: MovableClock) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    clock.advance(days=400)
    await idle.sweep()
    found = await idle.status(id)
    assert (found["status"], "expiresAt" in found) == ("PENDING", False)


async def test_it_is_there_until_expires_at_then_410_on_every_path_for_30_days_then_404(
    api: Api, clock: MovableClock
) -> None:
    done = await api.run("/retryables")
    id = done["operationId"]
    clock.advance(hours=23.9)
    await api.sweep()
    assert await api.status(id) == done
    clock.advance(hours=0.2)
    assert await answers(api, id) == {(410, "operation-expired")}, "before the sweeper has come by"
    await api.sweep()
    assert await answers(api, id) == {(410, "operation-expired")}
    clock.advance(days=29.9)
    await api.sweep()
    assert await answers(api, id) == {(410, "operation-expired")}
    clock.advance(days=0.2)
    await api.sweep()
    assert await answers(api, id) == {(404, "operation-not-found")}


async def test_410_says_when_it_expired(api: Api, clock: MovableClock) -> None:
    done = await api.run("/noops")
    clock.advance(hours=24.1)
    for _ in range(2):
        found = problem(await api.get(f"/operations/{done['operationId']}"), 410, "operation-expired")
        assert found["expiredAt"] == done["expiresAt"]
        await api.sweep()


async def test_head_of_what_has_expired_is_410(api: Api, clock: MovableClock) -> None:
    id = (await api.run("/noops"))["operationId"]
    clock.advance(hours=24.1)
    assert (await Exchange("HEAD", f"/operations/{id}").through(api.app)).status == 410


async def test_somebody_elses_tombstone_is_404(api: Api, clock: MovableClock) -> None:
    handle = await api.app.submit("noop", owner="somebody")
    await handle.wait(10)
    clock.advance(hours=24.1)
    await api.sweep()
    problem(await api.get(f"/operations/{handle.id}"), 404, "operation-not-found")


async def test_what_has_expired_is_not_in_the_history(api: Api, clock: MovableClock) -> None:
    await api.run("/noops")
    clock.advance(hours=24.1)
    await api.sweep()
    assert await api.total() == 0


@pytest.fixture
async def secretive(make_app: MakeApp, start: Start) -> Api:
    """Operations that leave a secret wherever something can be left."""
    app = make_app()

    @app.operation("/secrets", result="/secrets/{secretId}")
    async def secret(value: str, attempt: Attempt) -> Artifact:
        attempt.log(value)
        attempt.warn("SECRET", value)
        await attempt.checkpoint(value)
        attempt.progress(1, 2, value)
        return Artifact(value.encode() * 1000, filename=value, secretId=value)

    return await start(app)


async def test_only_id_owner_and_times_remain(secretive: Api, clock: MovableClock, database: Database) -> None:
    done = await secretive.run("/secrets", SECRET)
    assert SECRET in str(done)
    clock.advance(hours=24.1)
    await secretive.sweep()
    left = rows(database)
    assert left.pop("tombstone") == 1
    for table in ("operation", "event", "payload", "log_line", "chunk"):
        assert left[table] == 0, table
    # The digest of the result's path stays with the tombstone, so that the path can say 410 and not 404.
    assert left["resource"] == 1


@on_sqlite
async def test_no_byte_of_it_remains_in_the_file(secretive: Api, clock: MovableClock, tmp_path: Path) -> None:
    await secretive.run("/secrets", SECRET)
    clock.advance(hours=24.1)
    await secretive.sweep()
    await secretive.app.stop()
    content = (tmp_path / "accepted.db").read_bytes()
    assert not (tmp_path / "accepted.db-wal").exists()
    assert b"tombstone" in content
    assert SECRET.encode() not in content


async def test_cleaning_is_automatic(api: Api, clock: MovableClock, database: Database) -> None:
    await api.run("/noops")

    async def left(table: str, days: int) -> int:
        clock.advance(days=days)
        return int(rows(database)[table])

    await eventually(partial(left, "operation", 1), lambda number: number == 0)
    await eventually(partial(left, "tombstone", 30), lambda number: number == 0)


async def test_any_number_is_cleaned_by_any_number_of_nodes(
    make_app: MakeApp, start: Start, clock: MovableClock, database: Database
) -> None:
    api, other = await start(make_app()), await start(make_app(worker=False))
    ids = [(await api.submit("/noops"))["operationId"] for _ in range(250)]
    for id in ids:
        await api.ended(id)
    clock.advance(hours=24.1)
    await other.sweep()
    await api.sweep()
    left = rows(database)
    assert (left["operation"], left["tombstone"]) == (0, 250)
    clock.advance(days=31)
    for _ in range(3):
        await api.sweep()
    assert rows(database)["tombstone"] == 0


async def test_an_expired_operation_is_never_back(make_app: MakeApp, start: Start, clock: MovableClock) -> None:
    api = await start(make_app())
    id = (await api.run("/noops"))["operationId"]
    clock.advance(hours=24.1)
    await api.sweep()
    await api.app.stop()
    assert (await (await start(make_app())).get(f"/operations/{id}")).status_code == 410
