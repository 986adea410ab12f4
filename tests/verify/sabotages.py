"""Servers that break the contract in one place each, and which check has to see it.

`caught_by` must fail; `also` may, because the same fault is in their way. Nothing else may.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.verify.faults import (
    TERMINAL,
    bare,
    careless,
    changing,
    code,
    doubled,
    dumb,
    earlier,
    forged,
    gap,
    html,
    if_status,
    lossy,
    misnamed,
    mute,
    not_cancelled,
    offering,
    once,
    other_id,
    percentage,
    plain_stream,
    polite,
    relative,
    renamed,
    retyped,
    reversed_data,
    silent_202,
    spied,
    stale,
    status,
    still,
    told,
    touchy,
    traced,
    twice,
    within,
    without_warnings,
)
from tests.verify.saboteur import (
    OPERATION,
    answers,
    at,
    events,
    is_cancel,
    is_poll,
    is_stream,
    is_submit,
    messages,
    requests,
    webhooks,
    without,
    without_parameter,
)
from tests.verify.serving import App


class Sabotage(NamedTuple):
    """One broken server. `whole` runs the checks that take long too."""

    name: str
    wrap: Callable[[App], App]
    caught_by: str
    also: tuple[str, ...] = ()
    whole: bool = False


RESUMED = ("sse.resume", "sse.after", "sse.cut", "sse.done", "sse.reset", "sse.many", "sse.logs")
CHANGED = ("completion.stable", "completion.redirect-false", "failure.stable", "cancel.final")
KEYS = (
    "idempotency.replayed",
    "idempotency.after-end",
    "idempotency.json",
    "idempotency.race",
    "idempotency.other-body",
)
ASKED_202 = (
    "idempotency.same",
    "idempotency.json",
    "idempotency.race",
    "idempotency.refused",
    "prefer.wait-over",
    "prefer.vary",
)
CANCELS = ("cancel.running", "cancel.repeat", "cancel.no-body", "cancel.pending")
UNCANCELLED = (
    *CANCELS,
    "jobs.status",
    "sse.cancelled",
    "webhook.cancelled",
    "retry.cancelled",
    "cancel.prompt",
    "poll.etag-changes",
    "jobs.cancel",
)
TRIES = ("webhook.hang-up", "webhook.timeout", "webhook.backoff", "webhook.redirect", "webhook.gone")

SABOTAGES = [
    Sabotage("200 instead of 202", answers(is_submit, status(202, 200)), "accept.status", ASKED_202),
    Sabotage("no Location", answers(is_submit, bare("location")), "accept.location"),
    Sabotage(
        "a Location that leads nowhere",
        answers(is_submit, lambda said: said.headers.update(location="/operations/nowhere")),
        "accept.location",
        ("prefer.wait",),
    ),
    Sabotage(
        "a createdAt that is a number",
        answers(is_submit, told(createdAt=1_795_000_000)),
        "accept.body",
        ("poll.document", "accept.estimate"),
    ),
    Sabotage("a 202 for caches", answers(is_submit, bare("cache-control")), "accept.no-store"),
    Sabotage(
        "text/plain taken for JSON",
        requests(is_submit, retyped),
        "accept.media-type",
    ),
    Sabotage(
        "422 for what is no JSON",
        answers(is_submit, status(400, 422)),
        "accept.json",
        ("accept.strict-json", "idempotency.malformed"),
    ),
    Sabotage(
        "keys that nobody reads",
        requests(is_submit, without("idempotency-key")),
        "idempotency.same",
        (*KEYS, "idempotency.malformed"),
    ),
    Sabotage("another id at the replay", answers(is_submit, other_id), "idempotency.same", KEYS),
    Sabotage(
        "409 for a key with another body",
        answers(is_submit, status(422, 409)),
        "idempotency.other-body",
        ("accept.pointers", "accept.invalid-input", "webhook.forbidden", "webhook.invalid"),
    ),
    Sabotage("Prefer that nobody reads", requests(is_submit, without("prefer")), "prefer.wait"),
    Sabotage("302 instead of 303", answers(is_poll, status(303, 302)), "completion.see-other", ("openapi.offers",)),
    Sabotage("200 instead of 303", answers(is_poll, status(303, 200)), "completion.see-other"),
    Sabotage(
        "no completedAt",
        answers(is_poll, if_status("COMPLETED", then=lambda said: said.drop("completedAt"))),
        "completion.document",
        ("completion.expires",),
    ),
    Sabotage(
        "a document that goes on changing",
        answers(is_poll, if_status(*TERMINAL, then=changing)),
        "completion.stable",
        CHANGED,
    ),
    Sabotage(
        "another value at the result's URL",
        answers(
            lambda scope: scope["path"].endswith("/result"),
            lambda said: said.add(greeting="Hello Eve") if said.status == 200 else None,
        ),
        "completion.value",
        ("completion.ranges",),
    ),
    Sabotage("ranges that nobody reads", requests(lambda scope: True, without("range")), "completion.ranges"),
    Sabotage("progress that falls", answers(is_poll, percentage(lambda now: 99 - now)), "progress.monotone"),
    Sabotage("progress that stands still", answers(is_poll, if_status("PROCESSING", then=still)), "progress.told"),
    Sabotage(
        "150 percent",
        answers(is_poll, percentage(lambda now: 150)),
        "progress.range",
        ("progress.hundred", "progress.monotone"),
    ),
    Sabotage("100 percent from the start", answers(is_poll, percentage(lambda now: 100)), "progress.hundred"),
    Sabotage(
        "a poll without Retry-After", answers(is_poll, bare("retry-after")), "poll.retry-after", ("poll.too-fast",)
    ),
    Sabotage("polls for caches", answers(is_poll, bare("cache-control")), "poll.not-cached"),
    Sabotage("no ETag", answers(is_poll, bare("etag")), "poll.etag", ("poll.etag-changes", "poll.wait")),
    Sabotage("never a 304", requests(is_poll, without("if-none-match")), "poll.etag"),
    Sabotage(
        "null for what is absent",
        answers(lambda scope: is_poll(scope) or is_submit(scope), told(queuePosition=None)),
        "poll.absent",
    ),
    Sabotage(
        "an error that is a text",
        answers(is_poll, if_status("FAILED", then=lambda said: said.add(error="it broke"))),
        "failure.document",
        ("failure.retryable",),
    ),
    Sabotage("a stack trace", answers(is_poll, if_status("FAILED", then=traced)), "failure.no-internals"),
    Sabotage(
        "no warnings", answers(is_poll, if_status("COMPLETED_WITH_ERRORS", then=without_warnings)), "partial.document"
    ),
    Sabotage("202 for a cancel", answers(is_cancel, status(200, 202)), "cancel.running", CANCELS),
    Sabotage("a cancel in words only", not_cancelled, "cancel.final", UNCANCELLED),
    Sabotage("a second cancel refused", once, "cancel.repeat"),
    Sabotage(
        "a cancel of what has ended",
        answers(is_cancel, status(409, 200)),
        "cancel.finished",
        ("cancel.failed", "openapi.offers"),
    ),
    Sabotage(
        "a retry that does not say of what",
        answers(lambda scope: scope["path"].endswith("/retry"), lambda said: said.drop("retryOf")),
        "retry.failed",
    ),
    Sabotage(
        "links.retry on every failure",
        answers(is_poll, if_status("FAILED", then=within("links", retry="/operations/x/retry"))),
        "retry.link",
        ("retry.failed", "retry.repeat", "retry.refused"),
    ),
    Sabotage(
        "404 instead of 410",
        answers(lambda scope: OPERATION.match(scope["path"]) is not None, status(410, 404)),
        "expiry.gone",
        whole=True,
    ),
    Sabotage(
        "an error page for people",
        answers(at("/no/such/path/anywhere"), html),
        "problem.not-found",
        ("problem.instance", "problem.types"),
    ),
    Sabotage(
        "405 without Allow",
        answers(lambda scope: True, lambda said: bare("allow")(said) if said.status == 405 else None),
        "problem.method",
        ("openapi.methods",),
    ),
    Sabotage("types that lead nowhere", answers(at("/problems/*"), status(200, 404)), "problem.types"),
    Sabotage("a list that begins with the oldest", answers(at("/jobs"), reversed_data), "jobs.list"),
    Sabotage(
        "filters that nobody reads",
        requests(at("/jobs"), without_parameter("status")),
        "jobs.filter",
        ("jobs.entry", "jobs.parameters"),
    ),
    Sabotage(
        "a cursor that leads to the start",
        requests(at("/jobs"), without_parameter("cursor")),
        "jobs.cursor",
        ("jobs.parameters",),
    ),
    Sabotage(
        "coffee in the OpenAPI document", answers(at("/openapi.json"), offering), "openapi.offers", ("openapi.methods",)
    ),
    Sabotage("an OpenAPI document without the 202", answers(at("/openapi.json"), silent_202), "openapi.operations"),
    Sabotage("two last events", events(doubled), "sse.end", ("sse.ids", "sse.many", "sse.resume", "socket.same")),
    Sabotage(
        "a gap in the ids",
        events(gap),
        "sse.ids",
        ("sse.end", "socket.same", "sse.present", "sse.done", "sse.failed", "sse.same", "sse.logs", "sse.live"),
    ),
    Sabotage(
        "a stream that is kept back", events(lambda blocks: blocks, hold=True), "sse.live", ("sse.present", "sse.head")
    ),
    Sabotage("events of another name", events(misnamed), "sse.data", ("sse.live",)),
    Sabotage("an end without a result", events(dumb), "sse.end", ("sse.same",)),
    Sabotage("a stream of plain text", plain_stream, "sse.head"),
    Sabotage("a resume that repeats", requests(is_stream, earlier), "sse.resume", RESUMED),
    Sabotage("a resume that begins anew", requests(is_stream, without("last-event-id")), "sse.resume", RESUMED),
    Sabotage(
        "200 for who knows all",
        answers(lambda scope: is_stream(scope) and b"last-event-id" in dict(scope["headers"]), status(204, 200)),
        "sse.done",
    ),
    Sabotage(
        "a socket that loses a message",
        messages(lossy),
        "socket.sequence",
        ("socket.same", "socket.many", "socket.resume"),
    ),
    Sabotage("a socket that closes with 1011", messages(code(1011)), "socket.end"),
    Sabotage("a socket that takes offence", messages(touchy), "socket.errors", ("socket.many",)),
    Sabotage("a socket for nothing", polite, "socket.unknown"),
    Sabotage("a forged signature", webhooks(forged), "webhook.signature"),
    Sabotage(
        "a forged standard signature",
        webhooks(stale),
        "webhook.standard",
        ("webhook.minted", "webhook.retry", "webhook.hang-up", "webhook.timeout"),
    ),
    Sabotage(
        "a new webhook-id each time",
        webhooks(renamed),
        "webhook.retry",
        ("webhook.redeliver", "webhook.log", "webhook.hang-up", "webhook.timeout"),
        whole=True,
    ),
    Sabotage(
        "a delivery twice",
        webhooks(twice),
        "webhook.delivered",
        ("webhook.events", "webhook.log", "webhook.redeliver", "webhook.gone", "webhook.redirect"),
    ),
    Sabotage("faults taken for success", webhooks(careless), "webhook.retry", TRIES, whole=True),
    Sabotage("a relative URL in a webhook", webhooks(relative), "webhook.result"),
    Sabotage("a webhook without X-Webhook-Event", webhooks(mute), "webhook.delivered"),
    Sabotage("a secret that is shown", spied, "webhook.registered"),
]
