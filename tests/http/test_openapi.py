"""The OpenAPI document is valid, whole and honest for apps of every kind (contract, section 12)."""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, Field, computed_field

from accepted import Accepted, Artifact, Attempt
from accepted.contract.problem import Refusal, catalogue
from accepted.http.openapi import OpenApi
from accepted.http.openapi_parts import inlined, moved_in
from accepted.http.routes import routes
from tests.databases import Database

Document = dict[str, Any]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Tree(msgspec.Struct, rename="camel"):
    """A recursive Struct."""

    node_value: Annotated[int, msgspec.Meta(ge=0)]
    colour: Colour = Colour.RED
    children: list["Tree"] = []


class Circle(msgspec.Struct, tag="circle"):
    radius: float


class Square(msgspec.Struct, tag="square"):
    side: float
    inside: Circle | None = None


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]
    friends: list["Cat | Dog"] = Field(default=[], alias="bestFriends")


class Box(BaseModel):
    width: int = 1

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.width**2


class Problem(msgspec.Struct):
    """A name that is ours as well."""

    severity: int


@dataclass
class Span:
    start: date
    end: date | None = None


class Settings(TypedDict, total=False):
    span: Span
    scores: dict[str, tuple[int, str]]


def app() -> Accepted:
    return Accepted(database="sqlite:///never-opened.db")


def of_structs() -> Accepted:
    made = app()

    @made.operation("/trees", result="/trees/{treeId}")
    async def tree(value: Tree) -> Tree:
        """Grow a tree,
        slowly.

        It takes a while.
        """
        return value

    @made.operation("/shapes", phases=["A", "B"])
    def shape(value: Circle | Square, attempt: Attempt) -> Circle | Square | None:
        return value

    @made.operation("/settings")
    async def settle(value: Settings) -> Span:
        return value["span"]

    return made


def of_pydantic() -> Accepted:
    made = app()

    @made.operation("/pets")
    async def pet(value: Annotated[Cat | Dog, Field(discriminator="kind")]) -> list[Cat | Dog]:
        return [value]

    @made.operation("/boxes", result="/boxes/{boxId}")
    async def box(value: Box) -> Box:
        return value

    return made


def of_plain_types() -> Accepted:
    made = app()

    @made.operation("/numbers")
    async def number(value: int) -> float:
        return value

    @made.operation("/anythings")
    async def anything(value: Any):
        return value

    @made.operation("/mappings")
    async def mapping(value: dict[str, list[Colour]]) -> None: ...

    return made


def of_files() -> Accepted:
    made = app()

    @made.operation("/files", result="/files/{fileId}")
    def file(attempt: Attempt) -> Artifact:
        return Artifact(b"")

    @made.operation("/sometimes")
    def sometimes() -> Artifact | dict[str, int]:
        return {}

    return made


def of_one_name() -> Accepted:
    """Types that share a name, among themselves and with ours."""
    made = app()

    @made.operation("/problems-of-users")
    async def problem(value: Problem) -> Problem:
        return value

    for number in range(3):
        page = msgspec.defstruct("Page", [(f"member{number}", int)])
        book = msgspec.defstruct("Book", [("pages", list[page])])  # type: ignore[valid-type]
        made.operation(f"/books/{number}", name=f"book-{number}")(_taking(book))
    return made


def _taking(type: Any) -> Callable[..., Any]:
    async def take(value: Any) -> None: ...

    take.__annotations__["value"] = type
    return take


APPS = [app, of_structs, of_pydantic, of_plain_types, of_files, of_one_name]


def document_of(made: Accepted, base: str = "") -> Document:
    return OpenApi(made.registry, lambda: False).document(base)


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def input_of(document: Document, path: str) -> Document:
    schema: Document = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return resolved(document, schema)


def resolved(document: Document, schema: Document) -> Document:
    if "$ref" not in schema:
        return schema
    found: Document = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


@pytest.mark.parametrize("make", APPS)
def test_it_is_valid(make: Callable[[], Accepted]) -> None:
    OpenAPIV31SpecValidator(document_of(make(), "/ops")).validate()


@pytest.mark.parametrize("make", APPS)
def test_it_has_every_path_of_the_router_and_no_other(make: Callable[[], Accepted]) -> None:
    made = make()
    documented = {(path, method) for path, method, _ in operations(document_of(made))}
    assert documented == set(routes(made.registry))


@pytest.mark.parametrize("make", APPS)
def test_operations_have_ids_of_their_own_and_links_lead_to_them(make: Callable[[], Accepted]) -> None:
    found = [operation for _, _, operation in operations(document_of(make()))]
    ids = [operation["operationId"] for operation in found]
    assert len(set(ids)) == len(ids)
    targets = {
        link["operationId"]
        for operation in found
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    }
    assert targets <= set(ids)


@pytest.mark.parametrize("make", APPS)
def test_every_tag_is_explained_and_every_operation_says_what_it_does(make: Callable[[], Accepted]) -> None:
    document = document_of(make())
    tags = {tag["name"] for tag in document["tags"]}
    for _, _, operation in operations(document):
        assert set(operation["tags"]) <= tags
        assert operation["summary"]


async def test_the_router_serves_what_it_says(database: Database) -> None:
    made = Accepted(database=database.url, worker=False)
    async with made:
        served = {(path, method) for path, methods in made.face.table.items() for method in methods}
    assert served == set(routes(()))


# --- what users registered


def test_the_input_is_what_the_function_takes() -> None:
    tree = input_of(document_of(of_structs()), "/trees")
    assert tree["required"] == ["nodeValue"]
    assert tree["properties"]["nodeValue"] == {"type": "integer", "minimum": 0}
    assert tree["properties"]["children"]["items"] == {"$ref": "#/components/schemas/Tree"}


def test_an_input_of_pydantic_is_what_it_reads() -> None:
    document = document_of(of_pydantic())
    assert "area" not in input_of(document, "/boxes")["properties"]
    assert "bestFriends" in document["components"]["schemas"]["Dog"]["properties"]
    pets = input_of(document, "/pets")
    assert pets["discriminator"]["mapping"] == {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"}


def test_an_output_of_pydantic_is_what_it_writes() -> None:
    document = document_of(of_pydantic())
    answer = document["paths"]["/boxes/{boxId}"]["get"]["responses"]["200"]
    written = resolved(document, answer["content"]["application/json"]["schema"])
    assert set(written["properties"]) == {"width", "area"}


def test_a_result_of_its_own_has_the_schema_of_what_is_returned() -> None:
    resource = document_of(of_structs())["paths"]["/trees/{treeId}"]["get"]
    assert next(parameter["name"] for parameter in resource["parameters"]) == "treeId"
    schema = resource["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Tree"}


def test_a_file_may_be_of_any_type() -> None:
    content = document_of(of_files())["paths"]["/files/{fileId}"]["get"]["responses"]["200"]["content"]
    assert "*/*" in content


def test_without_an_input_no_body_is_needed() -> None:
    body = document_of(of_files())["paths"]["/files"]["post"]["requestBody"]
    assert not body.get("required", False)
    assert document_of(of_structs())["paths"]["/trees"]["post"]["requestBody"]["required"]


def test_summary_and_description_come_from_the_docstring() -> None:
    operation = document_of(of_structs())["paths"]["/trees"]["post"]
    assert operation["summary"] == "Grow a tree, slowly."
    assert operation["description"].startswith("It takes a while.")
    assert "`Tree`" in operation["description"]
    assert "/trees/{treeId}" in operation["description"]


def test_types_of_one_name_are_kept_apart() -> None:
    document = document_of(of_one_name())
    schemas = document["components"]["schemas"]
    assert "instance" in schemas["Problem"]["properties"]
    assert set(input_of(document, "/problems-of-users")["properties"]) == {"severity"}
    for number in range(3):
        page = resolved(document, input_of(document, f"/books/{number}")["properties"]["pages"]["items"])
        assert set(page["properties"]) == {f"member{number}"}


def test_a_shared_type_is_one_component() -> None:
    names = [name for name in document_of(of_structs())["components"]["schemas"] if name.startswith("Tree")]
    assert names == ["Tree"]


def test_a_later_operation_is_in_the_next_document() -> None:
    made = of_structs()
    before = document_of(made)
    made.operation("/later")(_taking(int))
    assert "/later" not in before["paths"]
    assert "/later" in document_of(made)["paths"]


# --- answers


SUBMIT = [
    "200",
    "202",
    "303",
    "400",
    "401",
    "403",
    "410",
    "413",
    "415",
    "421",
    "422",
    "429",
    "500",
    "503",
    "504",
    "507",
]
STATUS = ["200", "303", "304", "400", "401", "403", "404", "410", "421", "422", "429", "500", "503"]


@pytest.mark.parametrize(
    ("path", "method", "statuses"), [("/trees", "post", SUBMIT), ("/operations/{id}", "get", STATUS)]
)
def test_the_statuses_are_listed(path: str, method: str, statuses: list[str]) -> None:
    assert sorted(document_of(of_structs())["paths"][path][method]["responses"]) == statuses


def test_every_problem_of_the_catalogue_is_explained_where_it_can_come() -> None:
    answers = [answer for _, _, o in operations(document_of(of_structs())) for answer in o["responses"].values()]
    explained = " ".join(answer["description"] for answer in answers)
    not_yet = {"method-not-allowed"}  # of no operation
    not_yet |= {"invalid-command", "too-many-messages"}  # said in WebSocket messages
    not_yet |= {"head-too-large", "request-timeout"}  # said before any operation is asked
    slugs = {slug for slug, _, status, _ in catalogue() if status is not None}
    assert {slug for slug in slugs - not_yet if f"`{slug}`" not in explained} == set()


def test_problems_are_problem_details() -> None:
    for _, _, operation in operations(document_of(of_structs())):
        for status, answer in operation["responses"].items():
            if status >= "400" and "`" in answer["description"]:
                assert list(answer["content"]) == ["application/problem+json"]


def test_the_status_document_is_told_apart_by_its_status() -> None:
    schemas = document_of(app())["components"]["schemas"]
    assert len(schemas["Operation"]["oneOf"]) == 6
    for status, where in schemas["Operation"]["discriminator"]["mapping"].items():
        schema = schemas[where.rpartition("/")[2]]
        assert schema["properties"]["status"] == {"type": "string", "const": status}
        assert schema["additionalProperties"] is False
        assert ("result" in schema["required"]) == status.startswith("COMPLETED")
        assert ("error" in schema["required"]) == (status == "FAILED")
        assert ("pollInterval" in schema["required"]) == (status in {"PENDING", "PROCESSING"})


# --- where it is served


@pytest.mark.parametrize(
    ("base", "servers"), [("", None), ("/ops", "/ops"), ("https://a.example", "https://a.example")]
)
def test_servers_are_where_links_begin(base: str, servers: str | None) -> None:
    found = document_of(app(), base).get("servers")
    assert found == (None if servers is None else [{"url": servers}])


# --- putting components together


def test_a_group_keeps_its_shape_when_one_of_its_names_is_taken() -> None:
    taken: Document = {"Page": {"type": "string"}, "Leaf": {"type": "null"}}
    group: Document = {
        "Page": {"type": "integer"},
        "Book": {"items": {"$ref": "#/components/schemas/Page"}},
        "Leaf": {"type": "null"},
    }
    assert moved_in(group, taken, "My") == {"Page": "MyPage"}
    assert taken["MyPage"] == {"type": "integer"}
    assert taken["Book"] == {"items": {"$ref": "#/components/schemas/MyPage"}}


def test_what_refers_to_a_stranger_is_a_stranger() -> None:
    book = {"items": {"$ref": "#/components/schemas/Page"}}
    taken: Document = {"Page": {"type": "string"}, "Book": book, "MyPage": {"type": "null"}}
    names = moved_in({"Page": {"type": "integer"}, "Book": book}, taken, "My")
    assert names == {"Page": "MyPage2", "Book": "MyBook2"}
    assert taken["Book"] == book
    assert taken["MyBook2"] == {"items": {"$ref": "#/components/schemas/MyPage2"}}


def test_a_group_that_came_before_is_found_again() -> None:
    taken: Document = {"Page": {"type": "string"}}
    group: Document = {"Page": {"type": "integer"}}
    assert moved_in(group, taken, "My") == moved_in(group, taken, "My")
    assert len(taken) == 2


def test_inlined_schemas_have_no_references_and_an_end() -> None:
    tree: Document = {"properties": {"children": {"items": {"$ref": "#/components/schemas/Tree"}}}}
    found = inlined({"$ref": "#/components/schemas/Tree"}, {"Tree": tree})
    assert found == {"title": "Tree", "properties": {"children": {"items": {"title": "Tree"}}}}


def test_refusals_that_are_said_to_workers_alone_are_not_documented() -> None:
    silent = {refusal.slug for refusal in Refusal.__subclasses__() if not refusal.explanation}
    answers = [answer for _, _, o in operations(document_of(of_structs())) for answer in o["responses"].values()]
    assert silent
    assert not any(f"`{slug}`" in answer["description"] for slug in silent for answer in answers)
