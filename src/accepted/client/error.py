"""What the client raises.

    ClientError                          everything below; carries nothing secret
    ├── Unreachable                      no answer for as long as the client's patience lasted
    ├── TimedOut (TimeoutError)          your `timeout` is over; the operation goes on
    ├── UnexpectedAnswer                 something answered, but not as the contract says
    ├── ResultMismatch                   the result came, and does not fit `type`
    ├── InvalidToken (ValueError)        no token of an operation, or one of another server
    ├── Refused                          the server said no, with a problem: `.problem`, `.status`
    │   ├── Unauthorized                 401: who are you?
    │   ├── Forbidden                    403: not with this role, or from this origin
    │   ├── NotFound                     404
    │   │   └── OperationNotFound        never existed, is forgotten, or is not yours
    │   ├── OperationExpired             410: it ended, and its retention is over
    │   ├── InvalidRequest               400, 413, 415, 422: `.errors` says where
    │   │   └── IdempotencyKeyReused     this key came before with another body
    │   ├── OperationNotCancellable      409: it has ended
    │   ├── OperationNotRetryable        409: it has not failed, or not in a way that a retry could mend
    │   ├── RateLimited                  429, and `Retry-After` was longer than patience: `.retry_after`
    │   └── ServerTrouble                5xx, for as long as patience lasted
    └── Ended                            the operation ended without a result: `.state`
        ├── OperationFailed              `.problem`, `.retryable`, `.retry_after`
        └── OperationCancelled           `.reason`, `.partial_result`

A 429 or 503 is waited out and a lost answer asked for again before any of these is raised.
"""

from __future__ import annotations

from typing import Any

from .document import Problem, State


class ClientError(Exception):
    """Whatever goes wrong between this client and its server, or with an operation there."""


class Unreachable(ClientError):
    """There was no answer, for as long as the client's `patience` lasted. Whether the request arrived is unknown."""


class TimedOut(ClientError, TimeoutError):
    """The `timeout` that you gave is over. The operation goes on; wait for it again whenever you like."""


class UnexpectedAnswer(ClientError):
    """Something answered that does not keep the contract: a proxy's page, another service, a broken document."""


class ResultMismatch(ClientError):
    """The result is there but does not fit the `type` it was asked as."""


class InvalidToken(ClientError, ValueError):
    """This is no token of an operation, or one of another server than this client's."""


class Refused(ClientError):
    """The server refused, with `problem` (RFC 9457) and its HTTP `status`.

    `retry_after` is in seconds, where the server named any.
    """

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(problem.summary)
        self.problem = problem
        self.status = problem.status
        self.retry_after = retry_after


class Unauthorized(Refused):
    """401: the server does not know who asks. Give the client a `token`, or a better one."""


class Forbidden(Refused):
    """403: whoever asks may not do this."""


class NotFound(Refused):
    """404: there is nothing at this path."""


class OperationNotFound(NotFound):
    """The operation never existed, is long forgotten, or is somebody else's."""


class OperationExpired(Refused):
    """410: the operation ended and its retention is over; its result is deleted."""


class InvalidRequest(Refused):
    """The request does not fit what the operation takes."""

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Each place (`pointer`, RFC 6901) and what is wrong there (`detail`)."""
        return self.problem.errors


class IdempotencyKeyReused(InvalidRequest):
    """The idempotency key came before with another body."""


class OperationNotCancellable(Refused):
    """409: the operation has ended already."""


class OperationNotRetryable(Refused):
    """409: only a failure that says `retryable`, or a cancelled operation, can be retried."""


class RateLimited(Refused):
    """429: too many requests, or a quota is used up; `retry_after` says when to come back."""


class ServerTrouble(Refused):
    """5xx: the server could not, for as long as patience lasted."""


class Ended(ClientError):
    """The operation ended without a result; `state` is all that is known of it."""

    def __init__(self, message: str, state: State) -> None:
        super().__init__(message)
        self.state = state


class OperationFailed(Ended):
    """The operation FAILED with `problem`."""

    def __init__(self, state: State) -> None:
        self.problem = Problem.read(state.error or {})
        super().__init__(f"operation {state.operation_id} failed: {self.problem.summary}", state)

    @property
    def retryable(self) -> bool:
        """Whether `operation.retry()` may help."""
        return bool(self.problem.retryable)

    @property
    def retry_after(self) -> float | None:
        """Seconds before which a retry makes no sense, where that is known."""
        return self.problem.retry_after


class OperationCancelled(Ended):
    """The operation was CANCELLED, for `reason`; `partial_result` is what it left."""

    def __init__(self, state: State) -> None:
        because = f": {state.reason}" if state.reason else ""
        super().__init__(f"operation {state.operation_id} was cancelled{because}", state)
        self.reason = state.reason
        self.partial_result = state.partial_result


_BY_SLUG: dict[str, type[Refused]] = {
    "operation-not-found": OperationNotFound,
    "operation-expired": OperationExpired,
    "idempotency-key-reused": IdempotencyKeyReused,
    "operation-not-cancellable": OperationNotCancellable,
    "operation-not-retryable": OperationNotRetryable,
}
_BY_STATUS: dict[int, type[Refused]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    410: OperationExpired,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
}


def refused(problem: Problem, retry_after: float | None) -> Refused:
    """The error for a problem that was answered: by its type, else by its HTTP status."""
    kind = _BY_SLUG.get(problem.slug) or _BY_STATUS.get(problem.status)
    return (kind or (ServerTrouble if problem.status >= 500 else Refused))(problem, retry_after)


def ended(state: State) -> Ended | None:
    """Why there is no result of an operation that has ended; None where there is one."""
    match state.status:
        case "FAILED":
            return OperationFailed(state)
        case "CANCELLED":
            return OperationCancelled(state)
        case _:
            return None
