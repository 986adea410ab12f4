"""The same operations for callers who say who they are: every one of them is the same owner, held to every limit."""

from starlette.requests import HTTPConnection

from accepted import Accepted, Caller
from bench.application import noop

OWNER = Caller("bench")


async def known(connection: HTTPConnection) -> Caller:
    """Looks at what a token would be in, and knows them."""
    connection.headers.get("authorization")
    return OWNER


app = Accepted(authenticate=known)
app.operation("/noop", name="noop")(noop)
