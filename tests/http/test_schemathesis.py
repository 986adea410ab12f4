"""The OpenAPI document holds against the app itself: statuses, media types, headers and bodies, as schemathesis judges.

What it generates is the same in every run. Ids it cannot guess, so the second half walks over operations that have
ended in every way there is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel, Field
from schemathesis import Case, GenerationMode
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from accepted import Accepted, Artifact, Attempt, Failure
from accepted.http.app import routes
from tests.http.gate import Gate

EXAMPLES = 12

Outcome = Literal["fine", "warned", "failed", "retryable", "partial", "held"]


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


def build(database: Path, gate: Gate) -> Accepted:
    """An app with inputs and ends of every kind."""
    app = Accepted(database=f"sqlite:///{database}", wait_limit=1, cancel_grace=0.1, drain_timeout=0.5)

    @app.operation("/trees", result="/trees/{treeId}", result_id="tree")
    async def tree(node: Node) -> Node:
        """Grow a tree."""
        return node

    @app.operation("/pets")
    async def pet(pet: Annotated[Cat | Dog, Field(discriminator="kind")]) -> list[Cat | Dog]:
        return [pet]

    @app.operation("/ends", phases=["ONE", "TWO"], attempts=2, backoff="1h")
    async def end(ordered: Ordered, attempt: Attempt) -> str:
        async with attempt.phase("ONE"):
            attempt.progress(1, 2, "half of it")
            attempt.log("on its way", by="itself")
            await _as_ordered(ordered.outcome, attempt, gate)
        return "done"

    @app.operation("/files", result="/files/{fileId}", result_id="file")
    def file(attempt: Attempt) -> Artifact:
        return Artifact(b"0123456789", media_type="text/csv", filename="numbers.csv", rows=10)

    @app.operation("/nothings")
    async def nothing() -> None: ...

    return app


async def _as_ordered(outcome: Outcome, attempt: Attempt, gate: Gate) -> None:
    match outcome:
        case "warned":
            attempt.warn("MISSING_DATA", "2 rows are empty", affected_records=2)
        case "failed":
            raise Failure("Never Again", type="never-again", status=422)
        case "retryable":
            if attempt.number == 1:
                raise Failure("Come Back", type="come-back", retryable=True, retry_after=1)
        case "partial" | "held":
            attempt.partial({"rows": 450})
            await gate.passed()


ROUTES = sorted(routes(build(Path("unused.db"), Gate()).registry))


# The app works beside the test, in the same process, and is free to use `random` while hypothesis draws.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """The document as the running app gives it, and the app behind it."""
    gate = Gate()
    app = build(tmp_path_factory.mktemp("schemathesis") / "accepted.db", gate)
    yield schemathesis.openapi.from_asgi("/openapi.json", app)
    gate.open()
    shutdown_lifespans()


# Refusals of what no schema can describe: a key that came before, and a cursor that never was given.
BEYOND_SCHEMAS = (b"idempotency-key-reused", b"cursor: has to be")


def _generates(operation: APIOperation, mode: GenerationMode) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def conform(case: Case) -> None:
        response = case.call()
        beyond = any(words in response.content for words in BEYOND_SCHEMAS)
        case.validate_response(response, excluded_checks=[positive_data_acceptance] if beyond else [])

    conform()


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_what_fits_is_answered_as_documented(schema: BaseSchema, path: str, method: str) -> None:
    _generates(schema[path][method], GenerationMode.POSITIVE)


@pytest.mark.parametrize(("path", "method"), CAN_BE_WRONG)
def test_what_does_not_fit_is_refused_as_documented(schema: BaseSchema, path: str, method: str) -> None:
    _generates(schema[path][method], GenerationMode.NEGATIVE)


# --- operations in every state


@pytest.fixture(scope="module")
def ended(schema: BaseSchema) -> dict[str, dict[str, Any]]:
    """One operation for each way to end, and two that have not: the documents of their 202."""
    found: dict[str, dict[str, Any]] = {}
    for outcome in OUTCOMES:
        found[outcome] = _submitted(schema, "/ends", {"outcome": outcome})
    found |= {path: _submitted(schema, path, body) for path, body in OTHERS.items()}
    for name, document in found.items():
        if name not in HELD:
            wait = schema["/operations/{id}"]["GET"].Case(
                path_parameters={"id": document["operationId"]}, headers={"Prefer": "wait=1"}
            )
            wait.call()
    return found
