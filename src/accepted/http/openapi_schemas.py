"""The documents of `contract/wire.py` as JSON Schema (draft 2020-12, which OpenAPI 3.1 speaks).

They are closed where the contract names every member, so that a member nobody documented fails our own tests, and open
where users' functions add members: results and problems.
"""

from __future__ import annotations

from typing import Any

from ..contract.operation import Status
from ..contract.progress import PhaseStatus

Schema = dict[str, Any]

SCHEMAS = "#/components/schemas/"


def ref(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": SCHEMAS + name}


def closed(required: Schema, optional: Schema | None = None, **about: Any) -> Schema:
    """An object with these members and no others."""
    schema = {"type": "object", "properties": {**required, **(optional or {})}, "additionalProperties": False, **about}
    return schema | ({"required": list(required)} if required else {})


def one_of_texts(*texts: str) -> Schema:
    """One of a few words."""
    return {"type": "string", "enum": list(texts)}


TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
AMOUNT: Schema = {"type": "number", "minimum": 0}
SECONDS: Schema = {"type": "number", "minimum": 0, "description": "Seconds."}
PERCENTAGE: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
TIME: Schema = {"type": "string", "format": "date-time", "description": "UTC, with milliseconds."}
LINK: Schema = {"type": "string", "format": "uri-reference"}
STATUS: Schema = one_of_texts(*Status)
_ID = "[0-9abcdefghjkmnpqrstvwxyz]{26}$"
OPERATION_ID: Schema = {"type": "string", "pattern": f"^op-{_ID}"}
JOB_ID: Schema = {"type": "string", "pattern": f"^job-{_ID}"}
OWNER: Schema = {"type": "string", "description": "Whose it is; told to an admin."}
CURSOR: Schema = {"type": "string", "description": "Opaque; give it back as `cursor`."}

_RUNNING = (Status.PENDING, Status.PROCESSING)
_STARTED = frozenset({Status.PROCESSING, Status.COMPLETED, Status.COMPLETED_WITH_ERRORS, Status.FAILED})


def component_of(status: Status) -> str:
    """The name of the component for operations in this status, such as `OperationCompleted`."""
    return "Operation" + "".join(word.capitalize() for word in status.split("_"))


def contract_schemas() -> dict[str, Schema]:
    """Every component that all apps have."""
    return {
        "Operation": _operation(),
        **{component_of(status): _status_document(status) for status in Status},
        "Accepted": _accepted(),
        "Cancelled": _cancelled(),
        "Links": _links(),
        "PollInterval": closed({"recommended": SECONDS, "minimum": SECONDS}),
        "Progress": _progress(),
        "Phase": closed(
            {"name": TEXT, "status": one_of_texts(*PhaseStatus)}, {"percentage": PERCENTAGE, "duration": SECONDS}
        ),
        "Result": _result(),
        "Warning": closed({"code": TEXT, "message": TEXT}, {"affectedRecords": {"type": "integer"}}),
        "Problem": _problem(),
        **_job_schemas(),
        "Ticket": closed({"ticket": TEXT, "expiresAt": TIME}, description="Opens one stream, once, as `?ticket=`."),
        "Health": _health(),
    }


# --- operations


def _operation() -> Schema:
    mapping = {str(status): SCHEMAS + component_of(status) for status in Status}
    return {
        "description": "An operation; `status` says which members there are.",
        "oneOf": [ref(component_of(status)) for status in Status],
        "discriminator": {"propertyName": "status", "mapping": mapping},
    }


def _status_document(status: Status) -> Schema:
    required, optional = _members(status)
    return closed(required, optional, description=f"An operation that is {status}.")


def _members(status: Status) -> tuple[Schema, Schema]:
    required: Schema = {
        "operationId": OPERATION_ID,
        "type": {**TEXT, "description": "The name of the operation."},
        "status": {"type": "string", "const": str(status)},
        "attempt": {**COUNT, "description": "Attempts begun so far."},
        "createdAt": TIME,
        "updatedAt": TIME,
    }
    optional: Schema = {"progress": ref("Progress"), "retryOf": OPERATION_ID}
    (required if status in _STARTED else optional)["startedAt"] = TIME
    if status in _RUNNING:
        required["pollInterval"] = ref("PollInterval")
        optional |= {"estimatedCompletion": TIME, "queuePosition": COUNT}
    else:
        required |= {"expiresAt": TIME} | _ended(status)
    if status is Status.CANCELLED:
        optional |= {"reason": TEXT, "partialResult": {"description": "What the function left behind."}}
    return required | {"links": ref("Links")}, optional


def _ended(status: Status) -> Schema:
    match status:
        case Status.FAILED:
            return {"failedAt": TIME, "error": ref("Problem")}
        case Status.CANCELLED:
            return {"cancelledAt": TIME, "workStopped": {"type": "boolean"}}
        case Status.COMPLETED_WITH_ERRORS:
            warned = {"required": ["warnings"]}
            return {"completedAt": TIME, "result": {"allOf": [ref("Result"), warned]}}
        case _:
            return {"completedAt": TIME, "result": ref("Result")}


def _accepted() -> Schema:
    """One shape for both answers of a submit: a new operation, and a replay with the present members of the old one."""
    required: Schema = {
        "operationId": OPERATION_ID,
        "type": {**TEXT, "description": "The name of the operation."},
        "status": STATUS,
        "createdAt": TIME,
        "statusUrl": {**LINK, "description": "Where to poll."},
        "links": ref("Links"),
    }
    optional: Schema = {}
    for status in Status:
        always, sometimes = _members(status)
        optional |= always | sometimes
    optional = {name: schema for name, schema in optional.items() if name not in required}
    about = "The operation. One that an idempotency key or a retry had made before comes with all that is known now."
    more = {"result": ref("Result"), "webhook": ref("WebhookRegistered")}
    return closed(required, optional | more, description=about)


def _cancelled() -> Schema:
    status = {"type": "string", "const": str(Status.CANCELLED)}
    required = {
        "operationId": OPERATION_ID,
        "status": status,
        "cancelledAt": TIME,
        "workStopped": {"type": "boolean", "description": "False where the function did not stop in time."},
    }
    return closed(required, {"reason": TEXT})


def _links() -> Schema:
    actions = {"cancel": LINK, "result": LINK, "retry": LINK, "retriedBy": LINK, "deliveries": LINK}
    always = {"self": LINK, "stream": LINK, "websocket": LINK, "job": LINK}
    return closed(always, actions, description="What can be done next.")


def _progress() -> Schema:
    members = {"current": AMOUNT, "total": AMOUNT, "percentage": PERCENTAGE, "message": TEXT, "phase": TEXT}
    return closed({}, members | {"phases": {"type": "array", "items": ref("Phase")}})


def _result() -> Schema:
    """Open: an object result brings its own members."""
    members = {
        "url": {**LINK, "description": "Where the whole result is."},
        "warnings": {"type": "array", "items": ref("Warning")},
    }
    return {
        "type": "object",
        "description": "The members of an object result, or `value` for any other; large ones are left to `url`.",
        "properties": members,
        "required": ["url"],
    }


# --- problems


def _problem() -> Schema:
    """Open, as RFC 9457 has it."""
    place = {"pointer": TEXT, "parameter": TEXT, "detail": TEXT}
    members: Schema = {
        "type": LINK,
        "title": TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": TEXT,
        "instance": LINK,
    }
    extensions: Schema = {
        "retryable": {"type": "boolean"},
        "retryAfter": SECONDS,
        "errors": {"type": "array", "items": {"type": "object", "properties": place, "required": ["detail"]}},
    }
    about = "Problem details (RFC 9457). Each `type` explains itself to a person who opens it."
    return {
        "type": "object",
        "description": about,
        "properties": members | extensions,
        "required": list(members),
    }


# --- jobs


def _job_schemas() -> dict[str, Schema]:
    return {
        "Job": _job(),
        "JobRow": closed(
            {"jobId": JOB_ID, "type": TEXT, "status": STATUS, "submittedAt": TIME},
            {
                "attempt": COUNT,
                "startedAt": TIME,
                "percentage": PERCENTAGE,
                "completedAt": TIME,
                "duration": SECONDS,
                "owner": OWNER,
            },
        ),
        "JobList": _page("JobRow", closed({"page": COUNT, "size": COUNT}, {"totalElements": COUNT, "next": CURSOR})),
        "LogLine": _log_line(),
        "LogList": _page("LogLine", closed({"size": COUNT, "totalElements": COUNT}, {"next": CURSOR})),
    }


def _page(row: str, pagination: Schema) -> Schema:
    return closed({"data": {"type": "array", "items": ref(row)}, "pagination": pagination})


def _job() -> Schema:
    times = closed({"submitted": TIME}, {"started": TIME, "completed": TIME, "estimatedCompletion": TIME})
    required = {
        "jobId": JOB_ID,
        "operationId": OPERATION_ID,
        "type": TEXT,
        "status": STATUS,
        "attempt": COUNT,
        "timestamps": times,
        "links": closed({"self": LINK, "cancel": LINK, "logs": LINK, "operation": LINK}),
    }
    about = "The operator's view of an operation."
    return closed(required, {"progress": ref("Progress"), "owner": OWNER}, description=about)


def _log_line() -> Schema:
    required = {"sequence": COUNT, "timestamp": TIME, "level": TEXT, "message": TEXT, "attempt": COUNT}
    return closed(required, {"fields": {"type": "object"}})


# --- health


def _health() -> Schema:
    store = closed({"status": one_of_texts("UP", "DOWN")}, {"responseTime": SECONDS, "detail": TEXT})
    workers = closed({"status": one_of_texts("UP", "NONE", "UNKNOWN")}, {"alive": COUNT})
    return closed(
        {
            "status": one_of_texts("UP", "DOWN"),
            "version": TEXT,
            "uptime": SECONDS,
            "checks": closed({"store": store, "workers": workers}),
        }
    )
