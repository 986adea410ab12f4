"""Keys and priorities by the decorator, seen over HTTP: the contract is as it was, and positions are true."""

from __future__ import annotations

import asyncio
from typing import Any

from accepted import Accepted
from tests.http.api import PATIENCE, Api
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates


def register(app: Accepted, gates: Gates) -> list[str]:
    began: list[str] = []

    def urgency(request: dict[str, Any]) -> int:
        return int(request.get("urgency", 0))

    @app.operation("/imports", concurrency_key=lambda request: request["customer"], priority=urgency)
    async def importing(request: dict[str, Any]) -> None:
        began.append(str(request["customer"]))
        await gates.go.passed()

    return began


async def imported(api: Api, customer: str, **members: object) -> str:
    return str((await api.submit("/imports", {"customer": customer, **members}))["operationId"])


async def test_one_of_a_key_runs_and_the_next_when_it_has_ended(make_app: MakeApp, start: Start, gates: Gates) -> None:
    app = make_app()
    began = register(app, gates)
    api = await start(app)
    ids = [await imported(api, customer) for customer in ("a", "a", "b", "a", "c")]
    async with asyncio.timeout(PATIENCE):
        while len(began) < 3:
            assert [(await api.status(id))["status"] for id in (ids[1], ids[3])] == ["PENDING", "PENDING"]
    assert sorted(began) == ["a", "b", "c"]
    assert "queuePosition" not in await api.status(ids[1])  # it has no turn before its key has room
    assert (await api.post(f"/operations/{ids[3]}/cancel")).status_code == 200
    gates.go.open()
    for id in (ids[0], ids[1], ids[2], ids[4]):
        assert (await api.ended(id))["status"] == "COMPLETED"
    assert sorted(began) == ["a", "a", "b", "c"]


async def test_a_position_tells_whose_turn_is_next(make_app: MakeApp, start: Start, gates: Gates) -> None:
    app = make_app()
    app.worker = False
    register(app, gates)
    api = await start(app)
    ids = [await imported(api, f"customer {urgency}", urgency=urgency) for urgency in (0, 9, 4)]
    async with asyncio.timeout(PATIENCE):  # positions are read from the store a few times a second
        while [(await api.status(id)).get("queuePosition") for id in ids] != [3, 1, 2]:
            pass


async def test_a_key_that_cannot_be_made_stores_nothing(make_app: MakeApp, start: Start, gates: Gates) -> None:
    app = make_app()
    register(app, gates)
    api = await start(app)
    assert (await api.post("/imports", json={"customer": "a", "urgency": 12})).status_code == 500
    assert (await api.post("/imports", json={})).status_code == 500
    assert (await api.get("/jobs")).json()["pagination"]["totalElements"] == 0
