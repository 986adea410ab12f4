"""Contract, section 1: input that does not fit the type is 422 with JSON pointers (RFC 6901); nothing is stored."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.http import models
from tests.http.api import Api, document, problem
from tests.http.conftest import MakeApp, Start

RANGE = {"start": "2017-01-01", "end": "2017-12-31"}
GOOD = {"dateRange": RANGE, "format": "CSV", "storeIds": [1, 2]}
KINDS = ("struct", "dataclass", "typed-dict", "pydantic")


@pytest.fixture
async def reports(make_app: MakeApp, start: Start) -> Api:
    """One path for each kind of model."""
    app = make_app()

    @app.operation("/struct")
    async def struct(report: models.StructReport) -> str:
        return report.date_range.end.isoformat()

    @app.operation("/dataclass")
    async def dataclass(report: models.DataReport) -> str:
        return report.dateRange.end.isoformat()

    @app.operation("/typed-dict")
    async def typed_dict(report: models.TypedReport) -> str:
        return report["dateRange"]["end"].isoformat()

    @app.operation("/pydantic")
    async def pydantic(report: models.PydanticReport) -> str:
        return report.date_range.end.isoformat()

    return await start(app)


@pytest.fixture
async def odd(make_app: MakeApp, start: Start) -> AsyncIterator[Api]:
    """Awkward types; nothing is ever stored."""
    app = make_app(worker=False)

    @app.operation("/awkward")
    async def awkward(value: models.Awkward) -> None: ...

    @app.operation("/awkward-pydantic")
    async def awkward_pydantic(value: models.AwkwardPydantic) -> None: ...

    @app.operation("/scores")
    async def scores(value: models.Scores) -> None: ...

    @app.operation("/picky")
    async def picky(value: models.Picky) -> None: ...

    @app.operation("/lists")
    async def lists(value: list[list[int]]) -> None: ...

    @app.operation("/dicts")
    async def dicts(value: dict[str, Any]) -> None: ...

    @app.operation("/numbers")
    async def numbers(value: int) -> None: ...

    api = await start(app)
    yield api
    assert await api.total() == 0


async def errors(api: Api, path: str, body: Any) -> dict[str, str]:
    """pointer -> detail of the refusal of `body`."""
    found = problem(await api.post(path, json=body), 422, "invalid-request")
    assert all(set(error) == {"pointer", "detail"} for error in found["errors"])
    return {error["pointer"]: error["detail"] for error in found["errors"]}


@pytest.mark.parametrize("kind", KINDS)
async def test_input_that_fits_reaches_the_function_as_its_type(reports: Api, kind: str) -> None:
    done = await reports.run(f"/{kind}", GOOD)
    assert done["result"]["value"] == "2017-12-31"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("pointer", "body"),
    [
        ("/dateRange/end", {"dateRange": {"start": "2017-01-01", "end": "soon"}}),
        ("/dateRange/end", {"dateRange": {"start": "2017-01-01", "end": None}}),
        ("/dateRange", {"dateRange": []}),
        ("/format", {"dateRange": RANGE, "format": "DOC"}),
        ("/storeIds/1", {"dateRange": RANGE, "storeIds": [1, "two", 3]}),
        ("", []),
        ("", "report"),
    ],
)
async def test_the_pointer_leads_to_what_does_not_fit(reports: Api, kind: str, pointer: str, body: Any) -> None:
    found = await errors(reports, f"/{kind}", body)
    assert set(found) == {pointer}
    assert found[pointer]
    assert await reports.total() == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_missing_member_is_named(reports: Api, kind: str) -> None:
    found = await errors(reports, f"/{kind}", {"dateRange": {"start": "2017-01-01"}})
    ((pointer, detail),) = found.items()
    assert pointer in {"/dateRange", "/dateRange/end"}
    assert "end" in pointer + detail


@pytest.mark.parametrize("kind", ["struct", "pydantic"])
async def test_a_member_too_many_is_named_where_the_model_forbids_it(reports: Api, kind: str) -> None:
    found = await errors(reports, f"/{kind}", {"dateRange": RANGE, "colour": "red"})
    ((pointer, detail),) = found.items()
    assert "colour" in pointer + detail


@pytest.mark.parametrize("kind", ["struct", "pydantic"])
async def test_camel_case_names_are_the_models_own_business(reports: Api, kind: str) -> None:
    assert await errors(reports, f"/{kind}", {"date_range": RANGE})


async def test_pydantic_names_all_errors_at_once(reports: Api) -> None:
    found = await errors(reports, "/pydantic", {"dateRange": {"start": 1.5, "end": "x"}, "format": 1})
    assert set(found) == {"/dateRange/start", "/dateRange/end", "/format"}


NAMES = {"a/b": "/a~1b", "m~n": "/m~0n", "~1/": "/~01~1", "x.y": "/x.y", "p[0]": "/p[0]", "": "/", "u v": "/u v"}


@pytest.mark.parametrize(("name", "pointer"), [*NAMES.items(), ("q`r", "/q`r")])
async def test_a_pointer_escapes_what_it_has_to(odd: Api, name: str, pointer: str) -> None:
    assert set(await errors(odd, "/awkward", {name: "x"})) == {pointer}


@pytest.mark.parametrize(("name", "pointer"), list(NAMES.items())[:-1])
async def test_a_pointer_of_a_pydantic_model_escapes_what_it_has_to(odd: Api, name: str, pointer: str) -> None:
    assert set(await errors(odd, "/awkward-pydantic", {name: "x"})) == {pointer}


@pytest.mark.parametrize(("name", "pointer"), [("ann", "/ann"), ("a/b", "/a~1b")])
async def test_a_pointer_into_a_mapping_leads_to_the_value_or_to_the_mapping(odd: Api, name: str, pointer: str) -> None:
    (found,) = await errors(odd, "/scores", {"scores": {"x": 1, name: "many"}})
    assert found in {f"/scores{pointer}", "/scores"}


async def test_a_pointer_leads_into_lists_of_lists(odd: Api) -> None:
    assert set(await errors(odd, "/lists", [[1], [2, 3, None]])) == {"/1/2"}


async def test_a_plain_type_is_pointed_at_as_a_whole(odd: Api) -> None:
    assert set(await errors(odd, "/numbers", "1")) == {""}
    assert set(await errors(odd, "/dicts", [1])) == {""}


async def test_a_models_own_rule_is_told_in_its_words(odd: Api) -> None:
    found = await errors(odd, "/picky", {"low": 2, "high": 1})
    assert "low is over high" in found[""]


async def test_a_refused_input_is_counted_but_not_stored(reports: Api) -> None:
    answer = await reports.post("/struct", json={})
    assert document(answer)["title"] == "Invalid Request"
    assert await reports.total() == 0
