"""Section 7: webhooks, taken by a receiver of the kit's own that answers well, badly, and not at all."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

from ..check import FULL, check
from ..exchange import Answer, Broken, expect
from ..manifest import Feature
from ..receiving import HANG_UP, SILENCE, Hook
from ..trial import Operation, Trial, check_problem, moment, status_of

HOOKS = [Feature.WEBHOOKS]
SOON = 15.0  # seconds for a first delivery
QUIET = 1.0  # seconds in which nothing may come


async def hooked(
    trial: Trial, *answers: int, role: str = "quick", secret: str | None = None, **more: Any
) -> tuple[Hook, Operation, str]:
    """An operation whose webhook goes to a hook of ours, which gives these answers; and its secret."""
    hook = await trial.hook(*(answers or (204,)))
    secret = secrets.token_hex(16) if secret is None else secret
    webhook: dict[str, Any] = {"url": hook.url, **more}
    if secret:
        trial.journal.keep_secret(secret)
        webhook["secret"] = secret
    operation = await trial.begin(role, more={"webhook": webhook})
    return hook, operation, secret


async def deliveries(trial: Trial, operation: Operation) -> list[dict[str, Any]]:
    """The log of deliveries."""
    answer = await trial.get(operation.link("deliveries", "/deliveries"))
    expect(answer.status == 200, f"the log of deliveries answered {answer.status}")
    data = answer.document.get("data")
    expect(isinstance(data, list), "the log of deliveries has no data")
    return [dict(each) for each in data or ()]


async def settled(trial: Trial, operation: Operation, status: str) -> dict[str, Any]:
    """The log's one delivery, once it has this status."""
    for _ in range(50):
        data = await deliveries(trial, operation)
        if data and data[0].get("status") == status:
            return data[0]
        await asyncio.sleep(0.1)
    raise Broken(f"the delivery is {data[0].get('status') if data else 'not in the log'}, not {status}")


@check(
    "webhook.registered",
    "The 202 says that the webhook is registered, for what, and not its secret.",
    level=FULL,
    needs=HOOKS,
)
async def registered(trial: Trial) -> None:
    _, operation, secret = await hooked(trial, events=["COMPLETED", "FAILED"])
    found = operation.answer.document.get("webhook")
    expect(isinstance(found, dict), "the 202 has no webhook")
    expect((found or {}).get("registered") is True, "the 202 does not say that it is registered")
    expect(sorted((found or {}).get("events", ())) == ["COMPLETED", "FAILED"], f"the 202 says {found}")
    expect(secret.encode() not in operation.answer.body, "the 202 shows the secret")


@check(
    "webhook.delivered",
    "The end is delivered: event, operation and status, in headers and body.",
    level=FULL,
    needs=HOOKS,
)
async def delivered(trial: Trial) -> None:
    hook, operation, _ = await hooked(trial)
    delivery = await hook.one(SOON)
    expect(
        delivery.header("x-webhook-event") == "COMPLETED", f"X-Webhook-Event is {delivery.header('x-webhook-event')}"
    )
    expect(delivery.header("x-operation-id") == operation.id, f"X-Operation-Id is {delivery.header('x-operation-id')}")
    kind = delivery.header("content-type").partition(";")[0]
    expect(kind == "application/json", f"the body is {kind}")
    event = delivery.event
    told = (event.get("event"), event.get("operationId"), event.get("status"))
    expect(told == ("COMPLETED", operation.id, "COMPLETED"), f"the body says {told}")
    moment(event, "timestamp")
    await asyncio.sleep(QUIET)
    expect(len(hook.deliveries) == 1, f"it was delivered {len(hook.deliveries)} times")


@check("webhook.after-end", "When it is delivered, a poll tells the end too.", level=FULL, needs=HOOKS)
async def after_end(trial: Trial) -> None:
    hook, operation, _ = await hooked(trial)
    await hook.one(SOON)
    status = status_of(await trial.poll(operation))
    expect(status == "COMPLETED", f"it was delivered as COMPLETED, and is {status}")


@check("webhook.result", "The body has the result, its url absolute.", level=FULL, needs=HOOKS)
async def result(trial: Trial) -> None:
    hook, _, _ = await hooked(trial)
    found = (await hook.one(SOON)).event.get("result")
    expect(isinstance(found, dict), "the body has no result")
    url = str((found or {}).get("url", ""))
    expect(urlsplit(url).scheme in {"http", "https"}, f"result.url is {url!r}, not absolute")
    answer = await trial.get(url)
    expect(answer.status == 200, f"GET on result.url answered {answer.status}")


@check("webhook.signature", "X-Webhook-Signature is the HMAC-SHA256 of the body.", level=FULL, needs=HOOKS)
async def signature(trial: Trial) -> None:
    hook, _, secret = await hooked(trial)
    delivery = await hook.one(SOON)
    expect(delivery.is_plainly_signed(secret), "X-Webhook-Signature does not fit the body")


@check(
    "webhook.standard", "webhook-signature is that of Standard Webhooks, with a time of now.", level=FULL, needs=HOOKS
)
async def standard(trial: Trial) -> None:
    hook, _, secret = await hooked(trial)
    delivery = await hook.one(SOON)
    expect(delivery.is_standardly_signed(secret), "webhook-signature does not fit id, time and body")
    at = delivery.header("webhook-timestamp")
    expect(at.isdigit() and abs(int(at) - time.time()) < 300, f"webhook-timestamp is {at!r}")


@check(
    "webhook.minted",
    "Without a secret the server makes one, shows it once, and signs with it.",
    level=FULL,
    needs=HOOKS,
)
async def minted(trial: Trial) -> None:
    hook, operation, _ = await hooked(trial, secret="")
    secret = str((operation.answer.document.get("webhook") or {}).get("secret", ""))
    expect(secret.startswith("whsec_"), "the 202 shows no secret that begins with whsec_")
    trial.journal.keep_secret(secret)
    delivery = await hook.one(SOON)
    expect(delivery.is_standardly_signed(secret), "webhook-signature does not fit the secret that was shown")
    poll = await trial.poll(operation)
    expect(secret.encode() not in poll.body, "a poll shows the secret again")


@check(
    "webhook.events",
    "Only what was asked for is delivered: STARTED and FAILED here.",
    level=FULL,
    uses=["failing"],
    needs=HOOKS,
)
async def events(trial: Trial) -> None:
    hook, _, _ = await hooked(trial, role="failing", events=["STARTED", "FAILED"])
    found = await hook.received(2, SOON)
    told = {str(each.event.get("event")): each.event for each in found}
    expect(set(told) == {"STARTED", "FAILED"}, f"what came was {sorted(told)}")
    error = told["FAILED"].get("error")
    expect(isinstance(error, dict) and error.get("title"), "FAILED has no error")
    started, failed = told["STARTED"].get("sequence"), told["FAILED"].get("sequence")
    fits = isinstance(started, int) and isinstance(failed, int) and started < failed
    expect(fits, f"the sequences are {started} and {failed}")


@check("webhook.unsubscribed", "What was not asked for is not delivered.", level=FULL, needs=HOOKS)
async def unsubscribed(trial: Trial) -> None:
    hook, operation, _ = await hooked(trial, events=["FAILED"])
    await trial.ended(operation)
    await asyncio.sleep(QUIET)
    came = [each.event.get("event") for each in hook.deliveries]
    expect(not came, f"{came} came, and only FAILED was asked for")


@check("webhook.cancelled", "A cancellation is delivered with its reason.", level=FULL, uses=["slow"], needs=HOOKS)
async def cancelled(trial: Trial) -> None:
    hook, operation, _ = await hooked(trial, role=trial.long)
    await trial.cancel(operation, "told by webhook")
    event = (await hook.one(SOON)).event
    expect(event.get("event") == "CANCELLED", f"the event is {event.get('event')}")
    expect(event.get("reason") == "told by webhook", f"the reason is {event.get('reason')!r}")


@check(
    "webhook.partial",
    "COMPLETED_WITH_ERRORS goes to who asked for COMPLETED, with its true status.",
    level=FULL,
    uses=["partial"],
    needs=HOOKS,
)
async def partial(trial: Trial) -> None:
    hook, _, _ = await hooked(trial, role="partial", events=["COMPLETED"])
    event = (await hook.one(SOON)).event
    told = (event.get("event"), event.get("status"))
    expect(told == ("COMPLETED", "COMPLETED_WITH_ERRORS"), f"event and status are {told}")


async def tried_again(trial: Trial, fault: int, extra: float = 0.0) -> None:
    """After this fault the same delivery comes again, and is delivered then."""
    hook, operation, secret = await hooked(trial, fault, 204)
    first = await hook.one(SOON)
    _, second = (await hook.received(2, trial.manifest.webhooks.retry_within + extra))[:2]
    expect(first.header("webhook-id") == second.header("webhook-id"), "the second try has another webhook-id")
    expect(second.body == first.body, "the second try has another body")
    expect(second.is_standardly_signed(secret), "the second try is not signed rightly")
    await settled(trial, operation, "DELIVERED")


@check("webhook.retry", "After a 500 it is tried again, with the same webhook-id.", level=FULL, needs=HOOKS)
async def retry(trial: Trial) -> None:
    await tried_again(trial, 500)


@check("webhook.backoff", "The second try does not come at once, and the log tells both.", level=FULL, needs=HOOKS)
async def backoff(trial: Trial) -> None:
    hook, operation, _ = await hooked(trial, 500, 204)
    first, second = (await hook.received(2, SOON + trial.manifest.webhooks.retry_within))[:2]
    expect(second.at - first.at > 0.5, f"the second try came {second.at - first.at:.2f} s after the first")
    tries = (await settled(trial, operation, "DELIVERED")).get("attempts")
    expect(isinstance(tries, list) and len(tries) == 2, f"the log of deliveries has {tries}")


@check("webhook.hang-up", "After a connection that breaks off it is tried again.", level=FULL, needs=HOOKS)
async def hang_up(trial: Trial) -> None:
    await tried_again(trial, HANG_UP)


@check("webhook.timeout", "After no answer at all it is tried again.", level=FULL, needs=HOOKS)
async def timeout(trial: Trial) -> None:
    await tried_again(trial, SILENCE, trial.manifest.webhooks.timeout)


@check("webhook.redirect", "A redirect is not followed, and counts as a failure.", level=FULL, needs=HOOKS)
async def redirect(trial: Trial) -> None:
    hook, operation, _ = await hooked(trial, 302)
    await hook.one(SOON)
    await asyncio.sleep(QUIET / 2)
    entry = (await deliveries(trial, operation))[0]
    expect(entry.get("status") != "DELIVERED", "a redirect was taken as delivered")


@check("webhook.gone", "A 410 ends it for good.", level=FULL, needs=HOOKS)
async def gone(trial: Trial) -> None:
    hook, operation, _ = await hooked(trial, 410)
    await hook.one(SOON)
    await settled(trial, operation, "FAILED")
    expect(len(hook.deliveries) == 1, "after a 410 it was tried again")


@check("webhook.log", "The log of deliveries tells each with its tries.", level=FULL, needs=HOOKS)
async def log(trial: Trial) -> None:
    hook, operation, _ = await hooked(trial, 204)
    delivery = await hook.one(SOON)
    entry = await settled(trial, operation, "DELIVERED")
    expect(entry.get("deliveryId") == delivery.header("webhook-id"), "deliveryId is not the webhook-id")
    expect(entry.get("event") == "COMPLETED", f"its event is {entry.get('event')}")
    codes = [each.get("statusCode") for each in entry.get("attempts", ())]
    expect(codes == [204], f"its tries are {codes}")


@check(
    "webhook.redeliver",
    "redeliver answers 202, and it comes once more with the same webhook-id.",
    level=FULL,
    needs=HOOKS,
)
async def redeliver(trial: Trial) -> None:
    hook, operation, _ = await hooked(trial)
    await hook.one(SOON)
    entry = await settled(trial, operation, "DELIVERED")
    link = f"{operation.link('deliveries', '/deliveries')}/{entry['deliveryId']}/redeliver"
    answer = await trial.ask("POST", link)
    expect(answer.status == 202, f"redeliver answered {answer.status}, not 202")
    first, second = (await hook.received(2, SOON))[:2]
    expect(first.header("webhook-id") == second.header("webhook-id"), "it came with another webhook-id")


@check(
    "webhook.forbidden",
    "A webhook to an address inside is refused with 422, and nothing is stored.",
    level=FULL,
    needs=HOOKS,
)
async def forbidden(trial: Trial) -> None:
    webhook = {"url": trial.manifest.webhooks.forbidden_url}
    answer: Answer = await trial.submit("quick", more={"webhook": webhook})
    check_problem(answer, 422, slug="webhook-url-forbidden")


@check(
    "webhook.invalid",
    "A webhook for unknown events, or with a short secret, is refused with 422.",
    level=FULL,
    needs=HOOKS,
)
async def invalid(trial: Trial) -> None:
    hook = await trial.hook(204)
    for wrong in ({"events": ["LUNCH"]}, {"secret": "short"}):
        answer = await trial.submit("quick", more={"webhook": {"url": hook.url, **wrong}})
        check_problem(answer, 422)
