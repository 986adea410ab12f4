"""Who asks, out of a request; and whether a route lets them in.

While no key and no verifier is configured everybody may do everything that concerns nobody's operations: that is for a
developer's own machine, behind the checks of `access.py`. Once one is configured, every route but the public ones asks
for it. Whoever our app is installed into may have found out already who asks, and says so in `request.state.caller`.

A caller who is let in is asked no more. Streams and long-polls last, so they ask `holds` again and again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import HTTPConnection

from ..contract.caller import ANYBODY, NOBODY, Caller, Rule
from ..contract.credential import KEY
from ..contract.problem import Forbidden, Unauthenticated
from ..engine import audit
from ..engine.keyring import Keyring
from .call import TICKET, Call
from .pace import Throttle

Authenticate = Callable[[HTTPConnection], Awaitable[Caller | None]]
"""A function of the user's own: it looks at a request, or at a WebSocket's handshake, and says who asks."""


STRANGERS = 20
"""Lines of the audit trail in a minute for requests that were turned away: a flood of them must not fill a disk."""


class Verifier(Protocol):
    """Knows tokens that others have made."""

    def known(self, token: str) -> Caller | None:
        """Whom a token shows that was seen before."""

    async def verify(self, token: str) -> Caller | None:
        """Whom a token shows."""


class Guard:
    """The one place that turns a request into a `Caller`."""

    def __init__(
        self,
        keyring: Keyring,
        verifier: Verifier | None = None,
        authenticate: Authenticate | None = None,
        *,
        always: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keyring = keyring
        self._verifier = verifier
        self._authenticate = authenticate
        self._always = always or verifier is not None or authenticate is not None
        self._strangers = Throttle(STRANGERS, 60, clock)
        self._unwritten = 0

    @property
    def required(self) -> bool:
        """Whether callers have to say who they are."""
        return self._always or self._keyring.in_use

    # --- who asks

    def admit(self, call: Call, rule: Rule) -> bool:
        """Let them in where that can be told at once; False where `ask` has to find out."""
        given = call.scope.get("state")
        caller = given.get("caller") if given else None
        if isinstance(caller, Caller):
            self._let_in(call, caller, rule)
            return True
        if rule is Rule.PUBLIC:
            return True
        token, fresh = _bearer(call), self._keyring.is_fresh
        if not token and not self.required and TICKET not in call.scope:
            return fresh
        if not token or not fresh:
            return False
        caller = self._keyring.find(token)
        if caller is None:
            caller = self._verifier.known(token) if self._verifier is not None else None
            if caller is None or not self._keyring.holds(caller):
                return False
        self._let_in(call, caller, rule)
        return True

    async def ask(self, call: Call, rule: Rule, ticket: str | None = None) -> None:
        """Find out who asks, and let them in. Raises `Unauthenticated`, `Forbidden` or `StoreUnavailable`."""
        if not (self._keyring.is_fresh and self.required):
            await self._keyring.look()  # who bears credentials knows of keys, perhaps before we do
        caller = await self._found(call, ticket)
        if caller is None and not self.required:
            return
        if caller is None or not self._keyring.holds(caller):
            self._note_stranger(call)
            raise Unauthenticated("Who asks is not known: the request bears no valid credentials.")
        self._let_in(call, caller, rule)

    async def _found(self, call: Call, ticket: str | None) -> Caller | None:
        token = _bearer(call)
        if ticket is not None and not token:
            return await self._of_ticket(call, ticket)
        if KEY.fullmatch(token):
            if not self._keyring.knows(token):
                await self._keyring.look()  # it may have been made just now
            return self._keyring.find(token)
        caller = await self._verifier.verify(token) if self._verifier is not None and token else None
        if caller is None and self._authenticate is not None:
            caller = await self._authenticate(HTTPConnection(call.scope))
        return caller

    async def _of_ticket(self, call: Call, ticket: str) -> Caller | None:
        """It is used up by this, also where it is for another operation."""
        found = await self._keyring.take(ticket)
        if found is None or found.operation_id not in {"", call.parameters.get("id", "").replace("job-", "op-", 1)}:
            return None
        return found.caller

    def _note_stranger(self, call: Call) -> None:
        """Write down who was turned away, of many only some: from where, and which key they named."""
        if self._strangers.take(""):
            self._unwritten += 1
            return
        token = _bearer(call)
        key = token.rpartition("_")[0] if KEY.fullmatch(token) else ""
        host, _ = call.scope.get("client") or ("an unknown address", 0)
        more = f" (and {self._unwritten} more since the last such line)" if self._unwritten else ""
        self._unwritten = 0
        audit.note("unauthenticated", Caller(NOBODY, frozenset(), key), about=f"from {host}{more}")

    # --- what they may do

    def _let_in(self, call: Call, caller: Caller, rule: Rule) -> None:
        call.caller = caller
        self.check(caller, rule)

    def check(self, caller: Caller, rule: Rule) -> None:
        """Raises `Forbidden` where a caller asks for more than they may; never while everything is open."""
        if caller is not ANYBODY and not caller.may(rule):
            audit.note("refused", caller, about=f"what needs {rule.value}")
            raise Forbidden(f"This needs a role that allows {rule.value!r}; the caller has none such.")

    def holds(self, caller: Caller) -> bool:
        """Whether somebody who was let in still would be; told within seconds of a change on any node."""
        return not self.required if caller is ANYBODY else self._keyring.holds(caller)

    def recheck(self, caller: Caller) -> None:
        """Raises `Unauthenticated` where somebody has been let out while they waited."""
        if not self.holds(caller):
            raise Unauthenticated("Who asks is known no more.")


def _bearer(call: Call) -> str:
    """The token of `Authorization: Bearer` (RFC 6750, section 2.1); empty where there is none."""
    given = call.headers.get(b"authorization", b"")
    return given[7:].strip().decode("latin-1") if given[:7].lower() == b"bearer " else ""
