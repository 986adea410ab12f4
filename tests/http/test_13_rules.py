"""Who is let in where: every route has a rule, and each caller is held to it (safe defaults, and issue of access)."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from accepted import Caller
from accepted.contract.caller import GRANTS, Role, Rule
from accepted.http.routes import FIXED, SOCKETS, Route, routes, rule_of
from tests.http.api import Api, method_to_end, problem
from tests.http.conftest import MakeApp, Start

ID = "op-" + "0" * 26
ROUTES = [(path, method) for path, method in routes(()) if path not in SOCKETS]


async def by_name(request: HTTPConnection) -> Caller | None:
    """`X-Caller: owner/role,role` says who asks; only a test is so trusting."""
    owner, _, roles = request.headers.get("x-caller", "").partition("/")
    return Caller(owner, frozenset(map(Role, filter(None, roles.split(","))))) if owner else None


@pytest.fixture
async def guarded(make_app: MakeApp, start: Start) -> Api:
    """An app that asks who is there, without a worker."""
    app = make_app(worker=False)
    app.authenticate = by_name
    return await start(app)


def filled(path: str) -> str:
    id = ID.replace("op-", "job-") if path.startswith("/jobs") else ID
    return (
        path.replace("{id}", id)
        .replace("{deliveryId}", "dlv-1")
        .replace("{slug}", "not-found")
        .replace("{version}/{file}", "now/page.css")
    )


def test_no_route_can_be_without_a_rule() -> None:
    assert "rule" not in Route._field_defaults
    assert all(isinstance(route.rule, Rule) for route in (*FIXED.values(), *SOCKETS.values()))


@pytest.mark.parametrize(("path", "method"), [*ROUTES, ("/noops", "POST"), ("/nothing/here", "GET"), ("/jobs", "PUT")])
async def test_who_says_nothing_gets_nothing(guarded: Api, path: str, method: str) -> None:
    answer = await guarded.request(method, filled(path))
    if path in FIXED and method == FIXED[path].method and rule_of(path, method) is Rule.PUBLIC:
        assert answer.status_code == 200
        return
    assert problem(answer, 401, "unauthenticated")["detail"]
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("path", "method"), [*ROUTES, ("/noops", "POST")])
async def test_each_role_gets_what_the_table_grants(guarded: Api, path: str, method: str, role: Role) -> None:
    rule = rule_of(path, method)
    admitted = rule in {Rule.PUBLIC, Rule.KNOWN} or rule in GRANTS[role]
    method = method_to_end(path, method) if admitted else method
    answer = await guarded.request(method, filled(path), headers={"X-Caller": f"acme/{role}"})
    if admitted:
        assert answer.status_code not in {401, 403}
        assert answer.status_code < 500
    else:
        problem(answer, 403, "forbidden")


async def test_who_has_no_role_still_sees_what_is_for_everybody(guarded: Api) -> None:
    assert (await guarded.get("/health/live", headers={"X-Caller": "acme/"})).status_code == 200
    assert (await guarded.get("/openapi.json", headers={"X-Caller": "acme/"})).status_code == 200


async def test_whoever_starts_something_owns_it(guarded: Api) -> None:
    acme, other = {"X-Caller": "acme/submit,read"}, {"X-Caller": "other/submit,read"}
    id = (await guarded.submit("/noops", X_Caller="acme/submit"))["operationId"]
    assert (await guarded.get(f"/operations/{id}", headers=acme)).status_code == 200
    theirs = await guarded.get(f"/operations/{id}", headers=other)
    unknown = await guarded.get(f"/operations/{ID}", headers=other)
    assert theirs.content.replace(id.encode(), b"") == unknown.content.replace(ID.encode(), b"")


async def test_an_admin_sees_everybodys_and_a_retry_stays_with_its_owner(guarded: Api) -> None:
    admin = {"X-Caller": "root/admin"}
    id = (await guarded.submit("/noops", X_Caller="acme/submit"))["operationId"]
    assert (await guarded.get(f"/operations/{id}", headers=admin)).status_code == 200
    assert (await guarded.post(f"/operations/{id}/cancel", headers=admin)).status_code == 200
    retried = (await guarded.post(f"/operations/{id}/retry", headers=admin)).json()["operationId"]
    assert (await guarded.get(f"/operations/{retried}", headers={"X-Caller": "acme/read"})).status_code == 200


async def test_an_owner_that_nobody_can_be_is_a_wrong_parameter(guarded: Api) -> None:
    answer = await guarded.get("/jobs?owner=a%00b", headers={"X-Caller": "root/admin"})
    assert problem(answer, 422, "invalid-parameter")["errors"][0]["parameter"] == "owner"
