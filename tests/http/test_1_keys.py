"""Contract, section 1: `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07); guarantees I1 to I6."""

import asyncio
from typing import Any

import pytest

from tests.clock import MovableClock
from tests.http.api import Api, document, problem
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


async def keyed(api: Api, key: str, body: Any = 1, path: str = "/echoes") -> str:
    """Submit under a key: the operation's id."""
    answer = await api.post(path, json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    return str(document(answer)["operationId"])


async def test_the_same_key_and_body_give_the_same_operation(idle: Api) -> None:
    first = await idle.post("/echoes", json=[1], headers={"Idempotency-Key": KEY})
    again = await idle.post("/echoes", json=[1], headers={"Idempotency-Key": KEY})
    assert "idempotency-replayed" not in first.headers
    assert again.status_code == 202
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["operationId"] == first.json()["operationId"]
    assert await idle.total() == 1


async def test_a_replay_shows_the_operations_present_document_in_every_state(api: Api, gates: Gates) -> None:
    async def replay(path: str) -> dict[str, Any]:
        answer = await api.post(path, headers={"Idempotency-Key": path[1:]})
        assert answer.status_code == 202
        return document(answer)

    async def ends(path: str) -> dict[str, Any]:
        await api.ended((await replay(path))["operationId"])
        return await replay(path)

    slow = await replay("/slows")
    await gates.started.passed()
    assert (await replay("/slows"))["status"] == "PROCESSING"
    await api.post(f"/operations/{slow['operationId']}/cancel", json={"reason": "no longer needed"})
    cancelled = await replay("/slows")
    assert (cancelled["status"], cancelled["reason"]) == ("CANCELLED", "no longer needed")
    assert (await ends("/noops"))["result"]["value"] is None
    assert (await ends("/warnings"))["result"]["warnings"][0]["code"] == "MISSING_DATA"
    assert (await ends("/finals"))["error"]["title"] == "Never Again"
    assert await api.total() == 4


async def test_a_replay_that_waits_answers_as_a_poll_would(api: Api) -> None:
    headers = {"Idempotency-Key": KEY, "Prefer": "wait=10"}
    first = await api.post("/noops", headers=headers)
    again = await api.post("/noops", headers=headers)
    assert first.status_code == again.status_code == 303
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (f'"{KEY}"', KEY),
        (f"  {KEY}  ", KEY),
        (f'  "{KEY}"', KEY),
        (r'"a\"b"', 'a"b'),
        (r'"a\\b"', "a\\b"),
        ("x" * 255, "x" * 255),
        ('"' + "x" * 255 + '"', "x" * 255),
        ("!", "!"),
        ("~", "~"),
    ],
)
async def test_a_key_may_be_quoted_or_bare(idle: Api, written: str, meant: str) -> None:
    assert await keyed(idle, written) == await keyed(idle, meant)


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b'""',
        b" ",
        b"x" * 256,
        b'"' + b"x" * 256 + b'"',
        b"a b",
        b'"a b"',
        b"a\tb",
        b'"open',
        b'"',
        rb'"a\b"',
        rb'"a\"',
        b'"a" "b"',
        b'"a";q=1x y',
        b"schl\xc3\xbcssel",
        b'"schl\xfcssel"',
        b"a\x7f",
    ],
)
async def test_a_malformed_key_is_400(idle: Api, key: bytes) -> None:
    answer = await idle.post("/echoes", json=1, headers=[(b"Idempotency-Key", key)])
    problem(answer, 400, "invalid-idempotency-key")
    assert await idle.total() == 0


async def test_two_keys_are_none(idle: Api) -> None:
    answer = await idle.post("/echoes", json=1, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    problem(answer, 400, "invalid-idempotency-key")


async def test_keys_differ_by_case(idle: Api) -> None:
    assert await keyed(idle, "abc") != await keyed(idle, "ABC")


async def test_another_body_under_the_same_key_is_422(idle: Api) -> None:
    await keyed(idle, KEY, {"a": 1})
    headers = {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    for body in (
        b'{"a": 2}',
        b'{"a": "1"}',
        b'{"a": true}',
        b'{"a": [1]}',
        b'{"a": 1, "b": null}',
        b"{}",
        b"null",
        b"1",
    ):
        problem(await idle.post("/echoes", content=body, headers=headers), 422, "idempotency-key-reused")
    assert await idle.total() == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1,"b":2}', b'{ "b" : 2,\n"a" : 1 }'),
        (b"[1, 100, 0]", b"[1.0, 1e2, -0.0]"),
        (b'"\\u00e9\\n/"', '"é\\u000a\\/"'.encode()),
        (b'"\\ud83d\\ude00"', '"\U0001f600"'.encode()),
        (b'{"\\u0061": null}', b'{"a": null}'),
        (b"0.5", b"5e-1"),
    ],
)
async def test_equal_json_values_are_the_same_body_however_they_are_written(
    idle: Api, one: bytes, other: bytes
) -> None:
    headers = {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    first = await idle.post("/echoes", content=one, headers=headers)
    again = await idle.post("/echoes", content=other, headers=headers)
    assert again.json()["operationId"] == first.json()["operationId"]


async def test_a_key_belongs_to_its_path(idle: Api) -> None:
    assert await keyed(idle, KEY, 1, "/echoes") != await keyed(idle, KEY, 1, "/spins")


async def test_a_key_belongs_to_its_caller(idle: Api) -> None:
    theirs = await idle.app.submit("echo", 1, idempotency_key=KEY, owner="somebody")
    assert await keyed(idle, KEY, 1) != theirs.id
    assert (await idle.app.submit("echo", 1, idempotency_key=KEY, owner="somebody")).id == theirs.id


async def test_without_a_key_every_submit_is_another_operation(idle: Api) -> None:
    assert (await idle.submit("/echoes", 1))["operationId"] != (await idle.submit("/echoes", 1))["operationId"]


async def test_64_racing_requests_with_one_key_make_one_operation(make_app: MakeApp, start: Start) -> None:
    nodes = [await start(make_app()), await start(make_app(worker=False))]
    submits = [node.post("/noops", headers={"Idempotency-Key": KEY}) for node in nodes * 32]
    answers = await asyncio.gather(*submits)
    assert {answer.status_code for answer in answers} == {202}
    assert len({document(answer)["operationId"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await nodes[0].total() == 1


async def test_racing_requests_with_two_bodies_make_one_operation_and_refuse_the_other_body(idle: Api) -> None:
    submits = [idle.post("/echoes", json=n % 2 + 1, headers={"Idempotency-Key": KEY}) for n in range(40)]
    answers = await asyncio.gather(*submits)
    assert sorted(answer.status_code for answer in answers) == [202] * 20 + [422] * 20
    assert await idle.total() == 1


async def test_a_refused_request_stores_no_key(idle: Api) -> None:
    headers = {"Idempotency-Key": KEY}
    problem(await idle.post("/spins", json="many", headers=headers), 422, "invalid-request")
    typed = headers | {"Content-Type": "application/json"}
    problem(await idle.post("/spins", content=b"{", headers=typed), 400, "invalid-json")
    problem(await idle.post("/spins", content=b"1", headers=headers), 415, "unsupported-media-type")
    accepted = await idle.post("/spins", json=7, headers=headers)
    assert accepted.status_code == 202
    assert "idempotency-replayed" not in accepted.headers


async def test_a_key_survives_a_restart(make_app: MakeApp, start: Start) -> None:
    before = await start(make_app())
    id = await keyed(before, KEY)
    await before.app.stop()
    assert await keyed(await start(make_app()), KEY) == id


async def short_lived(make_app: MakeApp, start: Start, retention: str) -> Api:
    """An app with an operation at /brief that is kept for so long."""
    app = make_app()

    @app.operation("/brief", retention=retention)
    async def brief() -> None: ...

    return await start(app)


async def test_a_key_lives_at_least_24_h_even_if_its_operation_expires_before(
    make_app: MakeApp, start: Start, clock: MovableClock
) -> None:
    api = await short_lived(make_app, start, "1h")
    headers = {"Idempotency-Key": KEY}
    first = await keyed(api, KEY, path="/brief", body=None)
    await api.ended(first)
    clock.advance(hours=23.9)
    await api.sweep()
    problem(await api.post("/brief", headers=headers), 410, "operation-expired")
    clock.advance(hours=0.2)
    await api.sweep()
    renewed = await api.post("/brief", headers=headers)
    assert renewed.status_code == 202
    assert "idempotency-replayed" not in renewed.headers
    assert document(renewed)["operationId"] != first


async def test_a_replay_of_what_has_expired_is_410_with_expired_at_as_a_poll_is(
    make_app: MakeApp, start: Start, clock: MovableClock
) -> None:
    api = await short_lived(make_app, start, "1h")
    done = await api.ended(await keyed(api, KEY, path="/brief", body=None))
    clock.advance(hours=2)
    for _ in range(2):  # before the sweeper has come by, and after
        found = problem(await api.post("/brief", headers={"Idempotency-Key": KEY}), 410, "operation-expired")
        assert found["expiredAt"] == done["expiresAt"]
        await api.sweep()


async def test_a_key_lives_until_its_operation_expires(make_app: MakeApp, start: Start, clock: MovableClock) -> None:
    api = await short_lived(make_app, start, "72h")
    first = await keyed(api, KEY, path="/brief", body=None)
    await api.ended(first)
    clock.advance(hours=71.9)
    await api.sweep()
    assert await keyed(api, KEY, path="/brief", body=None) == first
    clock.advance(hours=0.2)
    assert await keyed(api, KEY, path="/brief", body=None) != first


async def test_a_key_of_an_operation_that_does_not_end_does_not_end(idle: Api, clock: MovableClock) -> None:
    id = await keyed(idle, KEY)
    clock.advance(days=40)
    await idle.sweep()
    assert await keyed(idle, KEY) == id


async def test_a_key_is_free_for_another_body_once_its_time_is_over(
    make_app: MakeApp, start: Start, clock: MovableClock
) -> None:
    api = await start(make_app())
    id = await keyed(api, KEY, 1)
    await api.ended(id)
    clock.advance(hours=24.1)
    await api.sweep()
    assert await keyed(api, KEY, 2) != id
