"""API keys over HTTP: who bears one is let in, from the first one on nobody else, and none outlives its revocation."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from accepted import Accepted
from accepted.contract.credential import KEY_ENTROPY, new_key
from tests.clock import MovableClock
from tests.http import menu
from tests.http.api import Api, eventually, problem
from tests.http.conftest import MakeApp, Start
from tests.http.conversation import Conversation
from tests.http.gate import Gates
from tests.http.streaming import Reader, open_streams
from tests.store.server import the_server

DATABASES = ("sqlite", "postgres")


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def key(api: Api, role: str = "submit,read", owner: str = "acme") -> dict[str, str]:
    """Headers of somebody with a new key."""
    return bearing((await api.app.keys.create(owner, role)).token)


@pytest.fixture(params=DATABASES)
async def nodes(
    request: pytest.FixtureRequest, tmp_path: Path, clock: MovableClock, gates: Gates, start: Start
) -> list[Api]:
    """Two web nodes on one database, without workers."""
    url = f"sqlite:///{tmp_path}/accepted.db" if request.param == "sqlite" else the_server().database()
    found = []
    for _ in range(2):
        app = Accepted(database=url, clock=clock, worker=False, drain_timeout=0.5)
        menu.register(app, gates)
        found.append(await start(app))
    return found


async def test_from_the_first_key_on_every_request_has_to_bear_one(nodes: list[Api], clock: MovableClock) -> None:
    here, there = nodes
    assert (await there.get("/jobs")).status_code == 200
    acme = await key(here)
    clock.advance(1)
    await eventually(lambda: there.get("/jobs"), lambda answer: answer.status_code == 401)
    for node in nodes:
        assert (await node.get("/jobs", headers=acme)).status_code == 200


async def test_a_key_is_good_at_once_on_every_node(nodes: list[Api]) -> None:
    here, there = nodes
    await key(here)
    assert (await there.get("/jobs", headers=await key(here))).status_code == 200


WRONG = [
    "", "Bearer", "Bearer ", "Bearer ak_", "Basic YTpi", "Bearer tk_" + "0" * 52, "bearer\t", "Bearer \xe9",
    "Bearer ak_" + "0" * 13 + "_" + "0" * 52, "Bearer " + "x" * 5000, "Bearer a.b.c", "ak_" + "0" * 66,
]  # fmt: skip


@pytest.mark.parametrize("header", WRONG)
async def test_what_is_no_key_gets_the_same_401(idle: Api, header: str) -> None:
    await key(idle)
    answer = await idle.get("/jobs", headers=[(b"authorization", header.encode("latin-1"))])
    assert problem(answer, 401, "unauthenticated")["detail"].startswith("Who asks is not known")


async def test_a_wrong_secret_for_a_key_that_is_there_is_as_good_as_none(idle: Api) -> None:
    made = await idle.app.keys.create("acme")
    wrong = made.token[:-1] + ("0" if made.token[-1] != "0" else "1")
    unknown = new_key("acme", made.key.caller.roles, bytes(KEY_ENTROPY), 0)[1]
    answers = [await idle.get("/jobs", headers=bearing(token)) for token in (wrong, unknown)]
    assert answers[0].content == answers[1].content
    assert answers[0].status_code == 401


async def test_a_key_ends_by_its_date(idle: Api, clock: MovableClock) -> None:
    made = await idle.app.keys.create("acme", expires="90d")
    assert (await idle.get("/jobs", headers=bearing(made.token))).status_code == 200
    clock.advance(days=91)
    problem(await idle.get("/jobs", headers=bearing(made.token)), 401, "unauthenticated")


async def test_a_replaced_key_works_on_for_the_overlap(nodes: list[Api], clock: MovableClock) -> None:
    here, there = nodes
    old = await here.app.keys.create("acme", "read", name="ci")
    new = await here.app.keys.rotate(old.key.id, overlap="1h")
    assert (new.key.owner, new.key.roles, new.key.name) == ("acme", ("read",), "ci")
    for made in (old, new):
        assert (await there.get("/jobs", headers=bearing(made.token))).status_code == 200
    clock.advance(hours=1)
    problem(await there.get("/jobs", headers=bearing(old.token)), 401, "unauthenticated")
    assert (await there.get("/jobs", headers=bearing(new.token))).status_code == 200
    with pytest.raises(ValueError, match="is expired"):
        await here.app.keys.rotate(old.key.id)


async def test_the_last_key_revoked_does_not_open_the_door(nodes: list[Api], clock: MovableClock) -> None:
    here, there = nodes
    made = await here.app.keys.create("acme")
    assert (await there.get("/jobs", headers=bearing(made.token))).status_code == 200
    await here.app.keys.revoke(made.key.id)
    clock.advance(1)
    await eventually(lambda: there.get("/jobs", headers=bearing(made.token)), lambda answer: answer.status_code == 401)
    problem(await there.get("/jobs"), 401, "unauthenticated")


async def test_a_revoked_key_ends_open_streams_on_other_nodes(nodes: list[Api], clock: MovableClock) -> None:
    """And nobody else's: seconds, on the clock of the test."""
    here, there = nodes
    made, other = await here.app.keys.create("acme"), await here.app.keys.create("acme")
    id = (await there.submit("/noops", authorization=f"Bearer {made.token}"))["operationId"]
    streams = [Reader(there.app, f"/operations/{id}/stream", headers=bearing(each.token)) for each in (made, other)]
    sockets = [Conversation(there.app, f"/operations/{id}/status", headers=bearing(made.token))]
    sockets.append(Conversation(there.app, "/operations/status", headers=bearing(made.token)))
    for stream in streams:
        await stream.until(1)
    await sockets[0].heard(1)
    await sockets[1].sees(lambda: sockets[1].accepted)
    waiting = asyncio.create_task(there.get(f"/operations/{id}", headers={**bearing(made.token), "Prefer": "wait=5"}))
    await here.app.keys.revoke(made.key.id)
    seconds = 0
    while not all(task.done() for task in (streams[0].task, *(socket.task for socket in sockets))):
        clock.advance(1)
        seconds += 1
        await asyncio.sleep(0.05)
        assert seconds < 100
    assert seconds <= 5
    assert not streams[1].task.done()
    assert open_streams(there) == 1
    assert open_streams(there, "websocket") == 0
    problem(await waiting, 401, "unauthenticated")
    await streams[1].leave()


async def test_a_stream_that_was_opened_before_there_was_a_key_ends_too(idle: Api, clock: MovableClock) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    stream = Reader(idle.app, f"/operations/{id}/stream")
    await stream.until(1)
    await key(idle)
    for _ in range(3):
        clock.advance(1)
        await asyncio.sleep(0.05)
    await stream.ended()


async def test_keys_are_replaced_under_load_and_nobody_is_turned_away(nodes: list[Api], clock: MovableClock) -> None:
    here, there = nodes
    current = await here.app.keys.create("acme")
    answers: list[int] = []

    async def asking(node: Api) -> None:
        answers.extend([(await node.post("/noops", headers=bearing(current.token))).status_code for _ in range(100)])

    async def replacing() -> None:
        nonlocal current
        for _ in range(10):
            current = await here.app.keys.rotate(current.key.id, overlap="1h")
            clock.advance(1)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(asking(node) for node in (here, there) * 4), replacing())
    assert answers == [202] * 800
    assert [key.state(clock.now().wall) for key in await here.app.keys.all()] == ["active"] * 11


# --- what belongs to whom


async def test_polling_somebody_elses_is_not_slowed_by_whom_it_belongs_to(idle: Api) -> None:
    acme, other = await key(idle), await key(idle, owner="other")
    id = (await idle.post("/noops", headers=acme)).json()["operationId"]
    polls = [(await idle.get(f"/operations/{id}", headers=acme)).status_code for _ in range(30)]
    assert polls[-1] == 429
    problem(await idle.get(f"/operations/{id}", headers=other), 404, "operation-not-found")


async def test_one_owners_keys_lists_and_counts_know_nothing_of_anothers(idle: Api) -> None:
    acme, other, admin = await key(idle), await key(idle, owner="other"), await key(idle, "admin", "root")
    same = {"Idempotency-Key": "k"}
    ids = {who: (await idle.post("/noops", headers={**headers, **same})).json()["operationId"]
           for who, headers in {"acme": acme, "other": other, "root": admin}.items()}  # fmt: skip
    assert len(set(ids.values())) == 3
    page = (await idle.get("/jobs", headers=acme)).json()
    assert page["pagination"]["totalElements"] == 1
    assert "owner" not in page["data"][0]
    everything = (await idle.get("/jobs", headers=admin)).json()
    assert [row["owner"] for row in everything["data"]] == ["root", "other", "acme"]
    theirs = (await idle.get("/jobs", params={"owner": "acme"}, headers=admin)).json()
    assert [row["jobId"][4:] for row in theirs["data"]] == [ids["acme"][3:]]
    assert theirs["pagination"]["totalElements"] == 1
    assert (await idle.get("/jobs", params={"owner": "acme"}, headers=acme)).json() == page
    problem(await idle.get("/jobs", params={"owner": "other"}, headers=acme), 403, "forbidden")
    assert (await idle.get("/jobs/" + "job-" + ids["acme"][3:], headers=admin)).json()["owner"] == "acme"


async def test_somebody_elses_cursor_opens_nothing(idle: Api) -> None:
    acme, other = await key(idle), await key(idle, owner="other")
    for _ in range(3):
        await idle.post("/noops", headers=acme)
    cursor = (await idle.get("/jobs?limit=1", headers=acme)).json()["pagination"]["next"]
    assert (await idle.get("/jobs", params={"cursor": cursor}, headers=other)).json()["data"] == []


async def test_who_may_only_submit_is_not_shown_what_becomes_of_it(make_app: MakeApp, start: Start) -> None:
    api = await start(make_app())
    submits = await key(api, "submit")
    wanted = {**submits, "Prefer": "wait=5", "Idempotency-Key": "k"}
    first = await api.post("/echoes", json="secret", headers=wanted)
    assert first.status_code == 202
    await api.app.service.wait(await api.app.service.get(first.json()["operationId"], None), None, 10, "end")
    again = await api.post("/echoes", json="secret", headers=wanted)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert "secret" not in again.text
    problem(await api.get(again.headers["location"], headers=submits), 403, "forbidden")


async def test_a_socket_obeys_a_cancel_only_of_who_may(idle: Api) -> None:
    reads, watches = await key(idle, "read"), await key(idle, "read,cancel")
    id = (await idle.post("/noops", headers=await key(idle))).json()["operationId"]
    socket = Conversation(idle.app, f"/operations/{id}/status", headers=reads)
    await socket.heard(1)
    refused = await socket.answer({"command": "cancel"})
    assert (refused["event"], refused["error"]["status"]) == ("ERROR", 403)
    await socket.leave()
    socket = Conversation(idle.app, f"/operations/{id}/status", headers=watches)
    await socket.heard(1)
    assert (await socket.answer({"command": "cancel"}))["event"] == "CANCELLED"
    await socket.ended()
