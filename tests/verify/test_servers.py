"""Servers that are as they should be pass: ours on both stores, and one that has nothing to do with us."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from accepted.contract.caller import Caller, Role
from accepted.verify import Report
from accepted.verify.manifest import Auth, Feature, Tokens
from accepted.verify.report import Outcome
from tests.store.server import the_server
from tests.verify.serving import complaints, every_kind, example, judged, manifest_of, served, slow, sqlite

OF_ADMINS = (Feature.HEALTH, Feature.METRICS)  # neither caller is one, for an admin sees everybody's operations
ROLES = frozenset({Role.SUBMIT, Role.READ, Role.CANCEL})


def reached(report: Report) -> dict[str, bool]:
    return {verdict.level: verdict.reached for verdict in report.verdicts}


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_our_server_reaches_every_level(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = sqlite(tmp_path) if store == "sqlite" else the_server().database()
    app = every_kind(monkeypatch, database)
    async with served(app) as url:
        report = await judged(url, manifest_of("every_kind"))
    assert report.failed == [], complaints(report)
    assert reached(report) == {"core": True, "live": True, "full": True}
    left_out = {result.complaint for result in report.results if result.outcome is Outcome.LEFT_OUT}
    assert left_out == {f"{name} is not offered" for name in ("auth", "owners")}


async def test_our_server_keeps_callers_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"Bearer adas-token": Caller("ada", roles=ROLES), "Bearer bobs-token": Caller("bob", roles=ROLES)}

    async def who(connection: HTTPConnection) -> Caller | None:
        return known.get(connection.headers.get("authorization", ""))

    app = every_kind(monkeypatch, sqlite(tmp_path))
    app.authenticate = who
    offered = manifest_of("every_kind")
    manifest = msgspec.structs.replace(offered, auth=Auth(other="OTHER"), not_offered=OF_ADMINS)
    async with served(app) as url:
        report = await judged(url, manifest, tokens=Tokens("adas-token", "bobs-token"), leave=slow)
    assert report.failed == [], complaints(report)
    left_out = {result.complaint for result in report.results if result.outcome is Outcome.LEFT_OUT}
    assert left_out == {f"{feature} is not offered" for feature in OF_ADMINS}
    assert "adas-token" not in report.json().decode()


async def test_a_server_may_stand_behind_a_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = every_kind(monkeypatch, sqlite(tmp_path))
    async with app, served(Starlette(routes=[Mount("/api", app)]), lifespan="off") as url:
        report = await judged(f"{url}/api", manifest_of("every_kind"), leave=slow)
    assert report.failed == [], complaints(report)


async def test_a_server_that_is_none_of_ours_reaches_the_core() -> None:
    async with served(example("core_server").app, lifespan="off") as url:
        report = await judged(url, manifest_of("core_server"))
    assert [result for result in report.failed if result.check.level == "core"] == [], complaints(report)
    assert reached(report) == {"core": True, "live": False, "full": False}
