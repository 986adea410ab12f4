"""A client for servers that keep the contract: `Client` for programs that may wait, `AsyncClient` for coroutines.

    from accepted import Client

    with Client("https://api.example.com", token="...") as client:
        operation = client.submit("/reports/sales", {"year": 2017})
        print(operation.result())

It knows the contract and nothing else of Accepted, so it serves for any server that keeps it. What it raises is drawn
at the top of `error.py`; docs/client.md tells the rest.
"""

from .asynchronous import AsyncClient, AsyncOperation
from .blocking import Client, Operation
from .document import Event, Job, LogLine, Phase, Problem, Progress, State, Warning
from .error import (
    ClientError,
    Ended,
    Forbidden,
    IdempotencyKeyReused,
    InvalidRequest,
    InvalidToken,
    NotFound,
    OperationCancelled,
    OperationExpired,
    OperationFailed,
    OperationNotCancellable,
    OperationNotFound,
    OperationNotRetryable,
    RateLimited,
    Refused,
    ResultMismatch,
    ServerTrouble,
    TimedOut,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)

__all__ = [
    "AsyncClient",
    "AsyncOperation",
    "Client",
    "ClientError",
    "Ended",
    "Event",
    "Forbidden",
    "IdempotencyKeyReused",
    "InvalidRequest",
    "InvalidToken",
    "Job",
    "LogLine",
    "NotFound",
    "Operation",
    "OperationCancelled",
    "OperationExpired",
    "OperationFailed",
    "OperationNotCancellable",
    "OperationNotFound",
    "OperationNotRetryable",
    "Phase",
    "Problem",
    "Progress",
    "RateLimited",
    "Refused",
    "ResultMismatch",
    "ServerTrouble",
    "State",
    "TimedOut",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unreachable",
    "Warning",
]
