"""Apps around an app: one that asks for a key, and one that has it mounted deep inside."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from accepted import Accepted, Attempt, Caller
from accepted.contract.caller import Role

KEYS = {
    "open-sesame": Caller("root", frozenset({Role.ADMIN})),
    "acme-key": Caller("acme", frozenset({Role.READ, Role.SUBMIT})),
}


async def by_key(request: HTTPConnection) -> Caller | None:
    """Who holds one of two keys."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return KEYS.get(key) if scheme == "Bearer" else None


guarded = Accepted(authenticate=by_key)
plain = Accepted()


@guarded.operation("/echoes")
@plain.operation("/echoes")
async def echo(value: str, attempt: Attempt) -> str:
    """Gives back what it was given."""
    attempt.log(value)
    return value


mounted = Starlette(routes=[Mount("/deep/er", app=plain)])
