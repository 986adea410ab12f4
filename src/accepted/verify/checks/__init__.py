"""The checks, a file for each part of the contract. Importing this registers all of them, in its order."""

from . import (
    accepting,
    auth,
    cancelling,
    ending,
    hooks,
    idempotency,
    jobs,
    openapi,
    polling,
    problems,
    sockets,
    streams,
)

__all__ = [
    "accepting",
    "auth",
    "cancelling",
    "ending",
    "hooks",
    "idempotency",
    "jobs",
    "openapi",
    "polling",
    "problems",
    "sockets",
    "streams",
]
