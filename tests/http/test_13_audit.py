"""The audit trail: who did what, with which key, and never the key itself."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest

from accepted.http.guard import STRANGERS
from accepted.logs import JsonLines, TextLines
from tests.clock import MovableClock
from tests.http.api import Api
from tests.http.conftest import MakeApp, Start
from tests.http.conversation import Conversation
from tests.http.test_13_keys import bearing


class Kept(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def actions(self) -> list[str]:
        return [str(record.__dict__["action"]) for record in self.records]


@pytest.fixture
def trail() -> Iterator[Kept]:
    """Everything that is written down."""
    log, kept = logging.getLogger("accepted.audit"), Kept()
    log.addHandler(kept)
    log.setLevel("INFO")
    yield kept
    log.removeHandler(kept)
    log.setLevel("NOTSET")


async def test_everything_that_changes_something_is_written_down(idle: Api, trail: Kept) -> None:
    made = await idle.app.keys.create("acme", "submit,read")
    acme = bearing(made.token)
    id = (await idle.post("/noops", headers=acme)).json()["operationId"]
    await idle.post("/noops", headers={**acme, "Idempotency-Key": "k"})
    await idle.post("/noops", headers={**acme, "Idempotency-Key": "k"})  # the same again is nothing new
    await idle.get(f"/operations/{id}", headers=acme)
    await idle.post(f"/operations/{id}/ticket", headers=acme)
    await idle.post(f"/operations/{id}/cancel", headers=acme)
    retried = (await idle.post(f"/operations/{id}/retry", headers=acme)).json()["operationId"]
    socket = Conversation(idle.app, f"/operations/{retried}/status", headers=acme)
    await socket.heard(1)
    socket.say({"command": "cancel"})
    await socket.ended()
    await idle.get("/metrics", headers=acme)
    new = await idle.app.keys.rotate(made.key.id)
    await idle.app.keys.revoke(new.key.id)
    await asyncio.sleep(0)  # lines of one turn of the loop are written at its end
    assert trail.actions() == [
        "create-key", "submit", "submit", "ticket", "cancel", "retry", "cancel", "refused", "rotate-key", "revoke-key",
    ]  # fmt: skip
    about = trail.records[1].__dict__
    assert (about["owner"], about["key"], about["operation_id"]) == ("acme", made.key.id, id)
    whole = "\n".join(TextLines().format(record) + JsonLines().format(record) for record in trail.records)
    assert made.token not in whole
    assert new.token not in whole
    assert "tk_" not in whole


async def test_a_minted_secret_that_is_shown_is_written_down_but_not_the_secret(make_hooked: Api, trail: Kept) -> None:
    acme = bearing((await make_hooked.app.keys.create("acme")).token)
    webhook = {"url": "http://127.0.0.1:9/hook"}
    answer = await make_hooked.submit("/noops", {"webhook": webhook}, **acme)
    await asyncio.sleep(0)
    assert trail.actions() == ["create-key", "submit", "secret"]
    assert answer["webhook"]["secret"] not in "".join(map(JsonLines().format, trail.records))


@pytest.fixture
async def make_hooked(make_app: MakeApp, start: Start) -> Api:
    return await start(make_app(worker=False, webhook_allow_http=True, webhook_allow_networks=["127.0.0.0/8"]))


async def test_a_name_forges_no_line(idle: Api, trail: Kept) -> None:
    with pytest.raises(ValueError, match="printable"):
        await idle.app.keys.create("acme\nINFO revoke-key")
    await idle.app.keys.create('ac\'me "x"')
    await asyncio.sleep(0)
    (line,) = trail.records
    assert "\n" not in TextLines().format(line)
    assert json.loads(JsonLines().format(line))["owner"] == "in process"


async def test_code_in_the_same_process_is_written_down_where_it_acts_for_somebody(idle: Api, trail: Kept) -> None:
    handle = await idle.app.submit("noop", owner="acme", idempotency_key="k")
    await idle.app.submit("noop", owner="acme", idempotency_key="k")  # the same again is nothing new
    await handle.cancel()
    await (await idle.app.submit("noop")).cancel()  # for nobody
    await asyncio.sleep(0)
    told = [(line.__dict__["action"], line.__dict__["operation_id"], line.getMessage()) for line in trail.records]
    whose = f"{handle.id} by 'acme' with in process"
    assert told == [("submit", handle.id, f"submit {whose}"), ("cancel", handle.id, f"cancel {whose}")]


async def test_who_is_turned_away_is_written_down_and_a_flood_is_counted(
    idle: Api, trail: Kept, clock: MovableClock
) -> None:
    made = await idle.app.keys.create("acme")
    wrong = made.token[:-4] + ("0000" if made.token[-4:] != "0000" else "1111")
    await idle.get("/jobs", headers=bearing(wrong))
    hostile = {"authorization": "Bearer x\x1b[31m", "x-forwarded-for": "10.9.8.7"}
    for _ in range(2 * STRANGERS):
        assert (await idle.get(f"/jobs/{made.token}", headers=hostile)).status_code == 401
    clock.advance(60)
    socket = Conversation(idle.app, "/operations/status")
    await socket.ended()
    await asyncio.sleep(0)
    lines = [record.getMessage() for record in trail.records if record.__dict__["action"] == "unauthenticated"]
    assert len(lines) == STRANGERS + 1
    assert lines[0] == f"unauthenticated from 127.0.0.1 by a stranger with {made.key.id}"
    assert set(lines[1:-1]) == {"unauthenticated from 127.0.0.1 by a stranger"}
    assert f"(and {STRANGERS + 1} more since the last such line)" in lines[-1]
    whole = "".join(JsonLines().format(record) for record in trail.records)
    assert made.token[-52:] not in whole
    assert wrong[-52:] not in whole


async def test_while_nobody_is_asked_nothing_is_written(idle: Api, trail: Kept) -> None:
    await idle.post("/noops")
    assert trail.records == []
