"""Who asks, out of a request; and whether a route lets them in.

While no key and no verifier is configured everybody may do everything that concerns nobody's operations: that is for a
developer's own machine, behind the checks of `access.py`. Once one is configured, every route but the public ones asks
for it. Whoever our app is installed into may have found out already who asks, and says so in `request.state.caller`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import HTTPConnection

from ..contract.caller import ANYBODY, Caller, Rule
from ..contract.problem import Forbidden, Unauthenticated
from .call import Call

Authenticate = Callable[[HTTPConnection], Awaitable[Caller | None]]
"""A function of the user's own: it looks at a request, or at a WebSocket's handshake, and says who asks."""


class Guard:
    """The one place that turns a request into a `Caller`."""

    def __init__(self, authenticate: Authenticate | None = None) -> None:
        self._authenticate = authenticate

    @property
    def required(self) -> bool:
        """Whether callers have to say who they are."""
        return self._authenticate is not None

    def admit(self, call: Call, rule: Rule) -> bool:
        """Let them in where that can be told at once; False where `ask` has to find out."""
        given = call.scope.get("state")
        caller = given.get("caller") if given else None
        if isinstance(caller, Caller):
            self._let_in(call, caller, rule)
            return True
        return rule is Rule.PUBLIC or not self.required

    async def ask(self, call: Call, rule: Rule) -> None:
        """Find out who asks, and let them in. Raises `Unauthenticated` or `Forbidden`."""
        caller = await self._authenticate(_connection(call)) if self._authenticate is not None else None
        if caller is None:
            raise Unauthenticated("Who asks is not known: the request bears no valid credentials.")
        self._let_in(call, caller, rule)

    def _let_in(self, call: Call, caller: Caller, rule: Rule) -> None:
        call.caller = caller
        if not caller.may(rule):
            raise lacking(rule)

    def check(self, caller: Caller, rule: Rule) -> None:
        """Raises `Forbidden` where a caller who is let in already asks for more; never while everything is open."""
        if caller is not ANYBODY and not caller.may(rule):
            raise lacking(rule)


def lacking(rule: Rule) -> Forbidden:
    """The refusal of somebody who is known, but lacks a role."""
    return Forbidden(f"This needs a role that allows {rule.value!r}; the caller has none such.")


def _connection(call: Call) -> Any:
    return HTTPConnection(call.scope)
