"""Contract, section 8, in other people's apps: mounted in Starlette, installed in Starlette and FastAPI, guarded."""

import json
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from accepted import Accepted
from tests.http.api import Api
from tests.http.conftest import MakeApp, Start
from tests.http.conversation import Conversation, kinds
from tests.http.streaming import Reader, ids, nothing_followed, writing

KEY = {"x-key": "open sesame"}
PREFIX = "/tenants/7/ops"


def guarded(x_key: Annotated[str, Header()] = "") -> None:
    if x_key != KEY["x-key"]:
        raise HTTPException(401)


@pytest.fixture
async def guest(make_app: MakeApp, start: Start) -> Api:
    """The app that is taken in; it has started already, and has no worker."""
    return await start(make_app(worker=False))


def mounted(app: Accepted) -> ASGIApp:
    return Starlette(routes=[Mount("/tenants/{tenant}", routes=[Mount("/ops", app)])])


def installed(app: Accepted) -> ASGIApp:
    parent = Starlette()
    app.install(parent, PREFIX)
    return parent


def in_fastapi(app: Accepted) -> ASGIApp:
    parent = FastAPI(dependencies=[Depends(guarded)])
    app.install(parent, PREFIX)
    return parent


HOSTS = pytest.mark.parametrize("host", [mounted, installed, in_fastapi])


@HOSTS
async def test_an_event_stream(guest: Api, host: Any) -> None:
    parent = host(guest.app)
    writer = await writing(guest)
    reader = Reader(parent, f"{PREFIX}/operations/{writer.id}/stream", headers=KEY, last_id="0")
    many = Reader(parent, f"{PREFIX}/operations/stream?ids={writer.id}", headers=KEY)
    await reader.until(2)
    await many.until(1)
    await writer.advance(3)
    await reader.until(5)
    await writer.complete()
    assert ids(await reader.ended()) == ["1", "2", "3", "4", "5", "6"]
    assert reader.complete
    assert reader.events[-1].document["result"]["url"] == f"{PREFIX}/operations/{writer.id}/result"
    assert len(await many.ended()) == 5
    again = Reader(parent, f"{PREFIX}/operations/{writer.id}/stream", headers=KEY, last_id="6")
    await again.ended()
    assert (again.status, nothing_followed(guest)) == (204, True)


@HOSTS
async def test_a_client_that_goes_leaves_nothing_behind(guest: Api, host: Any) -> None:
    writer = await writing(guest)
    reader = Reader(host(guest.app), f"{PREFIX}/operations/{writer.id}/stream", headers=KEY)
    await reader.until(1)
    await reader.leave()
    assert nothing_followed(guest)


@HOSTS
async def test_a_socket(guest: Api, host: Any) -> None:
    parent = host(guest.app)
    writer = await writing(guest)
    talk = Conversation(parent, f"{PREFIX}/operations/{writer.id}/status?after=0", headers=KEY)
    many = Conversation(parent, f"{PREFIX}/operations/status", headers=KEY)
    assert (await many.answer({"command": "subscribe", "operationId": writer.id}))["sequence"] == 2
    await talk.heard(2)
    error = await talk.answer({"command": "nonsense"})
    assert error["error"]["instance"] == f"{PREFIX}/operations/{writer.id}/status"
    assert error["error"]["type"] == f"{PREFIX}/problems/invalid-command"
    await writer.complete()
    assert kinds(await talk.ended()) == ["STATUS_UPDATE", "STATUS_UPDATE", "ERROR", "COMPLETED"]
    assert talk.code == 1000
    await many.heard(2)
    await many.leave()
    assert nothing_followed(guest)


@HOSTS
async def test_what_is_not_there_is_404_before_the_upgrade(guest: Api, host: Any) -> None:
    talk = Conversation(host(guest.app), f"{PREFIX}/operations/op-nonsense/status", headers=KEY)
    await talk.ended()
    assert (talk.accepted, talk.status) == (False, 404)
    assert json.loads(talk.body)["type"] == f"{PREFIX}/problems/operation-not-found"


async def test_a_dependency_guards_both(guest: Api) -> None:
    parent = in_fastapi(guest.app)
    writer = await writing(guest)
    talk = Conversation(parent, f"{PREFIX}/operations/{writer.id}/status", headers={"x-key": "guess"})
    await talk.ended()
    assert (talk.accepted, talk.said) == (False, [])
    reader = Reader(parent, f"{PREFIX}/operations/{writer.id}/stream", headers={"x-key": "guess"})
    assert (await reader.ended(), reader.status) == ([], 401)
    assert nothing_followed(guest)


@HOSTS
async def test_the_end_of_the_server(guest: Api, host: Any) -> None:
    parent = host(guest.app)
    writer = await writing(guest)
    reader = Reader(parent, f"{PREFIX}/operations/{writer.id}/stream", headers=KEY)
    talk = Conversation(parent, f"{PREFIX}/operations/{writer.id}/status", headers=KEY)
    await reader.until(1)
    await talk.heard(1)
    guest.app.drain()
    await reader.ended()
    await talk.ended()
    assert (reader.complete, talk.code) == (True, 1012)


async def test_the_name_of_a_tenant_ends_no_header_line(guest: Api) -> None:
    """Contract, section 1: links honour the mount point, also one whose name a client makes up."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=mounted(guest.app)), base_url="http://testserver"
    ) as client:
        prefix = "/tenants/%0D%0AX-Evil:1%20%C3%A9%22/ops"
        answer = await client.post(f"{prefix}/noops")
        assert answer.status_code == 202
        assert answer.headers["location"] == answer.json()["statusUrl"]
        assert answer.headers["location"].startswith(f"{prefix}/operations/op-")
        assert (await client.get(answer.headers["location"])).status_code == 200
