"""The OpenAPI document holds against the app itself: statuses, media types, headers and bodies, as schemathesis judges.

What it generates is the same in every run. Ids it cannot guess, so the second half walks over operations that have
ended in every way there is.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, get_args

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel, Field
from schemathesis import Case, GenerationMode, Response
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.types import Receive, Scope, Send

from accepted import Accepted, Artifact, Attempt, Failure
from accepted.http.routes import SOCKETS, routes
from tests.databases import BACKENDS, databases
from tests.http.gate import Gate

EXAMPLES = 8

Outcome = Literal["fine", "warned", "failed", "retryable"]


class Node(msgspec.Struct, rename="camel"):
    """A recursive Struct."""

    node_value: int
    children: list["Node"] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=1, le=9)] = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    born: date | None = None


@dataclass
class Ordered:
    outcome: Outcome = "fine"


def build(database: str, gate: Gate) -> Accepted:
    """An app with inputs and ends of every kind."""
    app = Accepted(database=database, wait_limit=1, cancel_grace=0.1, drain_timeout=0.5)

    @app.operation("/trees", result="/trees/{treeId}", result_id="tree")
    async def tree(node: Node) -> Node:
        """Grow a tree."""
        return node

    @app.operation("/pets")
    async def pet(pet: Annotated[Cat | Dog, Field(discriminator="kind")]) -> list[Cat | Dog]:
        return [pet]

    @app.operation("/ends", phases=["ONE", "TWO"])
    async def end(ordered: Ordered, attempt: Attempt) -> str:
        async with attempt.phase("ONE"):
            attempt.progress(1, 2, "half of it")
            attempt.log("on its way", by="itself")
            _as_ordered(ordered.outcome, attempt)
        return "done"

    @app.operation("/held")
    async def hold(attempt: Attempt) -> None:
        attempt.partial({"rows": 450})
        await gate.passed()

    @app.operation("/queued", concurrency=1)
    async def queue() -> None:
        await gate.passed()

    @app.operation("/files", result="/files/{fileId}", result_id="file")
    def file(attempt: Attempt) -> Artifact:
        return Artifact(b"0123456789", media_type="text/csv", filename="numbers.csv", rows=10)

    @app.operation("/nothings")
    async def nothing() -> None: ...

    return app


def _as_ordered(outcome: Outcome, attempt: Attempt) -> None:
    match outcome:
        case "warned":
            attempt.warn("MISSING_DATA", "2 rows are empty", affected_records=2)
        case "failed":
            raise Failure("Never Again", type="never-again", status=422)
        case "retryable":
            raise Failure("Come Back", type="come-back", retryable=True, retry_after=300)


ROUTES = sorted(routes(build("sqlite:///unused.db", Gate()).registry))
# Held ones would pile up, and one stream has no end.
QUICK = [(path, method) for path, method in ROUTES if path not in {"/held", "/queued", "/statistics/stream", *SOCKETS}]
CAN_BE_WRONG = [
    (path, method)
    for path, method in QUICK
    if (method == "POST" or path.startswith(("/jobs", "/operations"))) and path != "/operations/ticket"  # takes nothing
]

# The app works beside the test, in the same process, and is free to use `random` while hypothesis draws.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


class Kept:
    """An app that outlives single tests: schemathesis ends lifespans with each, so it is not told of them."""

    def __init__(self, app: Accepted) -> None:
        self.app = app
        self.loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        self.loop = asyncio.get_running_loop()
        await self.app.start()
        sender = self.app.node.deliverer.sender
        sender.resolve = sender.dial = nowhere
        await self.app(scope, receive, send)

    def stop(self) -> None:
        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(self.app.stop(), self.loop).result(10)


async def nowhere(host: object, port: int) -> Any:
    """A name server that knows no name, and a network that leads nowhere: URLs are made up here, and might be
    somebody's.
    """
    raise OSError(host)


@pytest.fixture(scope="module", params=BACKENDS)
def schema(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """The document as the running app gives it, and the app behind it."""
    gate = Gate()
    with databases(request.param, tmp_path_factory.mktemp("schemathesis")) as named:
        kept = Kept(build(named("accepted").url, gate))
        yield schemathesis.openapi.from_asgi("/openapi.json", kept)
        gate.open()
        kept.stop()


# Refusals of what no schema says: a key that came before, a cursor that never was given, a number that JSON readers
# do not agree about, a URL whose host or port is not decent, bytes of a secret.
BEYOND_SCHEMAS = (
    b"idempotency-key-reused",
    b"cursor: has to be",
    b"after: has to be",
    b"id: has to be",
    b"submittedAfter: has to be",
    b"submittedBefore: has to be",
    b"outside of 64 bits",
    b'"/webhook/url"',
    b'"/webhook/secret',
)


def _generates(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def conform(case: Case[Any]) -> None:
        response = case.call()
        beyond = any(words in response.content for words in BEYOND_SCHEMAS)
        case.validate_response(response, excluded_checks=[positive_data_acceptance] if beyond else [])

    conform()


@pytest.mark.parametrize(("path", "method"), QUICK)
def test_what_fits_is_answered_as_documented(schema: BaseSchema, path: str, method: str) -> None:
    _generates(schema[path][method], GenerationMode.POSITIVE)


@pytest.mark.parametrize(("path", "method"), CAN_BE_WRONG)
def test_what_does_not_fit_is_refused_as_documented(schema: BaseSchema, path: str, method: str) -> None:
    _generates(schema[path][method], GenerationMode.NEGATIVE)


# --- operations in every state

Ids = dict[str, str]


@pytest.fixture(scope="module")
def ids(schema: BaseSchema) -> Ids:
    """An operation in every state, one that has a warning, and one whose result is a file."""
    found = {outcome: submitted(schema, "/ends", {"outcome": outcome}) for outcome in get_args(Outcome)}
    found |= {"tree": submitted(schema, "/trees", {"nodeValue": 1}), "file": submitted(schema, "/files")}
    for id in found.values():
        while poll(schema, id).json()["status"] in {"PENDING", "PROCESSING"}:
            pass
    found["held"] = held(schema)
    submitted(schema, "/queued")
    found["queued"] = submitted(schema, "/queued")
    return found


def held(schema: BaseSchema) -> str:
    """One that runs, and has something to leave behind."""
    id = submitted(schema, "/held")
    while poll(schema, id).json()["status"] == "PENDING":
        pass
    return id


def submitted(schema: BaseSchema, path: str, body: Any = None) -> str:
    answered = exchange(schema, path, "POST", body={} if body is None else body, media_type="application/json")
    assert answered.status_code == 202
    return str(answered.json()["operationId"])


def poll(schema: BaseSchema, id: str, **more: Any) -> Response:
    headers = {"Prefer": "wait=1"}
    return exchange(schema, "/operations/{id}", "GET", path_parameters={"id": id}, headers=headers, **more)


def exchange(
    schema: BaseSchema, path: str, method: str, headers: dict[str, str] | None = None, **request: Any
) -> Response:
    """One request, whose answer is as documented."""
    case = schema[path][method].Case(**request)
    response = case.call(headers=headers)
    case.validate_response(response, excluded_checks=[positive_data_acceptance])
    return response


STATES = {
    "fine": (303, "COMPLETED"),
    "tree": (303, "COMPLETED"),
    "file": (303, "COMPLETED"),
    "warned": (200, "COMPLETED_WITH_ERRORS"),
    "failed": (200, "FAILED"),
    "retryable": (200, "FAILED"),
    "held": (200, "PROCESSING"),
    "queued": (200, "PENDING"),
}


@pytest.mark.parametrize("name", STATES)
def test_every_state_is_as_documented(schema: BaseSchema, ids: Ids, name: str) -> None:
    target = {"path_parameters": {"id": ids[name]}}
    answered = exchange(schema, "/operations/{id}", "GET", **target)
    assert (answered.status_code, answered.json()["status"]) == STATES[name]
    assert exchange(schema, "/operations/{id}", "GET", query={"redirect": "false"}, **target).status_code == 200


@pytest.mark.parametrize(("name", "status"), [("fine", 200), ("warned", 200), ("tree", 200), ("failed", 404)])
def test_every_result_is_as_documented(schema: BaseSchema, ids: Ids, name: str, status: int) -> None:
    answered = exchange(schema, "/operations/{id}/result", "GET", path_parameters={"id": ids[name]})
    assert answered.status_code == status
    if status == 200:
        known = {"If-None-Match": answered.headers["etag"][0]}
        again = exchange(schema, "/operations/{id}/result", "GET", path_parameters={"id": ids[name]}, headers=known)
        assert again.status_code == 304


@pytest.mark.parametrize(("span", "status"), [("bytes=2-4", 206), ("bytes=50-", 416), ("lines=1-2", 200)])
def test_a_file_is_as_documented(schema: BaseSchema, ids: Ids, span: str, status: int) -> None:
    target = {"fileId": ids["file"].replace("op-", "file-")}
    answered = exchange(schema, "/files/{fileId}", "GET", path_parameters=target, headers={"Range": span})
    assert answered.status_code == status


def test_a_result_of_its_own_is_as_documented(schema: BaseSchema, ids: Ids) -> None:
    target = {"treeId": ids["tree"].replace("op-", "tree-")}
    answered = exchange(schema, "/trees/{treeId}", "GET", path_parameters=target)
    assert answered.json() == {"nodeValue": 1, "children": []}


@pytest.mark.parametrize("name", STATES)
def test_every_job_is_as_documented(schema: BaseSchema, ids: Ids, name: str) -> None:
    target = {"path_parameters": {"id": ids[name].replace("op-", "job-")}}
    assert exchange(schema, "/jobs/{id}", "GET", **target).json()["status"] == STATES[name][1]


@pytest.mark.parametrize(
    ("accept", "status"),
    [("application/json", 200), ("text/plain", 200), ("text/event-stream", 200), ("image/png", 406)],
)
def test_a_log_is_as_documented(schema: BaseSchema, ids: Ids, accept: str, status: int) -> None:
    target = {"path_parameters": {"id": ids["fine"].replace("op-", "job-")}}
    answered = exchange(schema, "/jobs/{id}/logs", "GET", headers={"Accept": accept}, **target)
    assert answered.status_code == status
    assert ("on its way" in answered.text) == (status == 200)


def test_the_history_is_as_documented(schema: BaseSchema, ids: Ids) -> None:
    query: dict[str, Any] = {"limit": 2, "status": ["COMPLETED", "FAILED"]}
    first = exchange(schema, "/jobs", "GET", query=query).json()
    cursor = {"cursor": first["pagination"]["next"]}
    assert len(exchange(schema, "/jobs", "GET", query=query | cursor).json()["data"]) == 2


@pytest.mark.parametrize(("name", "status"), [("fine", 409), ("failed", 409), ("retryable", 202)])
def test_retrying_is_as_documented(schema: BaseSchema, ids: Ids, name: str, status: int) -> None:
    target = {"path_parameters": {"id": ids[name]}}
    assert exchange(schema, "/operations/{id}/retry", "POST", **target).status_code == status


def test_cancelling_is_as_documented(schema: BaseSchema) -> None:
    target: dict[str, Any] = {"path_parameters": {"id": held(schema)}}
    request = {**target, "body": {"reason": "changed my mind"}, "media_type": "application/json"}
    assert exchange(schema, "/operations/{id}/cancel", "POST", **request).status_code == 200
    assert exchange(schema, "/operations/{id}/cancel", "POST", **target).status_code == 200
    assert exchange(schema, "/operations/{id}", "GET", **target).json()["partialResult"] == {"rows": 450}
    assert exchange(schema, "/operations/{id}/retry", "POST", **target).status_code == 202


@pytest.mark.parametrize("path", ["/operations/{id}/cancel", "/jobs/{id}/cancel"])
def test_cancelling_too_late_is_as_documented(schema: BaseSchema, ids: Ids, path: str) -> None:
    id = ids["fine"].replace("op-", "job-") if "jobs" in path else ids["fine"]
    assert exchange(schema, path, "POST", path_parameters={"id": id}).status_code == 409


def test_waiting_and_replaying_are_as_documented(schema: BaseSchema) -> None:
    request: dict[str, Any] = {"body": {"nodeValue": 7}, "media_type": "application/json"}
    headers = {"Idempotency-Key": "seven", "Prefer": "wait=1"}
    assert exchange(schema, "/trees", "POST", headers=headers, **request).status_code == 303
    again = exchange(schema, "/trees", "POST", headers={"Idempotency-Key": "seven"}, **request)
    assert again.status_code == 202
    assert again.json()["status"] == "COMPLETED"
    assert (
        exchange(schema, "/trees", "POST", headers=headers, query={"redirect": "false"}, **request).status_code == 200
    )
