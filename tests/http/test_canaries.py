"""Secrets are planted everywhere, and looked for everywhere else: in answers to others, log lines, metrics, errors, and
in the bytes of the database before (secrets) and after (everything) they have expired (guarantee R4).
"""

from __future__ import annotations

import base64
import logging
import os
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from accepted import Accepted, Attempt, Caller
from accepted.contract.caller import roles
from accepted.logs import JsonLines, TextLines
from tests.clock import MovableClock
from tests.databases import Database
from tests.http.api import Api, eventually
from tests.http.conftest import MakeApp, Start
from tests.http.test_7_webhooks import DEVELOPMENT
from tests.webhooks.receiver import Receiver

KEY = base64.b64encode(os.urandom(32)).decode()
INPUT, RESULT, LINE, PARTIAL = "canary-input-7d1f", "canary-result-91aa", "canary-line-55c0", "canary-partial-e4"
SECRET, TOKEN, FAULT = "canary-secret-of-a-hook", "canary-token-03b7", "canary-fault-aa17"
IDEMPOTENCY = "canary-idempotency-77"
OWNERS_OWN = (INPUT, RESULT, LINE, PARTIAL, FAULT)  # the owner sees them, nobody else does
NOBODYS = (SECRET, TOKEN, KEY)  # not even the owner is shown these again
ALL = (*OWNERS_OWN, *NOBODYS)


async def who(connection: HTTPConnection) -> Caller | None:
    """The owner has a token; a stranger and an operator have names."""
    given = connection.headers.get("authorization", "").removeprefix("Bearer ")
    known = {TOKEN: ("ann", "submit, read"), "bob": ("bob", "submit, read"), "root": ("root", "admin")}
    return Caller(known[given][0], roles(known[given][1])) if given in known else None


def register(app: Accepted) -> None:
    """An operation that says everything it is told, and one that fails aloud."""

    @app.operation("/canaries", retention="1h")
    async def canaries(given: dict[str, str], attempt: Attempt) -> str:
        attempt.log(LINE)
        logging.getLogger("somebody").warning("%s", LINE)
        attempt.partial(PARTIAL)
        attempt.checkpoint(given)
        attempt.progress(1, 2, LINE)
        return RESULT

    @app.operation("/faults", retention="1h")
    async def faults(given: dict[str, str]) -> None:
        raise ValueError(FAULT)


@pytest.fixture
async def receiver() -> Any:
    async with Receiver() as receiver:
        yield receiver


ABOUT_ONE = (
    ("GET", "/operations/{op}"),
    ("GET", "/operations/{op}?redirect=false"),
    ("GET", "/operations/{op}/result"),
    ("GET", "/operations/{op}/deliveries"),
    ("GET", "/operations/{op}/stream?after=0&logs=true"),
    ("GET", "/jobs/{job}"),
    ("GET", "/jobs/{job}/logs"),
    ("POST", "/operations/{op}/cancel"),
    ("POST", "/operations/{op}/retry"),
)


def headers(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


async def planted(api: Api, receiver: Receiver) -> list[str]:
    """Ids of operations that are full of canaries, once all is over and delivered."""
    hook = {"url": receiver.url, "secret": SECRET}
    body = {"name": INPUT, "webhook": hook}
    own = headers(TOKEN)
    ids = []
    for path in ("/canaries", "/faults"):
        made = await api.post(path, json=body, headers=own | {"Idempotency-Key": IDEMPOTENCY})
        assert made.status_code == 202, made.text
        ids.append(made.json()["operationId"])
    for id in ids:
        await eventually(
            lambda id=id: api.get(f"/operations/{id}/deliveries", headers=own),  # type: ignore[misc]
            lambda found: [delivery["status"] for delivery in found.json()["data"]] == ["DELIVERED"],
        )
    return ids


async def everything(api: Api, ids: list[str], name: str) -> str:
    """All that somebody can read, and what they are told of what they cannot."""
    asked: list[tuple[str, str, bytes | None]] = [
        (method, path.format(op=id, job=id.replace("op-", "job-")), None) for id in ids for method, path in ABOUT_ONE
    ]
    asked += [("GET", path, None) for path in ("/jobs", "/metrics", "/health", "/openapi.json")]
    asked += [("GET", f"/jobs?cursor={SECRET}", None), ("POST", "/canaries", f'{{"name": "{SECRET}"'.encode())]
    answers = [await api.request(method, path, content=body, headers=headers(name)) for method, path, body in asked]
    return "\n".join(f"{answer.headers} {answer.text}" for answer in answers)


@pytest.fixture
def app(make_app: MakeApp) -> Accepted:
    app = make_app(authenticate=who, secret_keys=KEY, **DEVELOPMENT)
    register(app)
    return app


async def test_no_canary_is_where_it_does_not_belong(
    app: Accepted, start: Start, receiver: Receiver, caplog: pytest.LogCaptureFixture, database: Database
) -> None:
    caplog.set_level(logging.DEBUG, "accepted")
    api = await start(app)
    ids = await planted(api, receiver)

    own = await everything(api, ids, TOKEN)
    assert [canary for canary in (RESULT, LINE, FAULT) if canary not in own] == [], "they are there to be found"
    assert [canary for canary in NOBODYS if canary in own] == []

    others = await everything(api, ids, "bob")
    assert [canary for canary in ALL if canary in others] == []

    operators = "\n".join([(await api.get(path, headers=headers("root"))).text for path in ("/metrics", "/health")])
    assert [canary for canary in ALL if canary in operators] == []

    lines = [record for record in caplog.records if record.name.startswith("accepted")]
    assert lines
    logged = "\n".join(form.format(record) for form in (TextLines(), JsonLines()) for record in lines)
    # A function's own error is in the log with its traceback, for the operator to mend it: nothing else is.
    assert [canary for canary in ALL if canary in logged and canary != FAULT] == []

    stored = database.content()
    assert INPUT.encode() in stored, "it is there to be found"
    assert [canary for canary in NOBODYS if canary.encode() in stored] == []
    receiver.requests[0].judge(SECRET)


async def test_what_has_expired_is_gone_from_the_file(
    app: Accepted, start: Start, receiver: Receiver, database: Database, clock: MovableClock
) -> None:
    api = await start(app)
    await planted(api, receiver)
    before = database.content()
    assert [canary for canary in (INPUT, RESULT, LINE, FAULT) if canary.encode() not in before] == []
    clock.advance(hours=2)
    await api.sweep()

    async def after() -> bytes:
        await api.sweep()
        return database.content()

    left = await eventually(after, lambda found: not any(canary.encode() in found for canary in ALL))
    assert IDEMPOTENCY.encode() in left, "a key lives for a day"
