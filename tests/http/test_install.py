"""Installed into other people's apps: routes, guards, links, lifespan and OpenAPI, in FastAPI, Starlette and mounts."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import httpx2
import msgspec
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPBearer
from fastapi.testclient import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from accepted import Accepted, Attempt
from accepted.http.routes import routes
from tests.databases import MakeDatabase
from tests.http.api import method_to_end

WAIT = {"Prefer": "wait=10"}

Make = Callable[..., Accepted]


class Tree(msgspec.Struct):
    value: int
    children: list["Tree"] = []


@pytest.fixture
def make(databases: MakeDatabase) -> Iterator[Make]:
    """An app with one operation, not started, on a database of its own; what was not stopped is stopped at the end."""
    apps: list[Accepted] = []

    def build(name: str = "ops", **settings: Any) -> Accepted:
        made = Accepted(database=databases(name).url, drain_timeout=0.5, **settings)
        apps.append(made)

        @made.operation("/trees", result="/trees/{treeId}", result_id="tree")
        async def tree(value: Tree) -> Tree:
            return value

        return made

    yield build
    for made in filter(running, apps):
        asyncio.run(made.stop())


def walk(client: TestClient, prefix: str, links: str | None = None) -> None:
    """From the POST to the result, along the links alone; all of them begin with `links`."""
    links = prefix if links is None else links
    accepted = client.post(f"{prefix}/trees", json={"value": 7})
    assert accepted.status_code == 202
    document = accepted.json()
    assert accepted.headers["location"] == document["statusUrl"]
    assert document["statusUrl"].startswith(f"{links}/operations/op-")
    assert all(link.startswith(f"{links}/") for link in document["links"].values())
    ended = client.get(document["statusUrl"], headers=WAIT, follow_redirects=False)
    while ended.status_code == 200:
        ended = client.get(document["statusUrl"], headers=WAIT, follow_redirects=False)
    assert ended.headers["location"].startswith(f"{links}/trees/tree-")
    assert client.get(ended.headers["location"]).json() == {"value": 7, "children": []}


def running(made: Accepted) -> bool:
    with contextlib.suppress(RuntimeError):
        return made.node is not None
    return False


# --- FastAPI


def test_fastapi_install(make: Make) -> None:
    app, ops = FastAPI(), make()
    ops.install(app, "/api")
    with TestClient(app) as client:
        walk(client, "/api")
        assert client.get("/trees").status_code == 404


@pytest.mark.parametrize("prefix", ["", "/", "api", "/api/", "/deep/er"])
def test_a_prefix_may_be_written_in_many_ways(make: Make, prefix: str) -> None:
    app, ops = FastAPI(), make()
    ops.install(app, prefix)
    with TestClient(app) as client:
        path = prefix.strip("/")
        walk(client, f"/{path}" if path else "")


def test_every_route_is_there(make: Make) -> None:
    app, ops = FastAPI(), make()
    ops.install(app, "/api")
    with TestClient(app, follow_redirects=False) as client:
        for path, method in routes(ops.registry):
            answer = client.request(method_to_end(path, method), f"/api{path}")
            assert answer.headers.get("x-content-type-options") == "nosniff", (
                method,
                path,
            )  # FastAPI says no such thing


def test_the_parents_own_routes_stay_its_own(make: Make) -> None:
    app, ops = FastAPI(), make()
    ops.install(app)

    @app.get("/trees")
    def trees() -> str:
        return "mine"

    with TestClient(app) as client:
        assert client.get("/trees").json() == "mine"
        assert client.get("/openapi.json").json()["info"]["title"] == "FastAPI"
        walk(client, "")


def test_another_method_is_a_problem_and_head_is_known(make: Make) -> None:
    app, ops = FastAPI(), make()
    ops.install(app, "/api")
    with TestClient(app) as client:
        refused = client.delete("/api/trees")
        assert refused.status_code == 405
        assert refused.headers["allow"] == "POST"
        assert refused.json()["type"] == "/api/problems/method-not-allowed"
        head = client.head("/api/jobs")
        assert head.status_code == 200
        assert head.content == b""


async def let_in(x_key: Annotated[str, Header()] = "") -> None:
    if x_key == "":
        raise HTTPException(401, "who are you?")
    if x_key != "friend":
        raise HTTPException(403, "not you")


def _guarded_app(ops: Accepted) -> FastAPI:
    app = FastAPI(dependencies=[Depends(let_in)])
    ops.install(app, "/api")
    return app


def _guarded_router(ops: Accepted) -> FastAPI:
    app = FastAPI()
    app.include_router(ops.router("/api", dependencies=[Depends(let_in)]))
    return app


def _guarded_inclusion(ops: Accepted) -> FastAPI:
    app = FastAPI()
    app.include_router(ops.router(), prefix="/api", dependencies=[Depends(let_in)])
    return app


@pytest.mark.parametrize("guard", [_guarded_app, _guarded_router, _guarded_inclusion])
def test_dependencies_guard_every_route(make: Make, guard: Callable[[Accepted], FastAPI]) -> None:
    ops = make()
    with TestClient(guard(ops)) as client:
        for path, method in routes(ops.registry):
            for methods in {method, "HEAD"} if method == "GET" else {method}:
                assert client.request(methods, f"/api{path}").status_code == 401, path
                assert client.request(methods, f"/api{path}", headers={"X-Key": "foe"}).status_code == 403, path
        client.headers["X-Key"] = "friend"
        assert client.get("/api/jobs").json()["pagination"]["totalElements"] == 0
        walk(client, "/api")


def test_a_dependency_may_be_overridden(make: Make) -> None:
    app = _guarded_app(make())
    app.dependency_overrides[let_in] = lambda: None
    with TestClient(app) as client:
        walk(client, "/api")


def test_a_dependency_of_an_operation_is_refused(make: Make) -> None:
    ops = make()

    async def export(value: int, database: str = Depends(let_in)) -> None: ...

    with pytest.raises(TypeError, match="lifespan"):
        ops.operation("/exports")(export)


def test_a_dependency_may_read_the_body_first(make: Make) -> None:
    seen: list[bytes] = []

    async def signed(request: Request) -> None:
        seen.append(await request.body())

    app = FastAPI(dependencies=[Depends(signed)])
    make().install(app, "/api")
    with TestClient(app) as client:
        answer = client.post("/api/trees", json={"value": 1}, headers=WAIT)
        assert answer.json() == {"value": 1, "children": []}
    assert json.loads(seen[0]) == {"value": 1}


def test_a_large_body_is_refused_before_it_is_read_to_its_end(make: Make) -> None:
    app, ops = FastAPI(), make(body_limit=1000)
    ops.install(app, "/api")
    sent: list[int] = []

    def parts() -> Iterator[bytes]:
        for number in range(100):
            sent.append(number)
            yield b" " * 500

    with TestClient(app) as client:
        headers = {"content-type": "application/json"}
        assert client.post("/api/trees", content=parts(), headers=headers).status_code == 413


def test_links_honour_parameters_in_a_prefix(make: Make) -> None:
    app, ops = FastAPI(), make()
    app.include_router(ops.router("/ops"), prefix="/tenants/{tenant}")
    with TestClient(app) as client:
        walk(client, "/tenants/blue/ops")
        walk(client, "/tenants/green/ops")


def test_routers_within_routers(make: Make) -> None:
    app, ops, outer = FastAPI(), make(), APIRouter(prefix="/v1")
    outer.include_router(ops.router("/ops"))
    app.include_router(outer, prefix="/api")
    with TestClient(app) as client:
        assert running(ops)
        walk(client, "/api/v1/ops")
    assert not running(ops)


@pytest.mark.parametrize("path", ["/api/trees", "/proxied/api/trees"])
def test_a_root_path_of_the_server_is_in_the_links(make: Make, path: str) -> None:
    """Servers differ in whether the path they give to apps has it too."""
    app, ops = FastAPI(), make()
    ops.install(app, "/api")
    with TestClient(app, root_path="/proxied") as client:
        found = client.post(path, json={"value": 1}).json()
        assert found["statusUrl"].startswith("/proxied/api/operations/")


def test_a_public_url_goes_before_everything(make: Make) -> None:
    app, ops = FastAPI(), make(public_url="https://api.example.com/ops", allowed_hosts="testserver")
    ops.install(app, "/ops")
    with TestClient(app) as client:
        document = client.post("/ops/trees", json={"value": 1}).json()
        assert document["links"]["self"].startswith("https://api.example.com/ops/operations/")


@pytest.mark.parametrize("how", ["install", "router"])
def test_operations_that_come_later_join(make: Make, how: str) -> None:
    app, ops = FastAPI(), make()
    if how == "install":
        ops.install(app, "/api")
    else:
        app.include_router(ops.router("/api"))
    assert "/api/lates" not in app.openapi()["paths"]

    @ops.operation("/lates", result="/lates/{lateId}")
    async def late(value: int) -> int:
        return value + 1

    assert "/api/lates" in app.openapi()["paths"]
    with TestClient(app) as client:
        assert client.post("/api/lates", json=1, headers=WAIT).json() == 2


def test_two_apps_in_one(make: Make) -> None:
    app, one, two = FastAPI(), make("one"), make("two")
    one.install(app, "/one")
    two.install(app, "/two")
    _valid(app.openapi())
    with TestClient(app) as client:
        walk(client, "/one")
        walk(client, "/two")
        assert client.get("/one/jobs").json()["pagination"]["totalElements"] == 1


# --- the document of a FastAPI app


class Problem(BaseModel):
    """The app's own, of a name that is ours as well."""

    code: int


def _with_models(ops: Accepted) -> FastAPI:
    app = FastAPI(dependencies=[Depends(HTTPBearer())])
    ops.install(app, "/api")

    @app.get("/problems")
    def problems() -> Problem:
        return Problem(code=1)

    return app


def _valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert "accepted-" not in json.dumps(document)


def test_the_document_has_our_operations_and_components(make: Make) -> None:
    ops = make()
    document = _with_models(ops).openapi()
    _valid(document)
    ours = {f"/api{path}" for path, _ in routes(ops.registry)} - {"/api/openapi.json"}
    assert set(document["paths"]) == ours | {"/problems"}
    submit = document["paths"]["/api/trees"]["post"]
    assert submit["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Tree",
        "properties": {"webhook": {"$ref": "#/components/schemas/Webhook"}},
    }
    assert "webhook" in submit["callbacks"]
    assert "202" in submit["responses"]
    assert "Tree" in document["components"]["schemas"]


def test_names_do_not_collide(make: Make) -> None:
    document = _with_models(make()).openapi()
    schemas = document["components"]["schemas"]
    assert set(schemas["Problem"]["properties"]) == {"code"}
    assert "instance" in schemas["AcceptedProblem"]["properties"]
    refused = document["paths"]["/api/trees"]["post"]["responses"]["422"]["content"]["application/problem+json"]
    assert refused["schema"] == {"$ref": "#/components/schemas/AcceptedProblem"}


def test_what_dependencies_want_is_in_the_document(make: Make) -> None:
    submit = _with_models(make()).openapi()["paths"]["/api/trees"]["post"]
    assert submit["security"] == [{"HTTPBearer": []}]


@pytest.mark.parametrize("guard", [_guarded_app, _guarded_router, _guarded_inclusion])
def test_parameters_of_dependencies_stand_beside_ours(make: Make, guard: Callable[[Accepted], FastAPI]) -> None:
    document = guard(make()).openapi()
    _valid(document)
    names = {parameter["name"] for parameter in document["paths"]["/api/trees"]["post"]["parameters"]}
    assert names == {"x-key", "Idempotency-Key", "Prefer", "redirect"}


def test_ids_are_made_as_the_app_likes(make: Make) -> None:
    app = FastAPI(generate_unique_id_function=lambda route: f"{route.tags[0]}-{route.name}")
    make().install(app, "/api")
    assert app.openapi()["paths"]["/api/trees"]["post"]["operationId"] == "submit-submit_tree"


def test_it_is_built_once(make: Make) -> None:
    app = _with_models(make())
    assert app.openapi() is app.openapi()


def test_a_document_that_was_customised_later_has_our_components_once_it_runs(make: Make) -> None:
    app, ops = FastAPI(), make()
    ops.install(app, "/api")

    def custom() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = get_openapi(title="Custom", version="1", routes=app.routes)
        return app.openapi_schema

    app.openapi = custom  # type: ignore[method-assign]
    with TestClient(app) as client:
        document = client.get("/openapi.json").json()
        assert document["info"]["title"] == "Custom"
        _valid(document)
        assert client.get("/docs").status_code == 200


def test_a_router_stands_for_itself(make: Make) -> None:
    app = FastAPI()
    app.include_router(make().router("/api"))
    document = app.openapi()
    _valid(document)
    answer = document["paths"]["/api/operations/{id}/cancel"]["post"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"]["title"] == "Cancelled"


# --- Starlette


def test_starlette_install(make: Make) -> None:
    async def home(request: Any) -> PlainTextResponse:
        return PlainTextResponse("home")

    app, ops = Starlette(routes=[Route("/", home)]), make()
    ops.install(app, "/api")
    with TestClient(app) as client:
        walk(client, "/api")
        assert client.get("/").text == "home"
        assert client.head("/api/jobs").status_code == 200
        assert client.delete("/api/trees").json()["type"] == "/api/problems/method-not-allowed"


def test_a_later_operation_stands_before_a_mount_that_takes_everything(make: Make) -> None:
    app, ops = Starlette(), make()
    ops.install(app, "/api")
    app.mount("/", PlainTextResponse("everything else"))

    @ops.operation("/lates")
    async def late(value: int) -> int:
        return value + 1

    with TestClient(app) as client:
        assert client.post("/api/lates", json=1, headers=WAIT).json() == 2
        assert client.get("/anything").text == "everything else"


def test_too_late_is_said(make: Make) -> None:
    app, ops = FastAPI(), make()
    ops.install(app, "/api")
    with TestClient(app), pytest.raises(RuntimeError, match="before the app starts"):
        ops.operation("/lates")(let_in)


def test_other_apps_are_told_to_mount() -> None:
    with pytest.raises(TypeError, match="mount"):
        Accepted().install(APIRouter())


# --- mounts


def _stripping(app: ASGIApp, prefix: str) -> ASGIApp:
    """A mount that cuts its prefix off and forgets it, as Litestar's does."""

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].removeprefix(prefix)}
        await app(scope, receive, send)

    return mounted


@pytest.mark.parametrize(
    "mount",
    [
        lambda ops: Starlette(routes=[Mount("/ops", ops)]),
        lambda ops: Starlette(routes=[Mount("/", Starlette(routes=[Mount("/ops", ops)]))]),
        lambda ops: _stripping(ops, "/ops"),
    ],
    ids=["Starlette", "Starlette in Starlette", "stripping"],
)
async def test_mounts(make: Make, mount: Callable[[Accepted], ASGIApp]) -> None:
    ops = make()
    transport = httpx2.ASGITransport(mount(ops))
    async with ops, httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        accepted = await client.post("/ops/trees", json={"value": 1})
        url = accepted.json()["statusUrl"]
        assert url.startswith("/ops/operations/")
        ended = await client.get(url, headers=WAIT)
        while ended.status_code == 200:
            ended = await client.get(url, headers=WAIT)
        assert (await client.get(ended.headers["location"])).json() == {"value": 1, "children": []}
        lost = await client.get("/ops/nothing%20here")
        assert lost.json()["instance"] == "/ops/nothing%20here"
        assert lost.json()["type"] == "/ops/problems/not-found"


@pytest.mark.parametrize("path", ["/ops", "/proxied/ops"])
def test_a_mount_in_fastapi(make: Make, path: str) -> None:
    app = FastAPI()
    app.mount("/ops", make())
    with TestClient(app, root_path="/proxied") as client:
        found = client.post(f"{path}/trees", json={"value": 1}).json()
        assert found["statusUrl"].startswith("/proxied/ops/operations/")
        assert client.get(f"{path}/openapi.json").json()["servers"] == [{"url": "/proxied/ops"}]


# --- lifespan


def _fastapi(ops: Accepted, lifespan: Any) -> ASGIApp:
    app = FastAPI(lifespan=lifespan)
    ops.install(app, "/api")
    return app


def _starlette(ops: Accepted, lifespan: Any) -> ASGIApp:
    app = Starlette(lifespan=lifespan)
    ops.install(app, "/api")
    return app


def _router(ops: Accepted, lifespan: Any) -> ASGIApp:
    app = FastAPI(lifespan=lifespan)
    app.include_router(ops.router("/api"))
    return app


@pytest.mark.parametrize("build", [_fastapi, _starlette, _router])
def test_it_lives_inside_of_the_parents_own_lifespan(make: Make, build: Callable[[Accepted, Any], ASGIApp]) -> None:
    ops, seen = make(), list[bool]()

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[dict[str, str]]:
        seen.append(running(ops))
        yield {"pool": "open"}
        seen.append(running(ops))

    with TestClient(build(ops, lifespan)):
        assert running(ops)
    assert seen == [False, False]


def test_it_may_live_again(make: Make) -> None:
    app, ops = FastAPI(), make()
    ops.install(app, "/api")
    for _ in range(2):
        with TestClient(app) as client:
            walk(client, "/api")


def test_a_forgotten_lifespan_begins_with_the_first_request(make: Make) -> None:
    """Also where each request has an event loop of its own, as with a TestClient that nobody has entered."""
    app, ops = FastAPI(), make()
    app.mount("/ops", ops)
    client = TestClient(app)
    walk(client, "/ops")


def test_work_of_a_loop_that_has_ended_is_handed_back_and_costs_nothing(make: Make) -> None:
    ops = make(max_crashes=2)
    loops: list[int] = []

    @ops.operation("/runs")
    async def run(attempt: Attempt) -> int:
        if len(loops) < 3:
            await asyncio.Event().wait()
        return attempt.number

    async def client() -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(ops), base_url="http://testserver")

    async def submitted() -> str:
        async with await client() as api:
            return str((await api.post("/runs", headers={"Prefer": "respond-async"})).json()["statusUrl"])

    async def reached(url: str, attempt: int) -> dict[str, Any]:
        """An attempt after this one; the loop of the submit may have begun one too."""
        async with await client() as api, asyncio.timeout(10):
            while True:
                found = (await api.get(url, headers=WAIT, params={"redirect": "false"})).json()
                if found["attempt"] > attempt and found["status"] != "PENDING":
                    return dict(found)

    url, attempt = asyncio.run(submitted()), 0
    while len(loops) < 3:
        found = asyncio.run(reached(url, attempt))
        assert found["status"] == "PROCESSING"
        attempt = found["attempt"]
        loops.append(attempt)
    assert asyncio.run(reached(url, attempt))["status"] in {"PROCESSING", "COMPLETED"}
    asyncio.run(ops.stop())
    assert not running(ops)


async def test_another_loop_that_still_runs_is_refused(make: Make) -> None:
    ops = make()
    async with ops:
        with pytest.raises(RuntimeError, match="another thread"):
            await asyncio.to_thread(asyncio.run, ops.start())
