"""Submitting, polling, cancelling, retrying: contract, sections 1, 3, 5 and 6."""

from __future__ import annotations

import asyncio
from typing import Any

from ..contract import wire
from ..contract.caller import Rule
from ..contract.form import accepted_body
from ..contract.operation import Operation, Status
from ..contract.problem import InvalidRequest
from ..contract.transition import Key
from ..engine import audit
from ..engine.model import ABSENT
from ..engine.registry import Registered
from ..service import Service
from ..settings import Settings
from . import body
from .call import JSON, NO_STORE, VARY_PREFER, Call, Header
from .guard import Guard
from .headers import NO_PREFERENCES, Preferences, idempotency_key, matches, traceparent
from .pace import Pace
from .webhooks import RESERVED, Webhooks, without_webhook


class Operations:
    """The endpoints under `/operations/{id}`, and the submit of each registered operation."""

    def __init__(self, service: Service, settings: Settings, webhooks: Webhooks, guard: Guard, pace: Pace) -> None:
        self._service = service
        self._guard = guard
        self._pace = pace
        self._webhooks = webhooks
        self._settings = settings

    # --- submit

    async def submit(self, call: Call, registered: Registered) -> None:
        """`POST` on a registered path."""
        call.flag("redirect", True)  # refused before anything is stored (guarantee D4)
        key_header = call.header(b"idempotency-key")
        key_value = idempotency_key(key_header) if b"idempotency-key" in call.headers else None
        raw, value = self._input(
            call, registered, await body.read(call.receive, call.headers, self._settings.body_limit)
        )
        key = Key(registered.path, key_value, body.fingerprint(value)) if key_value is not None else None
        trace = traceparent(call.header(b"traceparent")) if b"traceparent" in call.headers else None
        webhook = None
        if isinstance(value, dict) and RESERVED in value:
            webhook, raw = await self._webhooks.registered(call, value), without_webhook(raw)
        registration = webhook.registration if webhook is not None else None
        accepted = await self._service.submit(
            registered, raw, owner=call.caller.owner, key=key, trace=trace, webhook=registration
        )
        if not accepted.replayed:
            audit.note("submit", call.caller, accepted.operation.id)
        replayed: tuple[Header, ...] = ((b"idempotency-replayed", b"true"),) if accepted.replayed else ()
        preferred = call.preferences(self._settings.wait_limit)
        operation = accepted.operation
        if webhook is not None and webhook.minted and not accepted.replayed:
            audit.note("secret", call.caller, operation.id, "of its webhook, minted and shown")
            # Only this answer may say the secret, so it cannot wait for another one (`Prefer` is a wish).
            await self._accepted(call, operation, Preferences(), False, replayed, webhook.registration.secrets[0])
            return
        if preferred.wait and call.caller.may(Rule.READ):  # who may not look is not shown what becomes of it either
            operation = await self._wait(call, operation, preferred.wait, "end")
            if operation.terminal:
                await self._answer(call, operation, preferred, True, *replayed)
                return
        await self._accepted(call, operation, preferred, accepted.replayed, replayed)

    def _input(self, call: Call, registered: Registered, raw: bytes) -> tuple[bytes, Any]:
        """The body as bytes and as a JSON value."""
        if not raw and registered.input.type is ABSENT:
            return b"null", None
        body.check_type(call.headers)
        value = body.parse(raw)
        if (
            registered.input.type is ABSENT
            and value is not None
            and (not isinstance(value, dict) or {*value} - {RESERVED})
        ):
            raise InvalidRequest("This operation takes no input.", errors=[{"pointer": "", "detail": "takes no input"}])
        return raw, value

    async def _accepted(
        self,
        call: Call,
        operation: Operation,
        preferred: Preferences,
        replayed: bool,
        headers: tuple[Header, ...],
        secret: str | None = None,
    ) -> None:
        advice = await self._service.advice(operation)
        if secret is not None:
            document = wire.encode(wire.accepted_document(operation, call.base, advice, secret))
        elif replayed and call.caller.may(Rule.READ):
            document = wire.encode(wire.replayed_document(operation, call.base, advice))
        else:
            document = accepted_body(operation, call.base, advice)
        location = (b"location", f"{call.base}/operations/{operation.id}".encode())
        retry_after = (b"retry-after", b"%d" % advice.recommended)
        applied = _applied(preferred, preferred.wait is not None)
        known = (JSON, NO_STORE, location, retry_after, VARY_PREFER)
        await call.answer(202, document, *known, *applied, *headers)

    # --- poll

    async def status(self, call: Call, id: str) -> None:
        """`GET /operations/{id}`."""
        if b"prefer" not in call.headers:
            self._pace.check_poll(call, id)
        operation = await self._service.get(id, call.sees)
        if not call.headers.keys().isdisjoint(_UNUSUAL):
            await self._status_with_conditions(call, operation)
            return
        self._count(call, operation)
        await self._answer(call, operation, NO_PREFERENCES, False)

    def _count(self, call: Call, operation: Operation) -> None:
        if not operation.terminal:
            self._pace.polled(call, operation.id)

    async def _status_with_conditions(self, call: Call, operation: Operation) -> None:
        preferred = call.preferences(self._settings.wait_limit)
        known = call.header(b"if-none-match")
        fresh = not known or matches(known, etag(operation))
        if not (preferred.wait and fresh):
            self._count(call, operation)  # a long-poll is not counted: it is the server that says when it ends
        elif not operation.terminal:
            operation = await self._wait(call, operation, preferred.wait, "change")
        applied = _applied(preferred, preferred.wait is not None)
        redirects = operation.status is Status.COMPLETED and call.flag("redirect", True)
        if known and matches(known, etag(operation)) and not redirects:  # RFC 9110, 13.2.1: conditions are for 2xx
            await call.empty(304, (b"etag", etag(operation).encode()), NO_STORE, VARY_PREFER, *applied)
            return
        await self._answer(call, operation, preferred, preferred.wait is not None)

    async def _answer(
        self, call: Call, operation: Operation, preferred: Preferences, waited: bool, *headers: Header
    ) -> None:
        """The document, behind the status code that the state asks for."""
        headers = (*headers, (b"etag", etag(operation).encode()), VARY_PREFER, *_applied(preferred, waited))
        if not operation.terminal:
            advice = await self._service.advice(operation)
            document = wire.operation_document(operation, call.base, advice)
            await call.json(200, document, (b"retry-after", b"%d" % advice.recommended), *headers)
            return
        document = wire.operation_document(operation, call.base, wire.NO_ADVICE)
        if operation.status is Status.COMPLETED and call.flag("redirect", True):
            await call.json(303, document, (b"location", wire.result_url(operation, call.base).encode()), *headers)
        else:
            await call.json(200, document, *headers)

    async def _wait(self, call: Call, operation: Operation, timeout: float, until: Any) -> Operation:
        """Wait, but not for a client that has gone away."""
        gone = asyncio.create_task(call.disconnected())
        waiting = asyncio.create_task(self._service.wait(operation, call.sees, timeout, until))
        try:
            await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
            self._guard.recheck(call.caller)
            return waiting.result() if waiting.done() else operation
        finally:
            gone.cancel()
            waiting.cancel()

    async def input(self, call: Call, id: str) -> None:
        """`GET /operations/{id}/input`: the very bytes it was submitted with."""
        await call.answer(200, await self._service.input(id, call.sees), JSON, NO_STORE)

    # --- cancel and retry

    async def cancel(self, call: Call, id: str) -> None:
        """`POST /operations/{id}/cancel`."""
        reason = await self._reason(call)
        operation = await self._service.cancel(id, call.sees, reason)
        audit.note("cancel", call.caller, id)
        await call.json(200, wire.cancel_document(operation))

    async def _reason(self, call: Call) -> str | None:
        raw = await body.read(call.receive, call.headers, self._settings.body_limit)
        if not raw:
            return None
        body.check_type(call.headers)
        value = body.parse(raw)
        if not isinstance(value, dict):
            raise InvalidRequest("The body is an object.", errors=[{"pointer": "", "detail": "not an object"}])
        return body.reason(value)

    async def retry(self, call: Call, id: str) -> None:
        """`POST /operations/{id}/retry`."""
        await body.read(call.receive, call.headers, self._settings.body_limit)
        trace = traceparent(call.header(b"traceparent"))
        operation = await self._service.retry(id, call.sees, trace)
        audit.note("retry", call.caller, id, f"as {operation.id}")
        await self._accepted(call, operation, NO_PREFERENCES, operation.version > 1, ())


_UNUSUAL = frozenset({b"prefer", b"if-none-match"})


def etag(operation: Operation) -> str:
    """Strong once it has ended, for then every byte stays; weak before, because estimates change without a
    transition.
    """
    return f'"{operation.version}"' if operation.terminal else f'W/"{operation.version}"'


def _applied(preferred: Preferences, waited: bool) -> tuple[Header, ...]:
    if preferred is NO_PREFERENCES:
        return ()
    applied = preferred.applied(waited)
    return ((b"preference-applied", applied.encode()),) if applied else ()
