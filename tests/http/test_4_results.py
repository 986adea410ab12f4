"""Contract, section 4: values as results, exactly; the result's own resource; what is there before and after."""

import json
import re
from typing import Any

import pytest

from accepted import Artifact
from tests.clock import MovableClock
from tests.http import models
from tests.http.api import Api, document, problem
from tests.http.asgi import Exchange
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

INLINE = 16 * 1024  # bytes of JSON that a document still holds

VALUES = [
    (None, b"null"),
    (True, b"true"),
    (0, b"0"),
    (1.0, b"1.0"),
    (-0.0, b"-0.0"),
    (0.1, b"0.1"),
    (1e300, b"1e300"),
    (5e-324, b"5e-324"),
    (2**63 - 1, b"9223372036854775807"),
    (-(2**63), b"-9223372036854775808"),
    (2**70, b"1180591620717411303424"),
    ("", b'""'),
    ("1e400", b'"1e400"'),
    ("gr\xfcn \U0001f600", '"gr\xfcn \U0001f600"'.encode()),
    ('quote " and \\', b'"quote \\" and \\\\"'),
    ("\u2028\u2029", '"\u2028\u2029"'.encode()),
    ([], b"[]"),
    ({}, b"{}"),
    ([1, [2.0, {"a": None}]], b'[1,[2.0,{"a":null}]]'),
    ({"b": 1, "a": 2}, b'{"b":1,"a":2}'),
]


@pytest.mark.parametrize(("value", "written"), VALUES)
async def test_the_result_is_the_returned_value_as_json_exactly(
    make_app: MakeApp, start: Start, value: Any, written: bytes
) -> None:
    app = make_app()

    @app.operation("/values")
    async def values() -> Any:
        return value

    api = await start(app)
    done = await api.run("/values")
    answer = await api.get(done["result"]["url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == written
    members = value if isinstance(value, dict) else {"value": value}
    assert done["result"] == {**members, "url": f"/operations/{done['operationId']}/result"}


@pytest.mark.parametrize(("value", "written"), VALUES)
async def test_a_scalar_or_a_list_is_the_value_of_the_result_in_the_document_exactly(
    make_app: MakeApp, start: Start, value: Any, written: bytes
) -> None:
    app = make_app()

    @app.operation("/values")
    async def values() -> Any:
        return {"inner": value}

    api = await start(app)
    id = (await api.run("/values"))["operationId"]
    assert b'"result":{"inner":' + written + b',"url"' in (await api.get(f"/operations/{id}")).content


@pytest.mark.parametrize(("value", "written"), models.RETURNED)
async def test_a_result_may_be_a_value_of_any_kind_of_model(
    make_app: MakeApp, start: Start, value: Any, written: bytes
) -> None:
    app = make_app()

    @app.operation("/models")
    def returned() -> Any:
        return value

    api = await start(app)
    assert (await api.get((await api.run("/models"))["result"]["url"])).content == written


async def test_url_and_warnings_win_over_members_of_the_same_name(make_app: MakeApp, start: Start) -> None:
    app = make_app()

    @app.operation("/members")
    async def members() -> dict[str, Any]:
        return {"url": "mine", "warnings": "mine too", "value": 1}

    api = await start(app)
    done = await api.run("/members")
    url = f"/operations/{done['operationId']}/result"
    assert done["result"]["url"] == url
    assert (await api.get(url)).json() == {"url": "mine", "warnings": "mine too", "value": 1}


async def test_values_over_16_kib_are_left_to_the_url(api: Api) -> None:
    for size, inline in ((INLINE, True), (INLINE + 1, False)):
        value = "x" * (size - 2)
        done = await api.run("/echoes", value)
        url = f"/operations/{done['operationId']}/result"
        assert done["result"] == ({"value": value} if inline else {}) | {"url": url}
        answer = await api.get(url)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["content-length"] == str(size)
        assert "content-disposition" not in answer.headers
        assert answer.json() == value


async def test_a_large_object_is_served_whole(api: Api) -> None:
    value = {f"member {number}": ["\xfc" * 50, number] for number in range(5000)}
    done = await api.run("/echoes", value)
    answer = await api.get(done["result"]["url"])
    assert answer.content == json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


async def test_the_result_of_completed_with_errors_is_there_too(api: Api) -> None:
    done = await api.run("/warnings")
    assert (await api.get(done["result"]["url"])).json() == {"imported": 3}


async def test_before_the_end_there_is_no_result_yet(api: Api, gates: Gates) -> None:
    id = (await api.submit("/slows"))["operationId"]
    await gates.started.passed()
    found = problem(await api.get(f"/operations/{id}/result"), 404, "result-not-ready")
    assert "PROCESSING" in found["detail"]


async def test_while_it_waits_there_is_no_result_yet(idle: Api) -> None:
    id = (await idle.submit("/noops"))["operationId"]
    assert "PENDING" in problem(await idle.get(f"/operations/{id}/result"), 404, "result-not-ready")["detail"]


async def test_failed_and_cancelled_have_no_result(api: Api, gates: Gates) -> None:
    failed = (await api.run("/finals"))["operationId"]
    cancelled = (await api.submit("/slows"))["operationId"]
    await gates.started.passed()
    await api.post(f"/operations/{cancelled}/cancel")
    for id, state in {failed: "FAILED", cancelled: "CANCELLED"}.items():
        assert state in problem(await api.get(f"/operations/{id}/result"), 404, "no-result")["detail"]


async def test_after_expiry_it_is_410(api: Api, clock: MovableClock) -> None:
    url = (await api.run("/noops"))["result"]["url"]
    clock.advance(hours=24.1)
    problem(await api.get(url), 410, "operation-expired")
    await api.sweep()
    problem(await api.get(url), 410, "operation-expired")


async def test_a_value_has_an_etag_and_gives_304(api: Api) -> None:
    for value in (1, "x" * INLINE):
        url = (await api.run("/echoes", value))["result"]["url"]
        tag = (await api.get(url)).headers["etag"]
        again = await api.get(url, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert (await api.get(url, headers={"If-None-Match": '"x"'})).status_code == 200


async def test_head_of_a_result_is_get_without_the_body(api: Api) -> None:
    for value in (1, "x" * INLINE):
        url = (await api.run("/echoes", value))["result"]["url"]
        got, head = await Exchange("GET", url).through(api.app), await Exchange("HEAD", url).through(api.app)
        assert (head.status, head.headers, head.body) == (200, got.headers, b"")


# --- the result's own resource


@pytest.fixture
async def reports(make_app: MakeApp, start: Start) -> Api:
    """Operations whose results have a resource of their own."""
    app = make_app()

    @app.operation("/reports/sales", result="/reports/{reportId}", result_id="rpt")
    async def sales() -> Artifact:
        return Artifact(b"a;b\n", media_type="text/csv", filename="sales.csv", rows=1)

    @app.operation("/reports/named", result="/named/{reportId}")
    async def named(id: str) -> Artifact:
        return Artifact(id.encode(), reportId=id)

    @app.operation("/summaries", result="/summaries/{summaryId}/text")
    async def summary(id: str) -> dict[str, Any]:
        return {"summaryId": id, "n": 1} if id else {"n": 1}

    return await start(app)


async def test_a_minted_id_names_the_results_own_resource(reports: Api) -> None:
    id = (await reports.submit("/reports/sales"))["operationId"]
    await reports.ended(id)
    answer = await reports.get(f"/operations/{id}")
    url = answer.headers["location"]
    assert url == document(answer)["result"]["url"] == f"/reports/{document(answer)['result']['reportId']}"
    assert url.startswith("/reports/rpt-")
    served = await reports.get(url)
    assert (served.status_code, served.content) == (200, b"a;b\n")
    assert served.headers["content-type"] == "text/csv"


async def test_the_operations_own_result_path_works_all_the_same(reports: Api) -> None:
    done = await reports.run("/reports/sales")
    by_operation = await reports.get(f"/operations/{done['operationId']}/result")
    assert by_operation.content == (await reports.get(done["result"]["url"])).content


async def test_the_default_prefix_is_report(reports: Api) -> None:
    assert (await reports.run("/summaries", ""))["result"]["url"].startswith("/summaries/report-")


OWN_IDS = ["2017", "q1-2017_final.v2", "~x", "a b", "50%", "a?b", "a#b", "\xfcber", "a&b=c", "a+b", ".x"]


@pytest.mark.parametrize("own", OWN_IDS)
async def test_an_id_that_the_function_brings_names_the_resource(reports: Api, own: str) -> None:
    id = (await reports.submit("/reports/named", own))["operationId"]
    await reports.ended(id)
    answer = await reports.get(f"/operations/{id}")
    assert document(answer)["result"]["reportId"] == own
    location = answer.headers["location"]
    assert re.fullmatch(r"[!-~]+", location)
    assert location == document(answer)["result"]["url"]
    served = await reports.get(location)
    assert (served.status_code, served.content) == (200, own.encode())


async def test_a_value_may_bring_its_id_too(reports: Api) -> None:
    done = await reports.run("/summaries", "mine")
    assert done["result"] == {"summaryId": "mine", "n": 1, "url": "/summaries/mine/text"}
    assert (await reports.get("/summaries/mine/text")).json() == {"summaryId": "mine", "n": 1}


@pytest.mark.parametrize("own", ["a/b", "x\ny", "y" * 300, ".", ".."])
async def test_an_id_that_is_not_fit_for_a_path_fails_the_operation(reports: Api, own: str) -> None:
    done = await reports.run("/reports/named", own)
    assert done["error"]["type"] == "/problems/invalid-result"


async def test_before_the_end_the_resource_is_not_ready(make_app: MakeApp, start: Start) -> None:
    app = make_app(worker=False)

    @app.operation("/reports/sales", result="/reports/{reportId}", result_id="rpt")
    async def sales() -> None: ...

    api = await start(app)
    id = (await api.submit("/reports/sales"))["operationId"]
    problem(await api.get(f"/reports/rpt-{id[3:]}"), 404, "result-not-ready")


@pytest.mark.parametrize("id", ["rpt-" + "0" * 26, "rpt-1", "nothing", "op-" + "0" * 26])
async def test_a_resource_that_is_nobodys_is_404(reports: Api, id: str) -> None:
    problem(await reports.get(f"/reports/{id}"), 404, "operation-not-found")


async def test_a_minted_id_stands_only_for_operations_of_its_own_kind(reports: Api) -> None:
    other = (await reports.run("/echoes", 1))["operationId"]
    problem(await reports.get(f"/reports/rpt-{other[3:]}"), 404, "operation-not-found")


async def test_after_expiry_the_resource_is_410(reports: Api, clock: MovableClock) -> None:
    url = (await reports.run("/reports/sales"))["result"]["url"]
    clock.advance(hours=24.1)
    problem(await reports.get(url), 410, "operation-expired")
    await reports.sweep()
    problem(await reports.get(url), 410, "operation-expired")


async def test_somebody_elses_resource_is_not_found(reports: Api) -> None:
    handle = await reports.app.submit("named", "theirs", owner="somebody")
    await handle.wait(10)
    problem(await reports.get("/named/theirs"), 404, "operation-not-found")
