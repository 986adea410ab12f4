"""Who asks, in a FastAPI app: the examples of docs/security.md by real requests, and credentials in its document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from fastapi.testclient import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.websockets import WebSocketDisconnect

from accepted import Accepted
from tests.databases import BACKENDS, MakeDatabase, databases
from tests.house.pages import blocks
from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
EXAMPLE = next(code for code in blocks(PAGE, "python") if "state.caller" in code)
INSTALLED = 'app = FastAPI(dependencies=[Depends(user)])\nops.install(app, prefix="/api")\n'
INCLUDED = next(line for line in PAGE.split("`") if line.startswith("app.include_router("))
ANN, BOB = {"X-User": "ann"}, {"X-User": "bob"}


def installed() -> str:
    return EXAMPLE


def included() -> str:
    """The same with what the page says of routers."""
    assert INSTALLED in EXAMPLE
    line = INCLUDED.replace("router(d", "router('/api', d")
    return EXAMPLE.replace(INSTALLED, f"app = FastAPI()\n{line}\n")


@pytest.fixture(params=[installed, included])
def example(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """The app of the page, as it runs."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(request.param(), "docs/security.md", "exec", dont_inherit=True), names)
    with TestClient(names["app"], follow_redirects=False) as client:
        yield client


def test_a_dependency_says_whose_operations_they_are(example: TestClient) -> None:
    assert example.post("/api/reports", json=2026).status_code == 401
    made = example.post("/api/reports", json=2026, headers=ANN | {"Prefer": "wait=10"})
    assert (made.status_code, made.json()["result"]["value"]) == (303, 2026)
    url = f"/api/operations/{made.json()['operationId']}"
    assert example.get(url, headers=ANN).status_code == 303
    assert example.get(url).status_code == 401
    theirs = example.get(url, headers=BOB)
    unknown = example.get(f"/api/operations/op-{'0' * 26}", headers=BOB)
    assert (theirs.status_code, theirs.headers) == (404, unknown.headers)
    assert example.get("/api/jobs", headers=BOB).json()["data"] == []
    assert len(example.get("/api/jobs", headers=ANN).json()["data"]) == 1
    assert example.get("/api/metrics", headers=ANN).status_code == 403


def test_it_says_so_for_sockets_too(example: TestClient) -> None:
    id = example.post("/api/reports", json=2026, headers=ANN).json()["operationId"]
    with example.websocket_connect(f"/api/operations/{id}/status", headers=ANN) as socket:
        assert socket.receive_json()["operationId"] == id
    for headers in ({}, BOB):
        with (
            pytest.raises(WebSocketDisconnect),
            example.websocket_connect(f"/api/operations/{id}/status", headers=headers),
        ):
            raise AssertionError("it was opened")


# --- the app's own document


@pytest.fixture(params=BACKENDS[:1])
def named(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeDatabase]:
    with databases(request.param, tmp_path) as named:
        yield named


def parent(named: MakeDatabase, **settings: Any) -> tuple[FastAPI, Accepted]:
    """An app with a route of its own, and ours under `/api`."""
    app, ops = FastAPI(), Accepted(database=named("ops").url, drain_timeout=0.5, **settings)

    @app.get("/own", dependencies=[Depends(HTTPBearer())])
    def own() -> str:
        return "mine"

    @ops.operation("/reports")
    async def report(year: int) -> int:
        return year

    ops.install(app, "/api")
    return app, ops


def asked(document: dict[str, Any], path: str, method: str = "get") -> Any:
    return document["paths"][path][method].get("security")


def test_while_nobody_is_asked_the_document_asks_for_nothing(named: MakeDatabase) -> None:
    app, _ = parent(named)
    document = app.openapi()
    assert document["components"]["securitySchemes"].keys() == {"HTTPBearer"}
    assert asked(document, "/own") == [{"HTTPBearer": []}]
    assert asked(document, "/api/jobs") is None
    assert "accepted-" not in str(document)


def guarded(document: dict[str, Any]) -> None:
    """It says how to show who asks, on our routes alone, and is valid."""
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert document["components"]["securitySchemes"].keys() == {"HTTPBearer", "bearer", "ticket"}
    assert asked(document, "/own") == [{"HTTPBearer": []}]
    assert asked(document, "/api/reports", "post") == [{"bearer": []}]
    assert asked(document, "/api/operations/{id}/stream") == [{"bearer": []}, {"ticket": []}]
    assert asked(document, "/api/health/live") is None
    assert "security" not in document
    assert "accepted-" not in str(document)


def test_with_tokens_the_document_says_how_to_show_who_asks(named: MakeDatabase) -> None:
    app, _ = parent(named, require_auth=True)
    guarded(app.openapi())


def test_with_the_first_key_the_document_says_so_too(named: MakeDatabase) -> None:
    app, ops = parent(named)
    with TestClient(app) as client:
        assert asked(client.get("/openapi.json").json(), "/api/jobs") is None
        assert client.portal is not None
        client.portal.call(ops.keys.create, "acme")
        guarded(client.get("/openapi.json").json())


def test_a_scheme_of_the_apps_own_by_that_name_stays(named: MakeDatabase) -> None:
    app, _ = parent(named, require_auth=True)

    @app.get("/other", dependencies=[Depends(HTTPBearer(scheme_name="bearer", description="of the app"))])
    def other() -> None: ...

    document = app.openapi()
    assert document["components"]["securitySchemes"]["bearer"]["description"] == "of the app"
    assert asked(document, "/other") == [{"bearer": []}]
    assert asked(document, "/api/jobs") == [{"accepted_bearer": []}]


def test_a_router_alone_names_no_scheme_that_is_not_there(named: MakeDatabase) -> None:
    app, ops = FastAPI(), Accepted(database=named("ops").url, require_auth=True)
    app.include_router(ops.router("/api"))
    assert asked(app.openapi(), "/api/jobs") is None
