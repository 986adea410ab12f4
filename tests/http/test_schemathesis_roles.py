"""Three callers to whom ann's operations are none of their business ask for all that schemathesis can think of, and for
hers by name: no answer is a 5xx, and none to who is no admin holds a byte of hers. What she gives her functions comes
back in all that they say, so one canary stands in inputs, results, files, logs, progress, errors, reasons and keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.schemas import BaseSchema

from accepted import Accepted, Artifact, Attempt, Failure
from accepted.http.routes import SOCKETS, routes
from tests.databases import databases
from tests.http.test_13_rules import by_name
from tests.http.test_schemathesis import Kept

CANARY = "c4n4ry"
ANN = {"X-Caller": f"{CANARY}-ann/submit,read", "Idempotency-Key": f"{CANARY}-key"}
SUBMITS, READS, ADMIN = {"X-Caller": "bob/submit"}, {"X-Caller": "carol/read"}, {"X-Caller": "root/admin"}
EXAMPLES = 6
HOOK = {"url": f"https://93.184.215.14/{CANARY}", "secret": f"{CANARY}-{CANARY}-secret"}

# The app works beside the test, in the same process, and is free to use `random` while hypothesis draws.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


def build(database: str) -> Accepted:
    """An app whose functions say what they were told, each in its way."""
    app = Accepted(
        database=database, authenticate=by_name, wait_limit=1, cancel_grace=0.1, drain_timeout=0.5, poll_minimum=0
    )

    @app.operation("/echoes", result="/echoes/{echoId}", result_id="echo")
    async def echo(given: dict[str, str], attempt: Attempt) -> dict[str, str]:
        said = str(given)
        attempt.log(said)
        attempt.progress(1, 2, said)
        attempt.warn("SAID", said)
        return given

    @app.operation("/files", result="/files/{fileId}", result_id="file")
    async def file(given: dict[str, str]) -> Artifact:
        return Artifact(str(given).encode(), media_type="text/plain", filename="said.txt")

    @app.operation("/faults")
    async def fault(given: dict[str, str]) -> None:
        raise Failure("Said", detail=str(given), type="said", retryable=True, retry_after=300, said=str(given))

    return app


ROUTES = sorted(routes(build("sqlite:///unused.db").registry))
ENDING = [(path, method) for path, method in ROUTES if path not in {"/statistics/stream", *SOCKETS}]


class Planted(NamedTuple):
    """The app's document, and the ids of ann's operations, without what stands before them."""

    schema: BaseSchema
    ids: list[str]
    deliveries: dict[str, str]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    with databases("sqlite", tmp_path_factory.mktemp("roles")) as named:
        kept = Kept(build(named("accepted").url))
        schema = schemathesis.openapi.from_asgi("/openapi.json", kept, headers=ADMIN)
        ids = [_ended(schema, path) for path in ("/echoes", "/files", "/faults")]
        ids.append(_ended(schema, "/faults", cancelled=True))
        told = {id: ask(schema, "/operations/{id}/deliveries", path_parameters={"id": f"op-{id}"}) for id in ids}
        deliveries = {id: answer.json()["data"][0]["deliveryId"] for id, answer in told.items()}
        yield Planted(schema, ids, deliveries)
        kept.stop()


def ask(schema: BaseSchema, path: str, method: str = "GET", headers: dict[str, str] = ANN, **request: Any) -> Response:
    """One request."""
    return schema[path][method].Case(**request).call(headers=headers)


def _ended(schema: BaseSchema, path: str, *, cancelled: bool = False) -> str:
    """One of ann's operations that is full of canaries and has ended, by cancelling the second try of one."""
    order: dict[str, Any] = {"body": {"name": CANARY, "webhook": HOOK}, "media_type": "application/json"}
    id = ask(schema, path, "POST", **order).json()["operationId"]
    target: dict[str, Any] = {"path_parameters": {"id": id}}
    while ask(schema, "/operations/{id}", headers=ANN | {"Prefer": "wait=1"}, **target).json()["status"] in {
        "PENDING",
        "PROCESSING",
    }:
        pass
    if cancelled:
        reason: dict[str, Any] = {"body": {"reason": CANARY}, "media_type": "application/json"}
        id = ask(schema, "/operations/{id}/retry", "POST", **target).json()["operationId"]  # it may not run yet
        ask(schema, "/operations/{id}/cancel", "POST", path_parameters={"id": id}, **reason)
    return str(id)[3:]


def test_the_canary_is_there_to_be_found(planted: Planted) -> None:
    found = {
        path
        for path, method in ENDING
        if method == "GET" and path.startswith(("/operations", "/jobs", "/echoes", "/files"))
        for id in planted.ids
        if CANARY in ask(planted.schema, path, **_aimed(path, id, planted)).text
    }
    assert {
        "/operations/{id}", "/operations/{id}/result", "/operations/{id}/input", "/operations/{id}/stream",
        "/operations/stream", "/jobs/{id}/logs", "/echoes/{echoId}", "/files/{fileId}",
    } <= found  # fmt: skip


def _aimed(path: str, id: str, planted: Planted) -> dict[str, Any]:
    """What makes a request be about one of ann's operations."""
    kinds = {"id": "job" if path.startswith("/jobs") else "op", "echoId": "echo", "fileId": "file"}
    found: dict[str, Any] = {name: f"{kind}-{id}" for name, kind in kinds.items() if f"{{{name}}}" in path}
    if "{deliveryId}" in path:
        found["deliveryId"] = planted.deliveries[id]
    asked = {"/operations/stream": {"ids": f"op-{id}"}, "/jobs": {"id": f"op-{id}"}}.get(path, {})
    return {name: value for name, value in (("path_parameters", found), ("query", asked)) if value}


@pytest.mark.parametrize(("path", "method"), ENDING)
def test_no_answer_fails_and_none_holds_a_foreign_byte(planted: Planted, path: str, method: str) -> None:
    operation = planted.schema[path][method]
    aims = st.sampled_from([None, *planted.ids])
    modes = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=modes, aim=aims)
    def asked(case: Case[Any], aim: str | None) -> None:
        for part, values in (_aimed(path, aim, planted) if aim else {}).items():
            setattr(case, part, {**(getattr(case, part) or {}), **values})
        for caller in (SUBMITS, READS, ADMIN):
            response = case.call(headers=caller)
            assert response.status_code < 500, response.text
            if caller is not ADMIN:
                said = f"{response.headers} {response.text}"
                assert CANARY not in said
                assert not [id for id in planted.ids if id != aim and id in said]

    asked()
