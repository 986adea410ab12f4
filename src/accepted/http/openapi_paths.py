"""The paths that every app has, and what comes back on each: contract, sections 1, 3 to 6, 9 and 12."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..contract import problem as refused
from ..contract.operation import Status
from ..contract.traffic import PollingTooFast, QuotaExceeded
from . import openapi_parts as part
from . import openapi_webhooks
from .openapi_parts import answer, html, operation, parameter, refusals
from .openapi_schemas import (
    COUNT,
    CURSOR,
    JOB_ID,
    OPERATION_ID,
    STATUS,
    TEXT,
    TIME,
    Schema,
    closed,
    component_of,
    one_of_texts,
    ref,
)


def fixed(outputs: list[Schema]) -> Iterator[tuple[str, str, Schema]]:
    """The paths that every app has."""
    yield "/operations/{id}", "get", _status()
    yield "/operations/{id}/cancel", "post", _cancel("cancelOperation", _OPERATION, "operations")
    yield "/operations/{id}/retry", "post", _retry()
    yield "/operations/{id}/result", "get", result(outputs)
    yield "/operations/{id}/input", "get", _input()
    yield from openapi_webhooks.paths()
    yield "/jobs", "get", _jobs()
    yield "/jobs/{id}", "get", _job()
    yield "/jobs/{id}/logs", "get", _logs()
    yield "/jobs/{id}/cancel", "post", _cancel("cancelJob", _JOB, "jobs")
    yield "/health", "get", _health()
    yield "/health/live", "get", _alive("getLiveness", "Whether the process turns.", False)
    yield "/health/ready", "get", _alive("getReadiness", "Whether to send requests here.", True)
    yield "/metrics", "get", _metrics()
    yield "/problems", "get", _problems()
    yield "/problems/{slug}", "get", _problem()
    yield "/openapi.json", "get", _self()


Refusals = tuple[type[refused.Refusal], ...]

_OPERATION = parameter("path", "id", OPERATION_ID, "The operation.")
_JOB = parameter("path", "id", JOB_ID, "The job: an operation's digits behind `job-`.")
OF_OPERATION: Refusals = (refused.OperationNotFound, refused.OperationExpired)
OF_BODY: Refusals = (refused.InvalidJson, refused.BodyTooLarge, refused.UnsupportedMediaType, refused.InvalidRequest)
OF_WRITE: Refusals = (refused.OriginNotAllowed, refused.StorageFull, refused.OutcomeUnknown)


def accepted(description: str, more: dict[str, Schema] | None = None) -> dict[str, Schema]:
    """The 202, with where to go from there; `more` headers."""
    headers = {"Location": part.LOCATION, "Retry-After": part.RETRY_AFTER, "Vary": part.VARY}
    body = answer(description, ref("Accepted"), headers={**headers, "Preference-Applied": part.APPLIED, **(more or {})})
    target = {"parameters": {"id": "$response.body#/operationId"}}
    links = {"status": "getOperation", "cancel": "cancelOperation", "result": "getResult", "retry": "retryOperation"}
    return {"202": body | {"links": {name: {"operationId": to, **target} for name, to in links.items()}}}


def ended() -> dict[str, Schema]:
    """What `Prefer: wait` gets instead, once it has ended."""
    headers = {**_POLLED, "Idempotency-Replayed": part.REPLAYED}
    completed = ref(component_of(Status.COMPLETED))
    return {
        "200": answer("With `Prefer: wait`: it has ended.", ref("Operation"), headers=headers),
        "303": answer(
            "With `Prefer: wait`: it is COMPLETED.", completed, headers={"Location": part.LOCATION, **headers}
        ),
    }


# --- operations


_POLLED = {"ETag": part.ETAG, "Vary": part.VARY, "Preference-Applied": part.APPLIED}


def _status() -> Schema:
    completed = ref(component_of(Status.COMPLETED))
    running = {**part.RETRY_AFTER_SOMETIMES, "description": "While it runs: when to poll again."}
    return operation(
        id="getOperation",
        tag="operations",
        summary="Poll an operation",
        parameters=[_OPERATION, part.REDIRECT, part.IF_NONE_MATCH, part.PREFER],
        responses={
            "200": answer("The operation as it is.", ref("Operation"), headers={**_POLLED, "Retry-After": running}),
            "303": answer("It is COMPLETED.", completed, headers={"Location": part.LOCATION, **_POLLED}),
            "304": answer("Nothing has changed.", headers=_POLLED),
            **refusals(*OF_OPERATION, refused.InvalidParameter, PollingTooFast),
        },
    )


def _cancel(id: str, target: Schema, tag: str) -> Schema:
    reason = {"type": ["string", "null"], "maxLength": 1000}
    schema = {"type": "object", "properties": {"reason": reason}}
    return operation(
        id=id,
        tag=tag,
        summary="Cancel it",
        parameters=[target],
        requestBody={"description": "Why, if you like.", "content": {part.JSON_MEDIA: {"schema": schema}}},
        responses={
            "200": answer("It is CANCELLED.", ref("Cancelled")),
            **refusals(*OF_OPERATION, *OF_BODY, *OF_WRITE, refused.OperationNotCancellable),
        },
    )


def _retry() -> Schema:
    return operation(
        id="retryOperation",
        tag="operations",
        summary="Try it again, as a new operation",
        parameters=[_OPERATION],
        responses={
            **accepted("The new operation; asked again, the same one."),
            **refusals(*OF_OPERATION, *OF_WRITE, refused.BodyTooLarge, refused.OperationNotRetryable, QuotaExceeded),
        },
    )


def _input() -> Schema:
    return operation(
        id="getInput",
        tag="operations",
        summary="What it was submitted with",
        parameters=[_OPERATION],
        responses={"200": answer("The body of the submit, without `webhook`.", {}), **refusals(*OF_OPERATION)},
    )


# --- results


def result(outputs: list[Schema]) -> Schema:
    values = {} if not outputs or {} in outputs else outputs[0] if len(outputs) == 1 else {"anyOf": outputs}
    headers = {
        "ETag": part.ETAG,
        "Content-Disposition": part.header(TEXT, "The name of a file.", always=False),
        "Accept-Ranges": part.header(TEXT, "`bytes`, for a file.", always=False),
    }
    whole = answer("The value as JSON, or the file.", values, headers=headers)
    whole["content"] |= {"*/*": {}} if {} in outputs or not outputs else {}
    ranged = {**headers, "Content-Range": part.header(TEXT, "Which bytes.")}
    outside = refusals(refused.RangeNotSatisfiable)["416"]
    outside["headers"] = {"Content-Range": part.header(TEXT, "How many bytes there are.")}
    return operation(
        id="getResult",
        tag="results",
        summary="What it returned",
        parameters=[_OPERATION, part.IF_NONE_MATCH, parameter("header", "Range", TEXT, "Part of a file.")],
        responses={
            "200": whole,
            "206": {**answer("The part asked for.", headers=ranged), "content": {"*/*": {}}},
            "304": answer("Nothing has changed.", headers={"ETag": part.ETAG}),
            **refusals(*OF_OPERATION, refused.ResultNotReady, refused.NoResult),
            "416": outside,
        },
    )


# --- jobs


def _jobs() -> Schema:
    page = {"type": "integer", "minimum": 0, "maximum": 10_000, "default": 0}
    return operation(
        id="listJobs",
        tag="jobs",
        summary="The job history, newest first",
        parameters=[
            parameter("query", "status", {"type": "array", "items": STATUS}, "Only jobs in one of these."),
            parameter("query", "type", {"type": "array", "items": TEXT}, "Only jobs of one of these operations."),
            parameter("query", "owner", TEXT, "Only jobs of this owner; for an admin."),
            parameter("query", "limit", _limit(10, 100), "Jobs on a page."),
            parameter("query", "page", page, "Which page, from 0."),
            parameter("query", "cursor", CURSOR, "`pagination.next` of the page before: unlike `page`, no drift."),
            parameter("query", "id", TEXT, "Only the job whose id this is, or those whose ids begin so."),
            parameter("query", "submittedAfter", TIME, "Only jobs submitted since then."),
            parameter("query", "submittedBefore", TIME, "Only jobs submitted before."),
        ],
        responses={
            "200": answer("One page; with an id or times there is no total.", ref("JobList")),
            **refusals(refused.InvalidParameter),
        },
    )


def _limit(default: int, most: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


def _job() -> Schema:
    return operation(
        id="getJob",
        tag="jobs",
        summary="One job",
        parameters=[_JOB],
        responses={"200": answer("The job.", ref("Job")), **refusals(*OF_OPERATION)},
    )


def _logs() -> Schema:
    whole = answer("Its log: a page, all of it as text, or followed as it grows, by `Accept`.", ref("LogList"))
    whole["content"] |= {"text/plain": {"schema": TEXT}, "text/event-stream": {}}
    return operation(
        id="getJobLogs",
        tag="jobs",
        summary="What a job logged",
        parameters=[
            _JOB,
            parameter("query", "limit", _limit(100, 1_000), "Lines on a page."),
            parameter("query", "cursor", CURSOR, "`pagination.next` of the page before."),
            parameter("header", "Last-Event-ID", COUNT, "The last line that a follower has seen."),
        ],
        security=part.BEARER_OR_TICKET,
        responses={"200": whole, **refusals(*OF_OPERATION, refused.NotAcceptable, refused.InvalidParameter)},
    )


# --- the server


def _health() -> Schema:
    answers = {"200": answer("UP.", ref("Health")), "503": answer("DOWN.", ref("Health"))}
    return _around("getHealth", "Everything in one answer", answers | refusals(store=False))


def _alive(id: str, summary: str, may_be_down: bool) -> Schema:
    words = ("UP", "DOWN") if may_be_down else ("UP",)
    body = partial(answer, schema=closed({"status": one_of_texts(*words)}))
    answers = {"200": body("UP.")} | ({"503": body("DOWN.")} if may_be_down else {})
    return _around(id, summary, answers, store=False, public=True)


def _metrics() -> Schema:
    return _around("getMetrics", "Metrics for Prometheus", {"200": answer("All metrics.", TEXT, media="text/plain")})


def _problems() -> Schema:
    return _around(
        "listProblems", "Every problem there is", {"200": html("A list for a person.")}, store=False, public=True
    )


def _problem() -> Schema:
    slug = parameter("path", "slug", {"type": "string", "pattern": "^[^/]+$"}, "The end of a problem's `type`.")
    answers = {"200": html("What it means, for a person."), **refusals(refused.NotFound, store=False, public=True)}
    found = _around("getProblem", "What a problem means", answers, store=False, public=True)
    return {**found, "parameters": [slug]}


def _self() -> Schema:
    members = {"openapi": TEXT, "info": {"type": "object"}, "paths": {"type": "object"}}
    schema: Schema = {"type": "object", "properties": members, "required": list(members)}
    return _around("getOpenApi", "This document", {"200": answer("OpenAPI 3.1.", schema)}, store=False)


def _around(id: str, summary: str, answers: dict[str, Schema], *, store: bool = True, public: bool = False) -> Schema:
    responses = {**refusals(store=store, public=public), **answers}
    security = {"security": part.NO_CREDENTIALS} if public else {}
    return operation(id=id, tag="health", summary=summary, **security, responses=responses)
