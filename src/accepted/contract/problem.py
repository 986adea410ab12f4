"""Problem details (RFC 9457) and the tree of refusals.

    Refusal                          the caller asked for something that is not given; nothing was stored
    ├── InvalidJson  InvalidRequest  InvalidParameter  UnsupportedMediaType  BodyTooLarge
    ├── InvalidIdempotencyKey  IdempotencyKeyReused  WebhookUrlForbidden  DeliveryNotFound
    ├── NotFound  MethodNotAllowed  RangeNotSatisfiable  NotAcceptable  HostNotAllowed  OriginNotAllowed
    ├── Unauthenticated  Forbidden
    ├── OperationNotFound  OperationExpired  ResultNotReady  NoResult
    ├── OperationNotCancellable  OperationNotRetryable
    ├── Overloaded  StorageFull  OutcomeUnknown  InternalError
    ├── ...                          about how requests come, rather than what they ask: traffic.py
    └── StaleAttempt (TooEarly)  WorkerLost     said to workers, never over HTTP
    Failure                          raised by a user's function: the operation's own failure

Each refusal bears the HTTP status as a hint; the contract itself never answers anybody (h11 does the same).
Slugs are part of the public contract: they never change their meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

YEAR = 366 * 86_400  # seconds; no date beyond it can be meant


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One problem object, as stored with a FAILED operation and as rendered by `wire.problem_document`.

    `slug` is the last part of the `type` URL, or a whole URI where the user's function gave one. `retry_after` is in
    seconds.
    """

    slug: str
    title: str
    status: int = 500
    detail: str = ""
    retryable: bool | None = None
    retry_after: int | float | None = None
    members: dict[str, Any] = {}


class Refusal(Exception):
    """What was asked is not given, and nothing was stored for it (contract, section 11)."""

    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal Error"
    status: ClassVar[int] = 500
    explanation: ClassVar[str] = ""

    def __init__(self, detail: str = "", *, retry_after: float | None = None, **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.retry_after = retry_after
        self.members = members

    @property
    def problem(self) -> Problem:
        """The refusal as a problem object."""
        return Problem(slug=self.slug, title=self.title, status=self.status, detail=self.detail, members=self.members)


class InvalidJson(Refusal):
    slug, title, status = "invalid-json", "Invalid JSON", 400
    explanation = (
        "The body is not strict JSON (RFC 8259): it may be cut off, hold NaN or Infinity, repeat a member of an "
        "object, hold a lone surrogate or bytes that are not UTF-8, or nest deeper than 64 levels."
    )


class InvalidRequest(Refusal):
    slug, title, status = "invalid-request", "Invalid Request", 422
    explanation = (
        "The body is JSON but does not fit what this operation takes. `errors` names each place by a JSON pointer "
        "(RFC 6901) and says what is wrong there."
    )


class InvalidParameter(Refusal):
    slug, title, status = "invalid-parameter", "Invalid Parameter", 422
    explanation = "A query parameter or header has a value that it cannot have. `errors` names it."


class UnsupportedMediaType(Refusal):
    slug, title, status = "unsupported-media-type", "Unsupported Media Type", 415
    explanation = "Bodies are `application/json`."


class BodyTooLarge(Refusal):
    slug, title, status = "body-too-large", "Body Too Large", 413
    explanation = "The body is over the limit of this server (1 MiB unless it was configured otherwise)."


class InvalidIdempotencyKey(Refusal):
    slug, title, status = "invalid-idempotency-key", "Invalid Idempotency Key", 400
    explanation = (
        "An `Idempotency-Key` is 1 to 255 visible ASCII characters, quoted as a structured-field string "
        '("8e03...") or bare.'
    )


class IdempotencyKeyReused(Refusal):
    slug, title, status = "idempotency-key-reused", "Idempotency Key Reused", 422
    explanation = (
        "This key came before with another body. A key names one request: use a new key for a new request, "
        "or send the same body to get the same operation."
    )


class NotFound(Refusal):
    slug, title, status = "not-found", "Not Found", 404
    explanation = "There is nothing at this path."


class MethodNotAllowed(Refusal):
    slug, title, status = "method-not-allowed", "Method Not Allowed", 405
    explanation = "The path is known, but not with this method. `Allow` lists the methods that it knows."


class NotAcceptable(Refusal):
    slug, title, status = "not-acceptable", "Not Acceptable", 406
    explanation = "None of the media types named in `Accept` can be given here."


class RangeNotSatisfiable(Refusal):
    slug, title, status = "range-not-satisfiable", "Range Not Satisfiable", 416
    explanation = "The `Range` asked for lies outside of the result. `Content-Range` says how long it is."


class HostNotAllowed(Refusal):
    slug, title, status = "host-not-allowed", "Host Not Allowed", 421
    explanation = (
        "The `Host` of the request is not one that this server answers to. This protects servers on a developer's "
        "machine from pages that rebind DNS. The operator lists names in `allowed_hosts`."
    )


class OriginNotAllowed(Refusal):
    slug, title, status = "origin-not-allowed", "Origin Not Allowed", 403
    explanation = (
        "A browser page from another origin asked for a change. "
        "The operator lists trusted origins in `allowed_origins`."
    )


class Unauthenticated(Refusal):
    slug, title, status = "unauthenticated", "Unauthenticated", 401
    explanation = (
        "The request does not say who asks, or what it says is not valid (any more). Send an API key or a token as "
        "`Authorization: Bearer ...`; a browser's EventSource or WebSocket sends a ticket that is used once."
    )


class Forbidden(Refusal):
    slug, title, status = "forbidden", "Forbidden", 403
    explanation = (
        "The caller is known but lacks the role that this needs: `submit` to start operations and to try them again, "
        "`read` to see them, `cancel` or `submit` to cancel them, `admin` for the operations of others and for the "
        "server's own pages."
    )


class OperationNotFound(Refusal):
    slug, title, status = "operation-not-found", "Operation Not Found", 404
    explanation = "There is no such operation: it never existed, is long forgotten, or is not yours."

    def __init__(self) -> None:
        super().__init__("There is no operation with this id.")


class OperationExpired(Refusal):
    slug, title, status = "operation-expired", "Operation Expired", 410
    explanation = (
        "The operation ended, its results were kept for the time promised in `expiresAt`, and are now deleted."
    )


class WebhookUrlForbidden(Refusal):
    slug, title, status = "webhook-url-forbidden", "Webhook URL Forbidden", 422
    explanation = (
        "Webhooks go to https URLs on ports 443 and 8443 whose host has public addresses only, without a user name or "
        "password. The operator of a development server can lift this (`webhook_allow_http`, `webhook_allow_networks`)."
    )


class DeliveryNotFound(Refusal):
    slug, title, status = "delivery-not-found", "Delivery Not Found", 404
    explanation = "The operation has no delivery with this id. Its `/deliveries` lists those that it has."


class ResultNotReady(Refusal):
    slug, title, status = "result-not-ready", "Result Not Ready", 404
    explanation = "The operation has not ended yet. Poll its status; the result is there once it is COMPLETED."


class NoResult(Refusal):
    slug, title, status = "no-result", "No Result", 404
    explanation = "The operation ended FAILED or CANCELLED, so it has no result. Its status says why."


class OperationNotCancellable(Refusal):
    slug, title, status = "operation-not-cancellable", "Operation Not Cancellable", 409
    explanation = "The operation has already ended, so there is nothing left to cancel."


class OperationNotRetryable(Refusal):
    slug, title, status = "operation-not-retryable", "Operation Not Retryable", 409
    explanation = "Only a CANCELLED operation, or a FAILED one whose error says `retryable: true`, can be retried."


class UpgradeRequired(Refusal):
    slug, title, status = "upgrade-required", "Upgrade Required", 426
    explanation = "This path speaks WebSocket. The same events come over plain HTTP at the operation's `stream`."


class InvalidCommand(Refusal):
    slug, title, status = "invalid-command", "Invalid Command", 400
    explanation = (
        "A WebSocket message is a JSON object with a `command`: `get-status` or `cancel`, and on the socket for many "
        "operations also `subscribe` and `unsubscribe`, which name an `operationId`."
    )


class Overloaded(Refusal):
    slug, title, status = "overloaded", "Overloaded", 503
    explanation = (
        "The server cannot take this request now, and stored nothing for it. `Retry-After` says when to try again."
    )


class StorageFull(Refusal):
    slug, title, status = "storage-full", "Storage Full", 507
    explanation = "The database has no room left, so the request was not stored. The operator has to make room."


class OutcomeUnknown(Refusal):
    slug, title, status = "outcome-unknown", "Outcome Unknown", 504
    explanation = (
        "The database did not answer whether it has stored this, so it may be stored or not. Ask again with the same "
        "`Idempotency-Key`: the answer is then the operation that there is, or a new one."
    )


class InternalError(Refusal):
    slug, title, status = "internal-error", "Internal Error", 500
    explanation = "Something went wrong inside of the server. Its log has the details."


class StaleAttempt(Refusal):
    """A write of an attempt that no longer holds the operation (guarantee L2)."""

    slug, title, status = "stale-attempt", "Stale Attempt", 409


class TooEarly(StaleAttempt):
    """A cancel whose grace is not over yet cannot be settled; nothing about the attempt is stale."""


class WorkerLost(Refusal):
    """A renewal of a lease that has run out: whoever held it must stop its user code (guarantee L6)."""

    slug, title, status = "worker-lease-lost", "Worker Lease Lost", 409


class InvariantViolation(Exception):
    """The lifecycle was about to take a step that its table does not have: a bug, counted and never committed."""


class Failure(Exception):
    """Raise it in an operation to fail it on purpose; it becomes the problem in `error` (contract, section 3).

    `type` is a slug ("data-processing-error") or a whole URI, `status` the HTTP status that describes the failure,
    `retry_after` seconds before which a retry makes no sense. A `retryable` failure is tried again by the operation's
    own policy while attempts are left, and may be retried by the client after that.
    """

    def __init__(
        self,
        title: str,
        *,
        detail: str = "",
        type: str = "operation-failed",
        status: int = 500,
        retryable: bool = False,
        retry_after: float | None = None,
        **members: Any,
    ) -> None:
        super().__init__(title)
        if not 400 <= status <= 599:
            raise ValueError(f"a failure's status is 400 to 599, not {status}")
        if retry_after is not None and not 0 <= retry_after <= YEAR:
            raise ValueError(f"retry_after is seconds, from 0 to a year, not {retry_after}")
        self.problem = Problem(
            slug=type,
            title=title,
            status=status,
            detail=detail or title,
            retryable=retryable,
            retry_after=retry_after,
            members=members,
        )


OPERATION_PROBLEMS: dict[str, tuple[str, str]] = {
    "operation-failed": ("Operation Failed", "The operation's function raised an error. `detail` names it."),
    "operation-timed-out": ("Operation Timed Out", "One attempt ran longer than the operation's `timeout` allows."),
    "worker-lost": (
        "Worker Lost",
        "The worker process died several times while it ran this operation, so it is not tried again by itself.",
    ),
    "invalid-result": (
        "Invalid Result",
        "The function returned something that JSON cannot hold, such as NaN or a cycle.",
    ),
    "result-too-large": ("Result Too Large", "The function returned more than the server's limit for results."),
    "invalid-input": ("Invalid Input", "The stored input no longer fits what the operation's function takes."),
}
"""Problems that end operations, rather than refuse requests: slug to title and explanation."""


def catalogue() -> Iterator[tuple[str, str, int | None, str]]:
    """Every problem a client can meet: (slug, title, status, explanation), for the pages behind `type`."""
    for refusal in Refusal.__subclasses__():
        if refusal.explanation:
            yield refusal.slug, refusal.title, refusal.status, refusal.explanation
    for slug, (title, explanation) in OPERATION_PROBLEMS.items():
        yield slug, title, None, explanation
