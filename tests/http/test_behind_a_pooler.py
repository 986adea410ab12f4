"""One walk through the contract behind PgBouncer in transaction mode; the store's own suite runs there too."""

from __future__ import annotations

from tests.databases import on_pooler
from tests.http.api import Api, document, problem
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates
from tests.sse import parsed


@on_pooler
async def test_two_nodes_agree(make_app: MakeApp, start: Start, gates: Gates) -> None:
    here, there = await start(make_app()), await start(make_app(worker=False))
    first = await there.submit("/echoes", {"a": [1, 2]}, Idempotency_Key="k")
    assert (await here.submit("/echoes", {"a": [1, 2]}, Idempotency_Key="k"))["operationId"] == first["operationId"]
    problem(await here.post("/echoes", json=3, headers={"idempotency-key": "k"}), 422, "idempotency-key-reused")
    done = await there.ended(first["operationId"])
    assert (done["status"], done["result"]["a"]) == ("COMPLETED", [1, 2])
    streamed = await here.get(f"/operations/{first['operationId']}/stream", headers={"Last-Event-ID": "0"})
    events = parsed(streamed.content)
    assert [event.id for event in events] == [str(number) for number in range(1, len(events) + 1)]
    failed = await here.run("/retryables")
    retried = await there.post(failed["links"]["retry"])
    assert (retried.status_code, document(retried)["retryOf"]) == (202, failed["operationId"])
    running = (await there.submit("/partials"))["operationId"]
    await gates.started.passed()
    assert (await there.post(f"/operations/{running}/cancel")).status_code in {200, 202}
    assert (await here.ended(running))["status"] == "CANCELLED"
    assert await _counted(here) == await _counted(there) == 4


async def _counted(api: Api) -> int:
    assert (await api.get("/statistics")).status_code == 200
    return await api.total()
