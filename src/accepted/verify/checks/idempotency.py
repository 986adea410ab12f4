"""Section 1: idempotency keys. A submit whose answer was lost is sent again, and makes one operation."""

from __future__ import annotations

import asyncio
import secrets

import msgspec

from ..check import FULL, check
from ..exchange import Answer, expect
from ..manifest import Feature
from ..trial import TERMINAL, Trial, check_problem
from .accepting import misfit

KEYS = [Feature.IDEMPOTENCY]
RACERS = 8


def keyed(key: str = "") -> dict[str, str]:
    """The header, with a key of one's own."""
    return {"idempotency-key": f'"{key or secrets.token_hex(12)}"'}


def id_of(answer: Answer) -> str:
    """The operation that an answer to a submit is about."""
    return str(answer.document.get("operationId", ""))


@check("idempotency.same", "The same key and body give the same operation, by 202.", level=FULL, needs=KEYS)
async def same(trial: Trial) -> None:
    headers = keyed()
    first, second = await trial.submit("quick", headers=headers), await trial.submit("quick", headers=headers)
    expect(id_of(first) == id_of(second), f"the same key gave {id_of(first)}, then {id_of(second)}")
    expect(second.status == 202, f"the second answer is {second.status}, not 202")


@check(
    "idempotency.replayed",
    "The repetition says Idempotency-Replayed: true, the first does not.",
    level=FULL,
    needs=KEYS,
)
async def replayed(trial: Trial) -> None:
    headers = keyed()
    first, second = await trial.submit("quick", headers=headers), await trial.submit("quick", headers=headers)
    expect(first.header("idempotency-replayed") in {"", "false"}, "the first answer says that it is a repetition")
    expect(second.header("idempotency-replayed") == "true", "the repetition has no Idempotency-Replayed: true")


@check("idempotency.after-end", "The same key gives the same operation after its end too.", level=FULL, needs=KEYS)
async def after_end(trial: Trial) -> None:
    headers = keyed()
    operation, _ = await trial.ran("quick", headers=headers)
    again = await trial.submit("quick", headers=headers)
    expect(id_of(again) == operation.id, f"after the end the key gave {id_of(again)}, not {operation.id}")
    expect(
        again.document.get("status") in TERMINAL, f"it is told as {again.document.get('status')}, though it has ended"
    )


@check("idempotency.json", "Bodies are compared as JSON values: spaces make no difference.", level=FULL, needs=KEYS)
async def as_json(trial: Trial) -> None:
    headers, use = keyed(), trial.use("quick")
    body = b"{}" if use.input is msgspec.UNSET else msgspec.json.encode(use.input)
    first = await trial.ask("POST", use.path, body=body, headers=headers)
    second = await trial.ask("POST", use.path, body=b" \n" + msgspec.json.format(body, indent=4), headers=headers)
    expect(second.status == 202, f"the same value with other spaces was answered {second.status}")
    expect(id_of(first) == id_of(second), "the same value with other spaces made another operation")


@check(
    "idempotency.other-body",
    "The same key with another body is refused with 422.",
    level=FULL,
    uses=["quick"],
    needs=KEYS,
)
async def other_body(trial: Trial) -> None:
    headers, use = keyed(), trial.use("quick")
    await trial.submit("quick", headers=headers)
    fits = use.other is not msgspec.UNSET
    answer = await trial.ask("POST", use.path, json=use.other if fits else misfit(trial), headers=headers)
    check_problem(answer, 422, slug="idempotency-key-reused" if fits else "")


@check("idempotency.malformed", "A key that is none is refused with 400.", level=FULL, needs=KEYS)
async def malformed(trial: Trial) -> None:
    for key in ('""', '"unfinished', "x" * 300):
        answer = await trial.submit("quick", headers={"idempotency-key": key})
        expect(answer.status == 400, f"the key {key[:20]} was answered {answer.status}, not 400")
        check_problem(answer, 400)


@check("idempotency.race", "Requests that race with one key make one operation.", level=FULL, needs=KEYS)
async def race(trial: Trial) -> None:
    headers = keyed()
    answers = await asyncio.gather(*(trial.submit("quick", headers=headers) for _ in range(RACERS)))
    strange = [answer.status for answer in answers if answer.status not in {202, 409}]
    expect(not strange, f"a race was answered {strange}")
    ids = {id_of(answer) for answer in answers if answer.status == 202}
    expect(len(ids) == 1, f"{RACERS} requests with one key made {len(ids)} operations")


@check("idempotency.refused", "A refused request leaves no key behind.", level=FULL, needs=KEYS)
async def refused(trial: Trial) -> None:
    headers = keyed()
    await trial.ask("POST", trial.use("quick").path, json=misfit(trial), headers=headers)
    answer = await trial.submit("quick", headers=headers)
    expect(answer.status == 202, f"the key of a refused request was answered {answer.status}")
    expect(answer.header("idempotency-replayed") != "true", "the key of a refused request had been stored")
